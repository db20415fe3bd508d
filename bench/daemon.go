//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"minitcp/bench/daemon"
	"minitcp/bench/report"
)

// daemonCommand is the first argument for the memory of the daemon.
const daemonCommand = "daemon"

const daemonUsage = `usage: go run ./bench daemon [flags]

Measures the resident memory of "minitcp serve" after its start and after bulk transfers, in a network namespace that it
makes and removes. The table goes to stdout, progress to stderr. It needs root.

`

// daemonOptions are the values of the flags after daemonCommand.
type daemonOptions struct {
	program        string
	duration, rest time.Duration
	json, markdown bool
}

// runDaemon returns the exit status, as run does.
func runDaemon(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseDaemon(arguments, stderr)
	return exitStatus(err, o.measure, stdout, stderr)
}

// parseDaemon reads the command line. It writes errors to stderr as well.
func parseDaemon(arguments []string, stderr io.Writer) (o daemonOptions, err error) {
	flags := newFlags("bench daemon", daemonUsage, stderr)
	flags.StringVar(&o.program, "program", "", "`file` with the daemon, in place of one built from the source in the working directory")
	flags.DurationVar(&o.duration, "duration", 2*time.Second, fmt.Sprintf("time of each transfer, %v to %v", minDuration, maxDuration))
	flags.DurationVar(&o.rest, "rest", 10*time.Second, fmt.Sprintf("time between a transfer and the measurement after it, up to %v", maxDuration))
	flags.BoolVar(&o.json, "json", false, "write JSON in place of the table")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() error {
		return cmp.Or(within("duration", o.duration, minDuration, maxDuration), within("rest", o.rest, 0, maxDuration))
	})
	return o, err
}

func (o *daemonOptions) measure(stdout, stderr io.Writer) error {
	if err := needRoot(); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(daemonName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, release := untilSignal()
	defer release()
	e := findEnvironment()
	if o.program == "" {
		directory, err := os.MkdirTemp("", "bench-daemon-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(directory)
		if o.program, err = daemon.Build(ctx, directory); err != nil {
			return err
		}
	}
	steps, err := daemon.Measure(ctx, o.program, o.duration, o.rest, stderr)
	if err != nil {
		return err
	}
	return o.write(stdout, e, steps)
}

// write writes the steps as a table or as JSON, and the table into the README.
func (o *daemonOptions) write(stdout io.Writer, e environment, steps []daemon.Step) error {
	how := fmt.Sprintf("transfers of %v, memory %v after each", o.duration, o.rest)
	t := daemonTable(steps)
	var err error
	if o.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(struct {
			Environment environment   `json:"environment"`
			Steps       []daemon.Step `json:"steps"`
		}{e, steps})
	} else if _, err = fmt.Fprintf(stdout, "%s\n%s\n\n", e, how); err == nil {
		err = t.WriteText(stdout)
	}
	if !o.markdown || err != nil {
		return err
	}
	return fillTable(daemonName, e, how, t)
}

func daemonTable(steps []daemon.Step) *report.Table {
	t := &report.Table{Words: []int{0, 4}}
	t.Lines = append(t.Lines, []string{"after", "resident during", "resident", "anonymous", "wanted"})
	mb := func(bytes int64) string { return report.Digits(float64(bytes)/1e6) + " MB" }
	for _, s := range steps {
		wanted := ""
		if s.Limit > 0 {
			wanted = "≤ " + mb(s.Limit)
			if s.Resident > s.Limit {
				wanted += " MISSED"
			}
		}
		t.Lines = append(t.Lines, []string{s.Name, mb(s.Busy), mb(s.Resident), mb(s.Anonymous), wanted})
	}
	return t
}
