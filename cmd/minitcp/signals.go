//go:build linux

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopping holds the contexts that end with the first and the second signal.
type stopping struct {
	soon context.Context // ends with the first signal, for an orderly end
	now  context.Context // ends with the second signal, for an immediate end
}

// endSignals returns the signals that end the program. They include SIGINT even if it was ignored at the start, as in a
// background command of a shell without job control. They do not include SIGHUP if it was ignored at the start, as
// under nohup. In a private namespace they do not include SIGINT, which the terminal sends to the parent as well: the
// parent sends SIGTERM.
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

// onSignals returns contexts that end with the signals of endSignals. It handles the signals until release is called.
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
