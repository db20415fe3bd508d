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

// traceFlag says where the segments are drawn.
type traceFlag struct{ file string }

func (f *traceFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "trace", "", "draw every segment as a ladder into this `FILE`; - means stdout")
}

// tracing draws while a stack runs. A nil one draws nothing.
type tracing struct {
	ladder *ladder.Ladder
	file   *os.File // nil: stdout
	stderr io.Writer
	failed atomic.Bool // fail has reported the error
}

// open begins to draw, if that is wanted. Notices go to stderr.
func (f *traceFlag) open(stdout, stderr io.Writer) (*tracing, error) {
	if f.file == "" {
		return nil, nil
	}
	t, w := &tracing{stderr: stderr}, stdout
	if f.file != "-" {
		file, err := createPrivate(f.file)
		if err != nil {
			return nil, fmt.Errorf("--trace: %w; name a file that can be written, or - for stdout", err)
		}
		t.file, w = file, file
	}
	t.ladder = ladder.New(w, ladder.Options{Colour: wantsColour(w), Failed: t.fail})
	return t, nil
}

// fail reports that the trace cannot be written any more. Traffic goes on.
func (t *tracing) fail(err error) {
	t.failed.Store(true)
	fmt.Fprintf(t.stderr, "minitcp: --trace: %v; the trace ends here, traffic goes on\n", err)
}

// event is the stack's Config.Trace.
func (t *tracing) event() func(*stack.TraceEvent) {
	if t == nil {
		return nil
	}
	return t.ladder.Event
}

// close draws what is left. It must come after the stack's end.
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

// wantsColour reports whether somebody looks at w who has not said no (see no-color.org).
func wantsColour(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))
}
