//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"minitcp/cmd/minitcp/ladder"
	"minitcp/stack"
)

// traceFlag holds the flag of the ladder diagram.
type traceFlag struct{ file string }

func (f *traceFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "trace", "", "draw every segment as a ladder diagram into `FILE`; - means stdout")
}

// tracing draws a running stack's segments. A nil *tracing draws nothing.
type tracing struct {
	ladder *ladder.Ladder
	file   *os.File // nil for stdout
	stderr io.Writer
	failed atomic.Bool // fail has reported the error
}

// open creates the file, if the flag is set. Warnings go to stderr.
func (f *traceFlag) open(stdout, stderr io.Writer) (*tracing, error) {
	if f.file == "" {
		return nil, nil
	}
	t, w := &tracing{stderr: stderr}, stdout
	if f.file != "-" {
		file, err := createPrivate(f.file)
		if err != nil {
			return nil, fmt.Errorf("--trace: %w; name a writable file, or -", err)
		}
		t.file, w = file, file
	}
	t.ladder = ladder.New(w, ladder.Options{Colour: wantsColour(w), Failed: t.fail})
	return t, nil
}

// fail reports a write error. The trace ends; traffic continues.
func (t *tracing) fail(err error) {
	t.failed.Store(true)
	fmt.Fprintf(t.stderr, "minitcp: --trace: %v; the trace ends here; traffic continues\n", err)
}

// event returns the stack's Config.Trace, nil without a trace.
func (t *tracing) event() func(*stack.TraceEvent) {
	if t == nil {
		return nil
	}
	return t.ladder.Event
}

// close writes the segments that are still queued. It must be called after the stack has ended.
func (t *tracing) close() error {
	if t == nil {
		return nil
	}
	err := t.ladder.Close()
	if err != nil && t.failed.Load() {
		err = exitStatus(exitFailure)
	}
	if t.file != nil {
		err = errors.Join(err, t.file.Close())
	}
	if err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	return nil
}

// wantsColour reports whether w is a terminal and NO_COLOR is not set (see no-color.org).
func wantsColour(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))
}
