//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"minitcp/bench/load"
	"minitcp/bench/subject"
)

// options are what the command line says.
type options struct {
	plan
	list, json, markdown bool
}

const usageText = `usage: go run ./bench [flags]
       go run ./bench links [flags], for emulated links; see links -help

Measures minitcp beside gVisor, the kernel and the least a TUN costs, in network namespaces it makes and removes. The
table goes to stdout, progress to stderr. It needs root and the same machine for nothing else meanwhile.

`

const (
	maxRounds      = 100
	minDuration    = 50 * time.Millisecond
	maxDuration    = time.Minute
	maxConnections = 25000 // of 28,232 ephemeral ports
)

// parse reads the command line. What is wrong with it is told on stderr too.
func parse(arguments []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usageText)
		flags.PrintDefaults()
	}
	var names, targets string
	var quick bool
	flags.StringVar(&names, "workloads", "", "comma-separated `names`, all if not given; see -list")
	flags.StringVar(&targets, "targets", "", "comma-separated `names`, all if not given; see -list")
	flags.IntVar(&o.rounds, "rounds", 5, fmt.Sprintf("how often each is measured, 1 to %d", maxRounds))
	flags.DurationVar(&o.duration, "duration", 2*time.Second, fmt.Sprintf("of each measurement, %v to %v", minDuration, maxDuration))
	flags.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, fmt.Sprintf("before each measurement, up to %v", maxDuration))
	flags.IntVar(&o.connections, "connections", 10000, fmt.Sprintf("idle ones, for the memory of each, 1 to %d", maxConnections))
	flags.BoolVar(&quick, "quick", false, "less than two minutes: -rounds 3 -duration 200ms -warmup 150ms -connections 2000, unless given")
	flags.BoolVar(&o.list, "list", false, "tell what can be measured, and end")
	flags.BoolVar(&o.json, "json", false, "write JSON, with every sample, in place of the table")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	flags.StringVar(&o.profiles, "cpuprofile", "", "write CPU profiles of the process under test into this `directory`")
	if err := flags.Parse(arguments); err != nil {
		return o, err // told already
	}
	if quick {
		o.quicken(flags)
	}
	if err = o.check(flags, names, targets); err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
	}
	return o, err
}

// quicken makes everything that was not given small.
func (o *options) quicken(flags *flag.FlagSet) {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, set := range map[string]func(){
		"rounds":      func() { o.rounds = 3 },
		"duration":    func() { o.duration = 200 * time.Millisecond },
		"warmup":      func() { o.warmup = 150 * time.Millisecond },
		"connections": func() { o.connections = 2000 },
	} {
		if !given[name] {
			set()
		}
	}
}

func (o *options) check(flags *flag.FlagSet, names, targets string) (err error) {
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("%q is not a flag; see -help", flags.Arg(0))
	case o.rounds < 1 || o.rounds > maxRounds:
		return fmt.Errorf("-rounds %d is not within 1 and %d", o.rounds, maxRounds)
	case o.duration < minDuration || o.duration > maxDuration:
		return fmt.Errorf("-duration %v is not within %v and %v", o.duration, minDuration, maxDuration)
	case o.warmup < 0 || o.warmup > maxDuration:
		return fmt.Errorf("-warmup %v is not within 0 and %v", o.warmup, maxDuration)
	case o.connections < 1 || o.connections > maxConnections:
		return fmt.Errorf("-connections %d is not within 1 and %d", o.connections, maxConnections)
	}
	if o.profiles != "" {
		if info, err := os.Stat(o.profiles); err != nil || !info.IsDir() {
			return fmt.Errorf("-cpuprofile %s is not a directory", o.profiles)
		}
	}
	if o.workloads, err = chooseWorkloads(names); err != nil {
		return err
	}
	o.targets, err = chooseTargets(targets)
	return err
}

func chooseWorkloads(names string) (chosen []*workload, err error) {
	all := make([]string, len(workloads))
	for i := range workloads {
		all[i] = workloads[i].name
	}
	picked, err := choose("workload", names, all)
	for i := range workloads {
		if slices.Contains(picked, workloads[i].name) {
			chosen = append(chosen, &workloads[i])
		}
	}
	return chosen, err
}

func chooseTargets(names string) (chosen []subject.Target, err error) {
	var all []string
	for _, t := range subject.Targets {
		all = append(all, t.Name)
	}
	picked, err := choose("target", names, all)
	for _, t := range subject.Targets {
		if slices.Contains(picked, t.Name) {
			chosen = append(chosen, t)
		}
	}
	return chosen, err
}

// choose returns the names that are listed, or all if none are.
func choose(what, names string, all []string) ([]string, error) {
	if names == "" {
		return all, nil
	}
	picked := strings.Split(names, ",")
	for _, name := range picked {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no %s %q, only %s", what, name, strings.Join(all, ", "))
		}
	}
	return picked, nil
}

// list tells what can be measured.
func list(w io.Writer) {
	fmt.Fprintln(w, "workloads:")
	for _, x := range workloads {
		fmt.Fprintf(w, "  %-14s  %s\n", x.name, x.summary)
	}
	fmt.Fprintln(w, "targets:")
	for _, t := range subject.Targets {
		fmt.Fprintf(w, "  %-14s  %s\n", t.Name, t.Summary)
	}
}

// need says what is missing to measure, such as root.
func (p *plan) need() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("network namespaces and devices need root: run as root")
	}
	if slices.ContainsFunc(p.workloads, func(w *workload) bool { return w.kind == load.Idle }) {
		return needFiles(p.connections)
	}
	return nil
}
