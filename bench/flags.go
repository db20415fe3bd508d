//go:build linux

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"minitcp/bench/load"
	"minitcp/bench/pattern"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// options are the values of the flags.
type options struct {
	plan
	what                 *catalogue
	list, json, markdown bool
}

// catalogue holds the workloads and targets of a command.
type catalogue struct {
	command   string // first argument; "" for none
	workloads []workload
	all       []subject.Target
	targets   string // default of the flag -targets; "" for all
	reads     int    // default of the flag -reads
	idle      int    // default of the flag -connections
	defaults  defaults
	// table makes a table of the results. Its place in the README has a name.
	table func([]report.Row) *report.Table
	aim   func([]report.Row, []*workload) // sets the aims of the rows; nil for none
	place string
	// prepare is called before the measurements of targets, and remove after them; nil for none.
	prepare func(targets []subject.Target) (remove func(), err error)
}

// defaults are those of flags. Zero values stand for those of comparison.
type defaults struct {
	rounds           int
	duration, warmup time.Duration
}

// comparison is the catalogue without a command.
var comparison = &catalogue{workloads: workloads, all: subject.Targets, reads: subject.MaxReads, idle: 10000, table: report.NewTable, place: tableName}

const usageText = `usage: go run ./bench [flags]
       go run ./bench growth [flags], for the cost of more connections and for fairness; see growth -help
       go run ./bench forward [flags], for forwarders of TCP and UDP; see forward -help
       go run ./bench gateway [flags], for gateways beside tun2socks; see gateway -help
       go run ./bench run [flags], for minitcp run beside pasta and slirp4netns; see run -help
       go run ./bench observed [flags], for minitcp gateway with viewers of its page; see observed -help
       go run ./bench emulated [flags], for the exactness of minitcp's emulated link; see emulated -help
       go run ./bench memory [flags], for very many idle connections; see memory -help
       go run ./bench daemon [flags], for the memory of the daemon; see daemon -help
       go run ./bench flood [flags], for floods of SYNs; see flood -help
       go run ./bench greedy [flags], for peers that take memory; see greedy -help
       go run ./bench wireguard [flags], for the ends of WireGuard tunnels; see wireguard -help
       go run ./bench links [flags], for emulated links; see links -help

Compares minitcp with gVisor, with the kernel and with the least that a TUN costs, in network namespaces that it makes
and removes. The table goes to stdout, progress to stderr. It needs root, and a machine that does nothing else meanwhile.

`

const (
	maxRounds      = 100
	minDuration    = 50 * time.Millisecond
	maxDuration    = time.Minute
	maxConnections = 200000 // subject.HoldPorts times 28,232 ephemeral ports, less a margin
	mostActive     = 1000   // connections other than the idle ones, and other files
)

// parse reads the command line. It writes errors to stderr as well.
func parse(what *catalogue, arguments []string, stderr io.Writer) (o options, err error) {
	o.what = what
	flags := newFlags(strings.TrimSpace("bench "+what.command), usageText, stderr)
	var names, targets string
	var quick, verify bool
	flags.StringVar(&names, "workloads", "", "comma-separated `names`, by default all; see -list")
	flags.StringVar(&targets, "targets", what.targets, "comma-separated `names`, by default all; see -list")
	flags.IntVar(&o.rounds, "rounds", cmp.Or(what.defaults.rounds, 5), fmt.Sprintf("number of measurements of each, 1 to %d", maxRounds))
	flags.DurationVar(&o.duration, "duration", cmp.Or(what.defaults.duration, 2*time.Second), fmt.Sprintf("time of each measurement, %v to %v", minDuration, maxDuration))
	flags.DurationVar(&o.warmup, "warmup", cmp.Or(what.defaults.warmup, 500*time.Millisecond), fmt.Sprintf("time before each measurement, up to %v", maxDuration))
	flags.IntVar(&o.connections, "connections", what.idle, fmt.Sprintf("number of idle connections for the memory of one, 1 to %d", maxConnections))
	flags.DurationVar(&o.rest, "rest", subject.Rest, fmt.Sprintf("time without traffic before their memory is measured, up to %v", maxDuration))
	flags.IntVar(&o.reads, "reads", what.reads, fmt.Sprintf("`bytes` of bulk data that a goroutine of the target reads at once, 1 to %d", subject.MaxReads))
	flags.BoolVar(&quick, "quick", false, "less than two minutes: -rounds 3 -duration 150ms -warmup 120ms -connections 2000 -rest 0, unless given")
	flags.BoolVar(&o.list, "list", false, "list the workloads and targets, and exit")
	flags.BoolVar(&o.json, "json", false, "write JSON with every sample in place of the table")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	flags.StringVar(&o.profiles, "profile", "", "`directory` for profiles of CPU time and of allocations of the process under test")
	flags.BoolVar(&verify, "verify", false, "compare every byte of bulk data, not only samples; this lowers the figures")
	err = parseFlags(flags, arguments, func() error {
		if quick {
			o.quicken(flags)
		}
		if verify {
			o.care = pattern.Every
		}
		return o.check(what, names, targets)
	})
	return o, err
}

