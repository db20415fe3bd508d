//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"minitcp/cmd/minitcp/demo"
	"minitcp/cmd/minitcp/ladder"
	"minitcp/tun"
)

func newDemoCommand() *cobra.Command {
	var capture captureFlags
	var page pageFlag
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Demonstrate TCP on live connections with the kernel",
		Long: `Demo makes a network namespace with a TUN in it, starts a server on minitcp and clients on the kernel's TCP, and
draws every segment between them: handshake, data in both directions, retransmission of lost and damaged segments,
abrupt and graceful release, half-close. It takes a few seconds and removes everything it has made.

The exit status is 0 only if every one of these events was observed on both sides.`,
		Args:    noArguments,
		PreRunE: func(*cobra.Command, []string) error { return capture.check() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPrivilege(func() (err error) {
				stop, release := onSignals()
				defer release()
				c, err := capture.open(demo.Device, cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, c.close()) }()
				out, opt, complete, err := page.open(cmd.OutOrStdout())
				if err != nil {
					return err
				}
				err = complete(demo.Run(stop.soon, out, opt, c.tap()))
				if errors.Is(err, tun.ErrPermission) && !mayOpenDriver() {
					// A user namespace gives all other privileges that the demo needs; see withPrivilege.
					return fmt.Errorf("no permission to open %s; run as root, or as root permit others with: chmod 666 %[1]s", tunDriver)
				}
				return err
			})
		},
	}
	cmd.Flags().SortFlags = false
	page.register(cmd.Flags())
	capture.register(cmd.Flags())
	return cmd
}

// pageFlag holds the flag of the lesson as a page.
type pageFlag struct{ file string }

func (f *pageFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "html", "", "write the lesson to `FILE` as a page of HTML with pictures, which needs no other file; - means stdout")
}

// open returns the writer of the lesson and its options. Complete completes the page after the demo, whose error it
// gets and returns.
func (f *pageFlag) open(stdout io.Writer) (w io.Writer, opt ladder.Options, complete func(error) error, err error) {
	opt, complete = ladderOptions(stdout), func(err error) error { return err }
	if f.file == "" {
		return stdout, opt, complete, nil
	}
	opt.Page = "How TCP works"
	if f.file == "-" {
		return stdout, opt, complete, nil
	}
	file, err := os.Create(f.file)
	if err != nil {
		return nil, opt, nil, fmt.Errorf("--html: %w; name a writable file, or - for stdout", err)
	}
	return file, opt, func(err error) error {
		if closeErr := file.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("--html: %w", closeErr)
		}
		if err == nil {
			fmt.Fprintf(stdout, "All events seen. The lesson is in %s.\n", f.file)
		}
		return err
	}, nil
}

// ladderOptions returns options that suit w: on a terminal, colours and its width.
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
