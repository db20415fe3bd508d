//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"time"

	"minitcp/bench/report"
	"minitcp/bench/wireguard"
)

// wireguardCommand is the first argument for the ends of WireGuard tunnels.
const wireguardCommand = "wireguard"

const wireguardUsage = `usage: go run ./bench wireguard [flags]

Measures minitcp and wireguard-go's netstack at both ends of a WireGuard tunnel over the loopback, and with packets passed in
memory instead. The table goes to stdout, progress to stderr. It needs neither root nor a network.

`

// wireguardOptions are the values of the flags after wireguardCommand.
type wireguardOptions struct {
	rounds   int
	duration time.Duration
	pattern  *regexp.Regexp
	markdown bool
}

// runWireGuard returns the exit status, as run does.
func runWireGuard(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseWireGuard(arguments, stderr)
	return exitStatus(err, o.measure, stdout, stderr)
}

// parseWireGuard reads the command line. It writes errors to stderr as well.
func parseWireGuard(arguments []string, stderr io.Writer) (o wireguardOptions, err error) {
	flags := newFlags("bench wireguard", wireguardUsage, stderr)
	var pattern string
	flags.IntVar(&o.rounds, "rounds", 5, fmt.Sprintf("number of measurements of each kind, with the stacks in turn, 1 to %d", maxRounds))
	flags.DurationVar(&o.duration, "duration", 2*time.Second, fmt.Sprintf("time of each measurement, %v to %v", minDuration, maxDuration))
	flags.StringVar(&pattern, "run", "", "regular expression for the links and workloads to measure, such as 'memory, bulk'")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() (err error) {
		if o.pattern, err = regexp.Compile(pattern); err != nil {
			return fmt.Errorf("-run: %w", err)
		}
		return cmp.Or(within("rounds", o.rounds, 1, maxRounds), within("duration", o.duration, minDuration, maxDuration))
	})
	return o, err
}

// wireguardRow has the samples of one workload over one link, by stack.
type wireguardRow struct {
	link     string
	workload wireguard.Workload
	samples  map[string][]wireguard.Sample
}

func (o *wireguardOptions) measure(stdout, stderr io.Writer) error {
	if o.markdown {
		if err := fillReadme(wireguardName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, release := untilSignal()
	defer release()
	e := findEnvironment()
	rows := o.plan()
	if len(rows) == 0 {
		return fmt.Errorf("-run %q matches no link and workload", o.pattern)
	}
	for round := range o.rounds {
		for _, row := range rows {
			fmt.Fprintf(stderr, "round %d of %d: %s, %s\n", round+1, o.rounds, row.link, row.workload.Name)
			for i := range wireguard.Stacks {
				stack := wireguard.Stacks[(i+round)%len(wireguard.Stacks)]
				s, err := wireguard.Measure(ctx, stack, row.link, row.workload.Name, o.duration)
				if err != nil {
					return err
				}
				row.samples[stack] = append(row.samples[stack], s)
			}
		}
	}
	t := wireguardTable(rows)
	fmt.Fprintf(stdout, "%s\n\n", e)
	if err := t.WriteText(stdout); err != nil || !o.markdown {
		return err
	}
	return fillTable(wireguardName, e, "", t)
}

// plan returns the rows to measure.
func (o *wireguardOptions) plan() (rows []wireguardRow) {
	for _, link := range wireguard.Links {
		for _, w := range wireguard.Workloads {
			if o.pattern.MatchString(link + ", " + w.Name) {
				rows = append(rows, wireguardRow{link, w, make(map[string][]wireguard.Sample)})
			}
		}
	}
	return rows
}

// median returns the median of a figure of a stack's samples.
func (r *wireguardRow) median(stack string, figure func(wireguard.Sample) float64) float64 {
	var values []float64
	for _, s := range r.samples[stack] {
		values = append(values, figure(s))
	}
	return report.Summarize(values).Median
}

func wireguardTable(rows []wireguardRow) *report.Table {
	ours, theirs := wireguard.Stacks[0], wireguard.Stacks[1]
	t := &report.Table{Words: []int{0, 1}}
	t.Lines = append(t.Lines, []string{
		"link", "workload", ours, theirs, "ratio", "CPU, " + ours, "CPU, " + theirs, "ratio", "resident, " + ours, "resident, " + theirs,
	})
	for _, r := range rows {
		line := []string{r.link, r.workload.Name}
		for _, f := range []struct {
			figure func(wireguard.Sample) float64
			write  func(float64) string
		}{
			{func(s wireguard.Sample) float64 { return s.Rate }, r.rate},
			{func(s wireguard.Sample) float64 { return s.CPU }, r.cpu},
		} {
			a, b := r.median(ours, f.figure), r.median(theirs, f.figure)
			line = append(line, f.write(a), f.write(b), report.Digits(report.Ratio(a, b)))
		}
		for _, stack := range wireguard.Stacks {
			line = append(line, report.Digits(r.median(stack, func(s wireguard.Sample) float64 { return s.Resident })/1e6)+" MB")
		}
		t.Lines = append(t.Lines, line)
	}
	return t
}

// rate writes a number of the workload's unit per second.
func (r *wireguardRow) rate(v float64) string {
	if r.workload.Unit == "bytes" {
		return report.Digits(v*8/1e9) + " Gbit/s"
	}
	return report.Digits(v/1000) + " k/s"
}

// cpu writes a number of seconds of CPU time for each of the workload's unit.
func (r *wireguardRow) cpu(v float64) string {
	if r.workload.Unit == "bytes" {
		return report.Digits(v*1e9) + " s/GB"
	}
	return report.Digits(v*1e6) + " µs"
}