// quicken makes the flags small that are not given.
func (o *options) quicken(flags *flag.FlagSet) {
	for name, set := range map[string]func(){
		"rounds":      func() { o.rounds = 3 },
		"duration":    func() { o.duration = 150 * time.Millisecond },
		"warmup":      func() { o.warmup = 120 * time.Millisecond },
		"connections": func() { o.connections = 2000 },
		"rest":        func() { o.rest = 0 },
	} {
		if !given(flags, name) {
			set()
		}
	}
}

func (o *options) check(what *catalogue, names, targets string) (err error) {
	err = cmp.Or(
		within("rounds", o.rounds, 1, maxRounds),
		within("duration", o.duration, minDuration, maxDuration),
		within("warmup", o.warmup, 0, maxDuration),
		within("rest", o.rest, 0, maxDuration),
		within("reads", o.reads, 1, subject.MaxReads),
		within("connections", o.connections, 1, maxConnections),
	)
	if err != nil {
		return err
	}
	if err := makeProfiles(o.profiles); err != nil {
		return err
	}
	if o.workloads, err = what.chooseWorkloads(names); err != nil {
		return err
	}
	o.targets, err = what.chooseTargets(targets)
	return err
}

func (what *catalogue) chooseWorkloads(names string) (chosen []*workload, err error) {
	all := make([]string, len(what.workloads))
	for i := range what.workloads {
		all[i] = what.workloads[i].name
	}
	picked, err := choose("workload", names, all)
	for i := range what.workloads {
		if slices.Contains(picked, what.workloads[i].name) {
			chosen = append(chosen, &what.workloads[i])
		}
	}
	return chosen, err
}

func (what *catalogue) chooseTargets(names string) (chosen []subject.Target, err error) {
	var all []string
	for _, t := range what.all {
		all = append(all, t.Name)
	}
	picked, err := choose("target", names, all)
	for _, t := range what.all {
		if slices.Contains(picked, t.Name) {
			chosen = append(chosen, t)
		}
	}
	return chosen, err
}

// choose returns the names of a comma-separated list, or all for an empty one.
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

// list writes the workloads and targets.
func (what *catalogue) list(w io.Writer) {
	fmt.Fprintln(w, "workloads:")
	for _, x := range what.workloads {
		fmt.Fprintf(w, "  %-14s  %s\n", x.name, x.summary)
	}
	fmt.Fprintln(w, "targets:")
	for _, t := range what.all {
		fmt.Fprintf(w, "  %-14s  %s\n", t.Name, t.Summary)
	}
}

// files returns the maximum number of open files of the client in this process.
func (w *workload) files(connections int) int {
	if w.starts == 0 && w.rests() {
		return max(connections, w.connections) + mostActive
	}
	return mostActive
}

// has returns an error if the target cannot serve a workload: some have few services, the floor distinguishes a
// client's connections by their ports alone, a routing kernel has no process, and the kernel as target needs a file for
// each connection.
func (w *workload) has(target subject.Target) error {
	if target.Name == report.Floor && w.idle > 0 || target.Few && w.kind == load.Talk {
		return errors.New("the target does not have the service")
	}
	if target.Role == subject.RoleRouted && (w.rests() || w.starts != 0 || w.mtu != 0) {
		return errors.New("the target has no process")
	}
	if w.starts == commandStart && !target.Runs {
		return errors.New("the target does not run commands")
	}
	if !target.Veth {
		return nil
	}
	return allowFiles(w.idle + mostActive)
}

// need returns an error for a missing permission, such as root.
func (p *plan) need() error {
	if err := needRoot(); err != nil {
		return err
	}
	files := 0
	for _, w := range p.workloads {
		files = max(files, w.files(p.connections))
	}
	return allowFiles(files)
}
