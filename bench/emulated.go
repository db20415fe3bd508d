//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"minitcp/bench/emulated"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// emulatedCommand is the first argument for the exactness of minitcp's emulated link.
const emulatedCommand = "emulated"

const emulatedUsage = `usage: go run ./bench emulated [flags]

Measures the rate, delay and loss of minitcp's emulated link from outside, in network namespaces that it makes and removes.
The table goes to stdout, progress to stderr. The exit status is 1 if one is not within its limit. It needs root.

`

// emulatedOptions are the values of the flags after emulatedCommand.
type emulatedOptions struct {
	duration time.Duration
	settings []emulated.Setting
	markdown bool
}

// runEmulated returns the exit status, as run does.
func runEmulated(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseEmulated(arguments, stderr)
	return exitStatus(err, o.measure, stdout, stderr)
}

// parseEmulated reads the command line. It writes errors to stderr as well.
func parseEmulated(arguments []string, stderr io.Writer) (o emulatedOptions, err error) {
	o.settings = emulated.Settings
	flags := newFlags("bench emulated", emulatedUsage, stderr)
	flags.DurationVar(&o.duration, "duration", 3*time.Second, fmt.Sprintf("time of each measurement, %v to %v", minDuration, maxDuration))
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() error { return within("duration", o.duration, minDuration, maxDuration) })
	return o, err
}

func (o *emulatedOptions) measure(stdout, stderr io.Writer) error {
	if err := needRoot(); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(emulatedName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, release := untilSignal()
	defer release()
	remove, err := buildPrograms("minitcp")([]subject.Target{subject.Emulated("")})
	if err != nil {
		return err
	}
	defer remove()
	e := findEnvironment()
	missed := false
	t := &report.Table{Words: []int{0}, Lines: [][]string{{"flags", "asked", "measured", "difference", "limit", "packets", ""}}}
	err = emulated.Measure(ctx, o.settings, o.duration, func(r emulated.Result) {
		line := emulatedLine(&r)
		missed = missed || !r.Met()
		t.Lines = append(t.Lines, line)
		fmt.Fprintln(stderr, line)
	})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("%v each", o.duration)
	fmt.Fprintf(stdout, "%s\n%s\n\n", e, how)
	if err := t.WriteText(stdout); err != nil {
		return err
	}
	if o.markdown {
		err = fillTable(emulatedName, e, how, t)
	}
	if missed {
		err = errors.Join(err, errors.New("a setting is not within its limit"))
	}
	return err
}

// emulatedLine returns the line of a result: rates in Mbit/s, delays in ms, losses in percent.
func emulatedLine(r *emulated.Result) []string {
	unit, scale := "Mbit/s", 1e6
	switch r.Kind {
	case emulated.Delay:
		unit, scale = "ms", 1e-3
	case emulated.Loss:
		unit, scale = "%", 0.01
	}
	mark := ""
	if !r.Met() {
		mark = "MISSED"
	}
	return []string{r.Flags, report.Digits(r.Asked/scale) + " " + unit, fmt.Sprintf("%.3f %s", r.Measured/scale, unit),
		fmt.Sprintf("%+.3f", (r.Measured-r.Asked)/scale), fmt.Sprintf("±%.3f", r.Limit/scale), fmt.Sprint(r.Packets), mark}
}
