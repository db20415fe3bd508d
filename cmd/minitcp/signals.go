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

// onSignals returns what SIGINT, SIGTERM and SIGHUP say from now until release is called. Those that were ignored when
// the program began stay so, as SIGHUP under nohup.
func onSignals() (s stopping, release func()) {
	signals := make(chan os.Signal, 2)
	for _, which := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(which) {
			signal.Notify(signals, which)
		}
	}
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
