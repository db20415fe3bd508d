//go:build linux

package main

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/control"
)

// clientFlag is the flag of commands that ask running daemons.
type clientFlag struct{ api apiFlag }

func (f *clientFlag) register(flags *pflag.FlagSet) {
	flags.Var(&f.api, "api", "ask the daemon whose API is at `ADDRESS`: unix:PATH or HOST:PORT; default: every running daemon of yours")
}

// clients returns the daemons to ask, and an error for those that do not answer.
func (f *clientFlag) clients() ([]*control.Client, error) {
	switch {
	case f.api.off:
		return nil, usagef("--api off: name an address, or omit --api for every running daemon of yours")
	case f.api.address.IsDefault():
		return control.Clients()
	}
	return []*control.Client{control.NewClient(f.api.address)}, nil
}

// ssOptions holds the flags of ss.
type ssOptions struct {
	client  clientFlag
	columns control.SSOptions
	all     bool
	kill    bool
	ignored bool // -t and -n
}

func newSSCommand() *cobra.Command {
	o := &ssOptions{}
	cmd := &cobra.Command{
		Use:   "ss [flags] [FILTER]",
		Short: "Print the connections of running daemons, as ss(8) does",
		Long: `Ss prints the TCP connections of the running minitcp daemons in the format of "ss -tn" of iproute2. FILTER has its
syntax:

  state S, exclude S   in front: established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, close-wait,
                       last-ack, closing, listening, all, connected, synchronized, bucket or big
  src HOST, dst HOST   HOST is ADDRESS[/BITS][:PORT], [ADDRESS6]:PORT or :PORT
  sport OP PORT        local port; OP is =, !=, <, <=, > or >=, or eq, ne, lt, le, gt, ge
  dport OP PORT        port of the peer
  and, or, not, ( )    "and" may be omitted; "and" and "or" apply from left to right

For instance:

  minitcp ss -i state established dst 10.77.0.0/24
  minitcp ss -K 'dport = :443 or sport = :8080'`,
		Args: func(_ *cobra.Command, args []string) error { return o.check(strings.Join(args, " ")) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.OutOrStdout(), strings.Join(args, " "))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&o.columns.Info, "info", "i", false, "print the internal state of each connection")
	flags.BoolVarP(&o.all, "all", "a", false, "print listeners, and connections in SYN-RECEIVED and TIME-WAIT, too")
	flags.BoolVarP(&o.kill, "kill", "K", false, "reset the connections that FILTER selects, and print those that were")
	flags.BoolVarP(&o.columns.Processes, "processes", "p", false, "print the daemon of each connection")
	flags.BoolVarP(&o.columns.OneLine, "oneline", "O", false, "print each connection on one line")
	flags.BoolVarP(&o.columns.NoHeader, "no-header", "H", false, "print no header")
	flags.BoolVarP(&o.ignored, "tcp", "t", false, "no effect, as is -n: the output has TCP and numbers only")
	flags.BoolVarP(&o.ignored, "numeric", "n", false, "no effect")
	o.client.register(flags)
	return cmd
}

// check returns an error for a filter that cannot be parsed, and for -K without one.
func (o *ssOptions) check(filter string) error {
	f, err := control.ParseFilter(filter, o.all)
	switch {
	case err != nil:
		return usagef("%v; see: minitcp ss --help", err)
	case o.kill && strings.TrimSpace(filter) == "":
		return usagef("-K needs a FILTER; for instance: minitcp ss -K dst 10.77.0.1, or for all connections: minitcp ss -K state all")
	}
	o.columns.NoState = f.OneState()
	return nil
}

func (o *ssOptions) run(w io.Writer, filter string) error {
	clients, err := o.client.clients()
	if len(clients) == 0 {
		return err
	}
	var rows []control.Row
	for _, c := range clients {
		list, clientErr := c.List(filter, o.all)
		err = errors.Join(err, clientErr)
		if !o.kill {
			for _, l := range list.Listeners {
				rows = append(rows, control.ListenerRow(l, list.Daemon))
			}
		}
		for _, d := range list.Connections {
			if o.kill {
				killed, killErr := c.Kill(&d)
				err = errors.Join(err, killErr)
				if !killed {
					continue
				}
			}
			rows = append(rows, control.Row{Connection: d, Daemon: list.Daemon})
		}
	}
	return errors.Join(control.PrintSS(w, rows, o.columns), err)
}
