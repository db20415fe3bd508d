//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"minitcp/cmd/minitcp/demo"
	"minitcp/cmd/minitcp/ladder"
	"minitcp/tun"
)

func newDemoCommand() *cobra.Command {
	var capture captureFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Demonstrate TCP on live connections with the kernel",
		Long: `Demo makes a network namespace with a TUN in it, starts a server on minitcp and clients on the kernel's TCP, and
draws every segment between them: handshake, data in both directions, retransmission of lost and damaged segments,
abrupt and graceful release, half-close. It takes a few seconds and removes everything it has made.

The exit status is 0 only if every one of these events was observed on both sides.`,
		Args:    usageArgs(cobra.NoArgs),
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
				out := cmd.OutOrStdout()
				err = demo.Run(stop.soon, out, ladderOptions(out), c.tap())
				if errors.Is(err, tun.ErrPermission) && !mayOpenDriver() {
					// A user namespace gives all other privileges that the demo needs; see withPrivilege.
					return fmt.Errorf("no permission to open %s; run as root, or as root permit others with: chmod 666 %[1]s", tunDriver)
				}
				return err
			})
		},
	}
	cmd.Flags().SortFlags = false
	capture.register(cmd.Flags())
	return cmd
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
