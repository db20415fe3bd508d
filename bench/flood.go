//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"minitcp/bench/flood"
	"minitcp/bench/subject"
)

// floodCommand is the first argument for floods of SYNs.
const floodCommand = "flood"

const floodUsage = `usage: go run ./bench flood [flags]

Sends SYNs from random sources to minitcp, gVisor and the kernel, and measures honest clients beside them: connections
opened 32 at a time, and ping-pong on an established one. It also measures the target's memory. It makes and removes
network namespaces. The table goes to stdout, progress to stderr. It needs root.

`

// floodOptions are the values of the flags after floodCommand.
type floodOptions struct {
	flood.Plan
	markdown bool
}

// runFlood returns the exit status, as run does.
func runFlood(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseFlood(arguments, stderr)
	return exitStatus(err, o.measureAll, stdout, stderr)
}

// parseFlood reads the command line. It writes errors to stderr as well.
func parseFlood(arguments []string, stderr io.Writer) (o floodOptions, err error) {
	flags := newFlags("bench flood", floodUsage, stderr)
	var rates, targets string
	flags.StringVar(&rates, "rates", "5000,20000,50000,200000,50000@40ms,200000@40ms", fmt.Sprintf("comma-separated numbers of SYNs per `second`, 1 to %d each; @TIME puts the honest clients behind an emulated link with that round-trip time", flood.MaxRate))
	flags.StringVar(&targets, "targets", "", "comma-separated `names`, by default "+strings.Join(flood.Targets, ","))
	flags.IntVar(&o.Rounds, "rounds", 3, fmt.Sprintf("number of measurements of each, 1 to %d", maxRounds))
	flags.DurationVar(&o.Duration, "duration", 3*time.Second, fmt.Sprintf("time of each measurement without and with the flood, %v to %v", minDuration, maxDuration))
	flags.StringVar(&o.Profiles, "profile", "", "`directory` for profiles of CPU time and of allocations of the targets under the flood")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() error { return o.check(rates, targets) })
	return o, err
}

func (o *floodOptions) check(rates, targets string) error {
	err := cmp.Or(within("rounds", o.Rounds, 1, maxRounds), within("duration", o.Duration, minDuration, maxDuration), makeProfiles(o.Profiles))
	if err != nil {
		return err
	}
	for text := range strings.SplitSeq(rates, ",") {
		c, err := flood.ParseCase(text)
		if err != nil {
			return fmt.Errorf("-rates: %w", err)
		}
		o.Cases = append(o.Cases, c)
	}
	names, err := choose("target", targets, flood.Targets)
	for _, name := range names {
		t, _ := subject.Find(name)
		o.Targets = append(o.Targets, t)
	}
	return err
}

func (o *floodOptions) measureAll(stdout, stderr io.Writer) error {
	if err := needRoot(); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(floodName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, e, release := measuring()
	defer release()
	samples, err := o.Run(ctx, stderr)
	if len(samples) == 0 {
		return err
	}
	t := o.Table(samples)
	how := fmt.Sprintf("%d rounds, %v without and %v with each flood; the kernel's tcp_syncookies is %s", o.Rounds, o.Duration, o.Duration, samples[0].Cookies)
	fmt.Fprintf(stdout, "%s\n%s\n\n", e, how)
	if err := errors.Join(err, t.WriteText(stdout)); err != nil || !o.markdown {
		return err
	}
	return fillTable(floodName, e, how, t)
}
