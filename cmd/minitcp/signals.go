//go:build linux

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopping says when to end.
type stopping struct {
	soon context.Context // ends with the first signal: finish what you do
	now  context.Context // ends with the second
}

// endSignals returns the signals that end the program. SIGINT is one even if it was ignored at the start: a shell without
// job control starts a command with & that way. SIGHUP is not one if it was ignored at the start, as under nohup. In a
// private namespace SIGINT is not one: the terminal sends it to the parent, too, which sends SIGTERM.
func endSignals() []os.Signal {
	list := []os.Signal{syscall.SIGTERM}
	if !isPrivate() {
		list = append(list, syscall.SIGINT)
	}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// onSignals returns contexts that the signals of endSignals end, from now until release is called.
func onSignals() (s stopping, release func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endSignals()...)
	var first, second context.CancelFunc
	s.now, second = context.WithCancel(context.Background())
	s.soon, first = context.WithCancel(s.now)
	go func() {
		for _, stop := range []context.CancelFunc{first, second} {
			select {
			case <-signals:
				stop()
			case <-s.now.Done():
				return
			}
		}
	}()
	return s, func() {
		signal.Stop(signals)
		second()
	}
}
