//go:build linux

// Package demo demonstrates TCP on live connections between minitcp and the kernel, in a network namespace of its own.
// A scene for each statement of the lesson makes something happen on a TUN (scenes.go, retransmit.go, release.go).
// Every segment is drawn on a ladder together with both sides' states, of which the kernel's come from sock_diag(7).
// The scenes check the recorded segments, and a summary lists each event as seen or not seen.
//
// The files: demo, the order of events; lab, the equipment; link, a device that injects faults; history and watch, the
// observed segments; sockdiag and counter, the kernel's view.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"minitcp/cmd/minitcp/ladder"
	"minitcp/stack"
)

// Limit is the maximum duration of the demo.
const Limit = 14 * time.Second

// Run performs all scenes, draws them on w, and writes a summary. It returns an error if an event of the lesson was not
// seen. tap, if not nil, is called with the frames of minitcp's stack. Errors of network namespaces and devices are
// those of package tun.
func Run(ctx context.Context, w io.Writer, opt ladder.Options, tap func(*stack.Frame)) error {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	start := time.Now()
	d := ladder.New(w, opt)
	l, err := newLab(ctx, d, tap)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	err = l.perform()
	if closeErr := l.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = l.summary(time.Since(start))
	}
	if closeErr := d.Close(); closeErr != nil {
		return closeErr
	}
	return err
}

// perform runs the scenes in order, until one returns an error.
func (l *lab) perform() error {
	// Closing the sockets ends a scene that is blocked on one when the time is up.
	defer context.AfterFunc(l.ctx, func() { l.Close() })()
	for _, line := range prologue {
		l.ladder.Text(line)
	}
	for i, scene := range scenes {
		l.ladder.Title(scene.caption)
		err := scene.run(l)
		if l.ctx.Err() == context.Canceled {
			return errors.New("demo: interrupted")
		}
		if err != nil {
			l.expect(false, "%s: %v", scene.name, err)
			for _, missed := range scenes[i+1:] {
				l.expect(false, "%s: not reached", missed.name)
			}
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.diagErr != nil {
		l.expect(false, "the kernel's states: %v", l.diagErr)
	}
	return nil
}

// summary writes a line for each expected event, and returns an error if one was not seen.
func (l *lab) summary(took time.Duration) error {
	l.ladder.Text("")
	var missing []string
	for _, e := range l.expectations {
		word := "seen     "
		if !e.seen {
			word = "NOT SEEN "
			missing = append(missing, e.event)
		}
		l.ladder.Text(word + e.event)
	}
	if len(missing) > 0 {
		return fmt.Errorf("demo: %d of %d events were not seen; the first: %s", len(missing), len(l.expectations), missing[0])
	}
	l.ladder.Text("")
	l.ladder.Text(fmt.Sprintf("All %d events seen, in %.1f s.", len(l.expectations), took.Seconds()))
	return nil
}
