//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"time"

	"minitcp/bench/memory"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// memoryCommand is the first argument for very many idle connections.
const memoryCommand = "memory"

const memoryUsage = `usage: go run ./bench memory [flags]

Opens very many idle connections between two of minitcp's stacks in this process, and measures the memory of each, and the
rate and latency of 64 others with ping-pong beside them. The table goes to stdout, progress to stderr. It needs neither
root nor a network, and about 12 GB of memory for each million connections.

`

// memoryOptions are the values of the flags after memoryCommand.
type memoryOptions struct {
	connections int
	duration    time.Duration
	rest        time.Duration
	markdown    bool
}

// runMemory returns the exit status, as run does.
func runMemory(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseMemory(arguments, stderr)
	return exitStatus(err, o.measure, stdout, stderr)
}

// parseMemory reads the command line. It writes errors to stderr as well.
func parseMemory(arguments []string, stderr io.Writer) (o memoryOptions, err error) {
	flags := newFlags("bench memory", memoryUsage, stderr)
	flags.IntVar(&o.connections, "connections", 1_000_000, fmt.Sprintf("number of idle connections in the last step, 1 to %d", memory.MaxConnections))
	flags.DurationVar(&o.duration, "duration", 5*time.Second, fmt.Sprintf("time of ping-pong in each step, %v to %v", minDuration, maxDuration))
	flags.DurationVar(&o.rest, "rest", subject.Rest, fmt.Sprintf("time without traffic before their memory is measured, up to %v", maxDuration))
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() error {
		return cmp.Or(
			within("connections", o.connections, 1, memory.MaxConnections),
			within("duration", o.duration, minDuration, maxDuration),
			within("rest", o.rest, 0, maxDuration),
		)
	})
	return o, err
}

func (o *memoryOptions) measure(stdout, stderr io.Writer) error {
	if o.markdown {
		if err := fillReadme(memoryName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, release := untilSignal()
	defer release()
	e := findEnvironment()
	r, err := memory.Measure(ctx, memory.Steps(o.connections), o.rest, o.duration, stderr)
	if err != nil {
		return err
	}
	t := memoryTable(r.Steps)
	footnote := fmt.Sprintf("An accepted connection with a goroutine that waits in Read takes %s bytes more.\n", report.Digits(r.Goroutine))
	fmt.Fprintf(stdout, "%s\n\n", e)
	if err := t.WriteText(stdout); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s", footnote)
	if !o.markdown {
		return nil
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s.\n\n", e)
	if err := t.WriteMarkdown(&text); err != nil {
		return err
	}
	fmt.Fprintf(&text, "\n%s", footnote)
	return fillReadme(memoryName, text.Bytes())
}

func memoryTable(steps []memory.Step) *report.Table {
	t := &report.Table{}
	t.Lines = append(t.Lines, []string{
		"idle connections", "heap, an end", "resident, an end", "ping-pongs", "CPU", "median", "one in 1000", "collections", "longest pause",
	})
	each := func(v float64) string {
		if v == 0 {
			return report.Nothing
		}
		return report.Digits(v) + " bytes"
	}
	for _, s := range steps {
		b := s.Busy
		t.Lines = append(t.Lines, []string{
			fmt.Sprint(s.Connections), each(s.Heap), each(s.Resident), report.Digits(b.Rate/1000) + " k/s",
			report.Digits(b.CPU.Seconds()) + " s/1000",
			fmt.Sprint(b.Usual.Round(time.Microsecond)), fmt.Sprint(b.Rare.Round(time.Microsecond)), fmt.Sprint(b.Collections),
			fmt.Sprint(b.Pause.Round(time.Microsecond)),
		})
	}
	return t
}
