//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"minitcp/cmd/minitcp/ladder"
	"minitcp/stack"
)

// demoLimit is how long the demo may take at the very most.
const demoLimit = 14 * time.Second

func newDemoCommand() *cobra.Command {
	var capture captureFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show what TCP does, from live connections with the kernel",
		Long: "demo makes a network namespace with a TUN in it, a server on minitcp's TCP, and clients on the kernel's, and\n" +
			"draws what happens between them: handshake, data both ways, repair of lost and damaged segments, abrupt and\n" +
			"graceful release, half-close. It takes a few seconds and leaves nothing behind.\n\n" +
			"The exit status is 0 only if each of these really happened, as seen on both sides.",
		Args:    usageArgs(cobra.NoArgs),
		PreRunE: func(*cobra.Command, []string) error { return capture.check() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPrivilege(func() (err error) {
				stop, release := onSignals()
				defer release()
				c, err := capture.open(demoDevice, cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, c.close()) }()
				out := cmd.OutOrStdout()
				return runDemo(stop.soon, out, ladderOptions(out), c.tap())
			})
		},
	}
	cmd.Flags().SortFlags = false
	capture.register(cmd.Flags())
	return cmd
}

// ladderOptions suit what is written to: colours and its width if it is a terminal.
func ladderOptions(w io.Writer) ladder.Options {
	opt := ladder.Options{PeerName: "kernel"}
	opt.Colour = wantsColour(w)
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns < 100 {
			opt.Width = columns
		}
	}
	return opt
}

// runDemo performs all scenes. Its error says what was not seen. Tap, if not nil, gets the frames of our stack.
func runDemo(ctx context.Context, w io.Writer, opt ladder.Options, tap func(*stack.Frame)) error {
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	start := time.Now()
	l := ladder.New(w, opt)
	s, err := newStage(ctx, l, tap)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	err = s.perform()
	if err := errors.Join(s.Close(), l.Close()); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return s.summary(w, time.Since(start))
}

// perform runs the scenes in turn, until one cannot go on.
func (s *stage) perform() error {
	// A scene that waits for a socket must not outlive the demo.
	defer context.AfterFunc(s.ctx, func() { s.Close() })()
	for _, line := range prologue {
		s.ladder.Text(line)
	}
	for i, scene := range scenes {
		s.ladder.Title(scene.caption)
		err := scene.run(s)
		if s.ctx.Err() == context.Canceled {
			return errors.New("demo: interrupted")
		}
		if err != nil {
			s.find(false, "%s: %v", scene.name, oneLine(err))
			for _, missed := range scenes[i+1:] {
				s.find(false, "%s: not reached", missed.name)
			}
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.diagErr != nil {
		s.find(false, "the kernel's states: %v", s.diagErr)
	}
	return nil
}

// summary writes a line for each thing that should have been seen, and returns an error if one was not.
func (s *stage) summary(w io.Writer, took time.Duration) error {
	fmt.Fprintln(w)
	var missing []string
	for _, f := range s.findings {
		word := "seen     "
		if !f.seen {
			word = "NOT SEEN "
			missing = append(missing, f.what)
		}
		if _, err := fmt.Fprintln(w, word+f.what); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("demo: %d of %d things were not seen; the first: %s", len(missing), len(s.findings), missing[0])
	}
	_, err := fmt.Fprintf(w, "\nAll %d seen, in %.1f s.\n", len(s.findings), took.Seconds())
	return err
}
