//go:build linux

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"minitcp/cmd/minitcp/internal/sandbox"
)

// terminalSignals are the signals that a terminal sends to every process of its foreground group, which COMMAND is in.
var terminalSignals = []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGWINCH}

// otherSignals are the other signals that COMMAND gets from this process.
var otherSignals = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT}

// forwardSignals sends the signals that this process receives to the command, until release is called. When a signal
// has stopped the command, this process stops as well, so that a shell with job control notices. When this process
// continues, so does the command. SIGHUP and SIGINT that were ignored at the start stay ignored, also by the command;
// Go catches the others.
func forwardSignals(box *sandbox.Sandbox) (release func()) {
	signals := make(chan os.Signal, 16)
	for _, s := range append(terminalSignals, otherSignals...) {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// Reading from the terminal in the background stops COMMAND, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTTIN, syscall.SIGTTOU)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if !fromTerminal(s) {
					box.Signal(s.(syscall.Signal))
				}
			case <-box.Stopped:
				syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// fromTerminal reports whether the terminal has sent a signal, and to the command as well: it may have sent all of
// terminalSignals that arrive while this process is in the terminal's foreground group.
func fromTerminal(s os.Signal) bool {
	for _, t := range terminalSignals {
		if s == t {
			return inForeground()
		}
	}
	return false
}

// inForeground reports whether this process has a terminal and is in its foreground group.
func inForeground() bool {
	terminal, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(terminal)
	group, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
