//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"minitcp/bench/links"
	"minitcp/bench/subject"
	"minitcp/conn/netem"
)

// linksCommand is the first argument for emulated links.
const linksCommand = "links"

const linksUsage = `usage: go run ./bench links [flags]

Compares minitcp with gVisor and the kernel, each with every congestion control it has, over emulated links with a
rate, a delay, a queue, loss and reordering, in network namespaces that it makes and removes. The table goes to stdout,
progress to stderr. It needs root, and a machine that does nothing else meanwhile.

`

// linksOptions are the values of the flags after linksCommand.
type linksOptions struct {
	links.Plan
	list, json, markdown bool
}

// runLinks returns the exit status, as run does.
func runLinks(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseLinks(arguments, stderr)
	return exitStatus(err, o.measureAll, stdout, stderr)
}

// parseLinks reads the command line. It writes errors to stderr as well.
func parseLinks(arguments []string, stderr io.Writer) (o linksOptions, err error) {
	flags := newFlags("bench links", linksUsage, stderr)
	var names, targets, trace string
	var quick bool
	flags.StringVar(&trace, "trace", "", "`file` with the trace of the row cellular, in place of a generated one, in mahimahi's format: a line for each packet of 1500 bytes, with the millisecond at which it may be sent")
	flags.StringVar(&names, "rows", "", "comma-separated `names`, by default all; see -list")
	flags.StringVar(&targets, "targets", "", "comma-separated `names`, by default all; see -list")
	flags.IntVar(&o.Rounds, "rounds", 5, fmt.Sprintf("number of measurements of each, 1 to %d", maxRounds))
	flags.IntVar(&o.AtOnce, "at-once", min(runtime.NumCPU(), links.MostAtOnce), fmt.Sprintf("number of measurements at a time, 1 to %d, each with a link of its own; heavy ones are made alone", links.MostAtOnce))
	flags.BoolVar(&quick, "quick", false, "less than two minutes: one round, and a fraction of the time for each measurement")
	flags.BoolVar(&o.list, "list", false, "list the rows and targets, and exit")
	flags.BoolVar(&o.json, "json", false, "write JSON with every sample in place of the table")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() error {
		o.Scale = 1
		if quick {
			o.quicken(flags)
		}
		if err := o.readTrace(trace); err != nil {
			return err
		}
		return o.check(names, targets)
	})
	return o, err
}

// readTrace reads the file of the flag -trace; "" is none.
func (o *linksOptions) readTrace(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("-trace: %w", err)
	}
	if o.Trace, err = netem.ParseTrace(string(text)); err != nil {
		return fmt.Errorf("-trace %s: %w", file, err)
	}
	return nil
}

// quicken shortens each measurement, and makes one round unless -rounds is given.
func (o *linksOptions) quicken(flags *flag.FlagSet) {
	o.Scale = links.QuickScale
	if !given(flags, "rounds") {
		o.Rounds = 1
	}
}

func (o *linksOptions) check(names, targets string) error {
	if err := cmp.Or(within("rounds", o.Rounds, 1, maxRounds), within("at-once", o.AtOnce, 1, links.MostAtOnce)); err != nil {
		return err
	}
	picked, err := choose("row", names, links.RowNames())
	if err != nil {
		return err
	}
	var all []string
	for _, t := range subject.Paths {
		all = append(all, t.Name)
	}
	chosen, err := choose("target", targets, all)
	if err != nil {
		return err
	}
	o.Choose(picked, chosen)
	return nil
}

// listLinks writes the rows and targets.
func listLinks(w io.Writer) {
	fmt.Fprintln(w, "rows:")
	links.List(w)
	fmt.Fprintln(w, "targets:")
	for _, t := range subject.Paths {
		fmt.Fprintf(w, "  %-14s  %s\n", t.Name, t.Summary)
	}
}

func (o *linksOptions) measureAll(stdout, stderr io.Writer) error {
	if o.list {
		listLinks(stdout)
		return nil
	}
	if err := needRoot(); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(linksName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, e, release := measuring()
	defer release()
	if e.busy() {
		fmt.Fprintf(stderr, "the machine is doing something else (load %s): the figures will be rough\n", e.Load)
	}
	samples, err := o.Run(ctx, stderr)
	if slices.ContainsFunc(samples, func(s links.Sample) bool { return s.Error != "" }) {
		err = errors.Join(err, errors.New("some measurements failed, see above"))
	}
	if len(samples) > 0 {
		err = errors.Join(err, o.write(stdout, e, samples))
	}
	return err
}

// write writes the results as a table or as JSON, and the table into the README.
func (o *linksOptions) write(w io.Writer, e environment, samples []links.Sample) error {
	lines := o.Lines(samples)
	var err error
	if o.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(struct {
			Environment environment    `json:"environment"`
			Rounds      int            `json:"rounds"`
			Scale       float64        `json:"scale"`
			Rows        []links.Line   `json:"rows"`
			Samples     []links.Sample `json:"samples"`
		}{e, o.Rounds, o.Scale, lines, samples})
	} else if _, err = fmt.Fprintf(w, "%s\n%s\n\n", e, &o.Plan); err == nil {
		err = links.Table(lines).WriteText(w)
	}
	if !o.markdown || err != nil {
		return err
	}
	return fillTable(linksName, e, o.Plan.String(), links.Table(lines))
}
