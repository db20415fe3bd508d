//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"minitcp/bench/greedy"
)

// greedyCommand is the first argument for peers that take memory.
const greedyCommand = "greedy"

const greedyUsage = `usage: go run ./bench greedy [flags]

Opens connections to minitcp and gVisor from peers that take their memory, and measures the memory, and an honest transfer
over an emulated link of 100 Mbit/s with a round trip of 40 ms, alone and beside them. It makes and removes network
namespaces. The table goes to stdout, progress to stderr. It needs root.

`

// greedyOptions are the values of the flags after greedyCommand.
type greedyOptions struct {
	greedy.Plan
	json, markdown bool
}

// runGreedy returns the exit status, as run does.
func runGreedy(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseGreedy(arguments, stderr)
	return exitStatus(err, o.measureAll, stdout, stderr)
}

const (
	maxBudget = 1 << 20 // MiB
	maxScale  = 6       // of the number of peers: 65,535 ports of 100,000 addresses would suffice for more
)

// parseGreedy reads the command line. It writes errors to stderr as well.
func parseGreedy(arguments []string, stderr io.Writer) (o greedyOptions, err error) {
	flags := newFlags("bench greedy", greedyUsage, stderr)
	var peers, targets string
	flags.StringVar(&peers, "peers", "", "comma-separated `names`, by default "+strings.Join(greedy.Names(), ","))
	flags.StringVar(&targets, "targets", "", "comma-separated `names`, by default "+strings.Join(greedy.Targets, ","))
	flags.IntVar(&o.Memory, "memory", 512, "budget of minitcp in `MiB`")
	flags.IntVar(&o.Most, "most", 4096, "resident memory of a target in `MiB` at which no more peers come")
	flags.Float64Var(&o.Scale, "scale", 1, fmt.Sprintf("factor for the number of peers, up to %d", maxScale))
	flags.DurationVar(&o.Duration, "duration", 3*time.Second, fmt.Sprintf("time of each measurement, %v to %v", minDuration, maxDuration))
	flags.BoolVar(&o.json, "json", false, "write JSON in place of the table")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() error { return o.check(peers, targets) })
	return o, err
}

func (o *greedyOptions) check(peers, targets string) (err error) {
	err = cmp.Or(within("memory", o.Memory, 1, maxBudget), within("most", o.Most, 1, maxBudget), within("scale", o.Scale, 1e-6, maxScale),
		within("duration", o.Duration, minDuration, maxDuration))
	if err != nil {
		return err
	}
	if o.Targets, err = choose("target", targets, greedy.Targets); err != nil {
		return err
	}
	names, err := choose("peers", peers, greedy.Names())
	for _, p := range greedy.All {
		if slices.Contains(names, p.Name) {
			o.Peers = append(o.Peers, p)
		}
	}
	return err
}

func (o *greedyOptions) measureAll(stdout, stderr io.Writer) error {
	if err := cmp.Or(needRoot(), allowFiles(int(6000*o.Scale)+mostActive)); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(greedyName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, e, release := measuring()
	defer release()
	samples, err := o.Run(ctx, stderr)
	if len(samples) == 0 {
		return err
	}
	if o.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return errors.Join(err, encoder.Encode(map[string]any{"environment": e, "memory": o.Memory, "samples": samples}))
	}
	t := o.Table(samples)
	how := fmt.Sprintf("A budget of %d MiB, %v for each transfer", o.Memory, o.Duration)
	fmt.Fprintf(stdout, "%s\n%s\n\n", e, how)
	if err := errors.Join(err, t.WriteText(stdout)); err != nil || !o.markdown {
		return err
	}
	return fillTable(greedyName, e, how, t)
}
