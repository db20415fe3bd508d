//go:build linux

package main

import (
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"minitcp/cmd/minitcp/internal/control"
)

// statsOptions holds the flags of stats.
type statsOptions struct {
	client   clientFlag
	print    control.NstatOptions
	noUpdate bool
}

func newStatsCommand() *cobra.Command {
	o := &statsOptions{}
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Print the counters of running daemons, as nstat(8) does",
		Long: `Stats prints the counters of the running minitcp daemons in the format of nstat of iproute2: the kernel's name, the
increment since the last use of the command, and the rate per second. Counters that the kernel does not have follow under
names that begin with Minitcp. The values of the last use are in the directory of the daemons' sockets.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.OutOrStdout()) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&o.print.Absolute, "ignore", "a", false, "print totals, instead of the increments since the last use")
	flags.BoolVarP(&o.print.Zeros, "zeros", "z", false, "print counters whose value is 0, too")
	flags.BoolVarP(&o.noUpdate, "noupdate", "s", false, "do not record this use")
	flags.BoolVarP(&o.print.JSON, "json", "j", false, "print JSON")
	o.client.register(flags)
	return cmd
}

func (o *statsOptions) run(w io.Writer) error {
	clients, err := o.client.clients()
	if len(clients) == 0 {
		return err
	}
	history := control.ReadHistory()
	for _, c := range clients {
		err = errors.Join(err, o.printOne(w, c, history))
	}
	if o.noUpdate {
		return err
	}
	return errors.Join(err, history.Write())
}

// printOne prints the counters of one daemon and adds them to the history.
func (o *statsOptions) printOne(w io.Writer, c *control.Client, history control.History) error {
	daemon, err := c.Daemon()
	if err != nil {
		return err
	}
	list, err := c.Stats()
	if err != nil {
		return err
	}
	now := time.Now()
	if err := control.PrintNstat(w, &daemon, list, history.Of(&daemon), now, o.print); err != nil {
		return err
	}
	history.Set(&daemon, list, now)
	return nil
}
