//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"minitcp/cmd/minitcp/internal/control"
)

// liveOptions holds the flags of capture.
type liveOptions struct {
	client clientFlag
	name   string // of the daemon
	file   string
	count  uint64
	split  bool
	extcap extcapFlags
}

func newCaptureCommand() *cobra.Command {
	o := &liveOptions{}
	cmd := &cobra.Command{
		Use:   "capture [flags] [FILTER]",
		Short: "Capture the packets of a running daemon, for Wireshark",
		Long: `Capture attaches to a running minitcp daemon and writes its packets as pcapng, with minitcp's state of the connection as
a comment of each packet (frame.comment), until ^C, the end of the daemon, or COUNT packets. FILTER has the syntax of
"minitcp ss"; a state in it is that before an arriving packet was processed, or when a packet was sent. A slow reader
misses packets, which are counted in the file, and never slows TCP.

  minitcp capture | wireshark -k -i -
  minitcp capture -w mini.pcapng 'dst 10.77.0.0/24 and dport = :443'

Wireshark lists each running daemon as an interface if its folder for extcap programs has this script, executable (the
folder is in Help, About, Folders; for instance ~/.config/wireshark/extcap or ~/.local/lib/wireshark/extcap):

  #!/bin/sh
  exec minitcp capture "$@"

Its capture filters for these interfaces have the syntax of FILTER.`,
		Args: func(_ *cobra.Command, args []string) error { return o.check(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			std := stdio{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()}
			if o.extcap.used() {
				return o.extcap.run(o, std.out)
			}
			return o.run(strings.Join(args, " "), std)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.file, "write", "w", "-", "write to `FILE`; - means stdout")
	flags.Uint64VarP(&o.count, "count", "c", 0, "end after `COUNT` packets; 0 means no limit")
	flags.StringVarP(&o.name, "interface", "i", "", "capture from the daemon `NAME`: its process number, its device, or its command; needed if several run")
	flags.BoolVar(&o.split, "split", false, "write each GSO packet as the segments it would be cut into on a wire")
	o.client.register(flags)
	o.extcap.register(flags)
	return cmd
}

// check returns an error for a filter that cannot be parsed, and for flags that contradict each other.
func (o *liveOptions) check(args []string) error {
	if o.extcap.used() {
		return o.extcap.check(args)
	}
	if _, err := control.ParseFilter(strings.Join(args, " "), true); err != nil {
		return usagef("%v; see: minitcp ss --help", err)
	}
	if o.name != "" && !o.client.api.address.IsDefault() {
		return usagef("--interface and --api exclude each other; give one")
	}
	return nil
}

func (o *liveOptions) run(filter string, std stdio) (err error) {
	daemon, err := o.daemon()
	if err != nil {
		return err
	}
	out, close, err := o.open(std.out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, close()) }()
	lost, err := o.capture(daemon, out, filter)
	if lost > 0 {
		fmt.Fprintf(std.err, "minitcp: capture: %d packets are missing: they arrived faster than they could be written; select fewer with a FILTER\n", lost)
	}
	return err
}

// capture captures until a signal, the end of the daemon, or the number of packets. A second signal ends the program.
func (o *liveOptions) capture(c *control.Client, w io.Writer, filter string) (lost uint64, err error) {
	stop, release := onSignals()
	defer release()
	context.AfterFunc(stop.soon, release)
	lost, err = c.Capture(stop.soon, w, control.CaptureOptions{Filter: filter, Count: o.count, Split: o.split})
	if errors.Is(err, syscall.EPIPE) { // the reader has left
		err = nil
	}
	return lost, err
}

// open returns the output and a function that closes it.
func (o *liveOptions) open(stdout io.Writer) (io.Writer, func() error, error) {
	if o.file != "-" {
		f, err := createPrivate(o.file)
		if err != nil {
			return nil, nil, fmt.Errorf("-w: %w; name a writable file, or - for stdout", err)
		}
		return f, f.Close, nil
	}
	if f, ok := stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return nil, nil, usagef("stdout is a terminal; name a file with -w FILE, or use a pipe: minitcp capture | wireshark -k -i -")
	}
	return stdout, func() error { return nil }, nil
}

// daemon returns the client of the daemon that the flags select.
func (o *liveOptions) daemon() (*control.Client, error) {
	clients, silent := o.client.clients()
	if len(clients) == 0 || silent != nil && o.name == "" {
		return nil, silent
	}
	if len(clients) == 1 && o.name == "" {
		return clients[0], nil
	}
	var found []*control.Client
	var matching, all []string
	for _, c := range clients {
		d, err := c.Daemon()
		if err != nil {
			return nil, err
		}
		all = append(all, daemonName(&d))
		if o.name == strconv.Itoa(d.PID) || o.name == d.Device || o.name == d.Command {
			found = append(found, c)
			matching = append(matching, daemonName(&d))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case o.name == "":
		return nil, usagef("several daemons run: %s; choose one with -i NAME", strings.Join(all, ", "))
	case len(found) > 1:
		return nil, usagef("-i %s: several daemons have this name: %s; choose one by its number", o.name, strings.Join(matching, ", "))
	}
	return nil, errors.Join(fmt.Errorf("-i %s: no daemon has this name; running: %s", o.name, strings.Join(all, ", ")), silent)
}

// daemonName returns the text that names a daemon in lists.
func daemonName(d *control.Daemon) string {
	return fmt.Sprintf("%d (%s on %s)", d.PID, d.Command, d.Device)
}
