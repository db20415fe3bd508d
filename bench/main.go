//go:build linux

// Command bench compares minitcp with gVisor, with the kernel and with the minimum cost of a TUN device.
// README.md describes the workloads, the targets and the method.
//
//	main, command     the command line;  flags: that of the commands with a catalogue
//	plan              rounds, targets in turn
//	measure, site/    one measurement, and its network
//	workloads         the workloads, and how they are verified;  growth: the same with more connections
//	forward           the workloads and targets for forwarders;  gateway: whole programs in their place
//	sandbox           the same for minitcp run;  observed: for minitcp gateway with viewers of its page
//	output, environment, awake
//	load/             the client;  subject/: the process under test;  report/: statistics and tables
//	pattern/          the bulk data, which both ends know;  latency/, fairness/: how it is measured
//	daemon            the command line for the memory of the daemon, which is in daemon/
//	memory            the command line for very many idle connections, which are in memory/
//	flood             the command line for floods of SYNs, which are in flood/
//	greedy            the command line for peers that take memory, which are in greedy/
//	emulated          the command line for the exactness of minitcp's emulated link, which is measured in emulated/
//	wireguard         the command line for the ends of WireGuard tunnels, which are in wireguard/
//	links             the command line for emulated links, which are in links/ and emulator/
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
	"minitcp/bench/wireguard"
)

func main() { os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr)) }

// dispatch runs the command that the first argument names, and returns the exit status.
func dispatch(arguments []string, stdout, stderr io.Writer) int {
	command, rest := "", arguments
	if len(arguments) > 0 {
		command, rest = arguments[0], arguments[1:]
	}
	switch command {
	case subject.Command:
		return subject.Main(rest)
	case load.BystandersCommand:
		return load.BystandersMain(rest)
	case wireguard.Command:
		return wireguard.Main(rest)
	case wireguardCommand:
		return runWireGuard(rest, stdout, stderr)
	case linksCommand:
		return runLinks(rest, stdout, stderr)
	case emulatedCommand:
		return runEmulated(rest, stdout, stderr)
	case floodCommand:
		return runFlood(rest, stdout, stderr)
	case greedyCommand:
		return runGreedy(rest, stdout, stderr)
	case memoryCommand:
		return runMemory(rest, stdout, stderr)
	case daemonCommand:
		return runDaemon(rest, stdout, stderr)
	case growth.command:
		return run(growth, rest, stdout, stderr)
	case forward.command:
		return run(forward, rest, stdout, stderr)
	case gateways.command:
		return run(gateways, rest, stdout, stderr)
	case sandboxes.command:
		return run(sandboxes, rest, stdout, stderr)
	case observed.command:
		return run(observed, rest, stdout, stderr)
	}
	return run(comparison, arguments, stdout, stderr)
}

// run runs a command of the catalogue and returns the exit status.
func run(what *catalogue, arguments []string, stdout, stderr io.Writer) int {
	o, err := parse(what, arguments, stderr)
	return exitStatus(err, o.measureAll, stdout, stderr)
}

var errInterrupted = errors.New("interrupted; everything is removed")

// untilSignal returns a context that is cancelled by the first SIGINT, SIGTERM or SIGHUP.
func untilSignal() (context.Context, func()) {
	signalled, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithCancelCause(context.Background())
	context.AfterFunc(signalled, func() { cancel(errInterrupted) })
	return ctx, func() {
		cancel(nil)
		release()
	}
}

func (o *options) measureAll(stdout, stderr io.Writer) error {
	if o.list {
		o.what.list(stdout)
		return nil
	}
	if err := o.need(); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(o.what.place, nil); err != nil { // an error is better now than later
			return err
		}
	}
	var notes []string
	if o.targets, notes = installed(o.targets); len(o.targets) == 0 {
		return errors.New(strings.Join(notes, "; "))
	}
	for _, note := range notes {
		fmt.Fprintln(stderr, note)
	}
	if o.what.prepare != nil {
		remove, err := o.what.prepare(o.targets)
		if err != nil {
			return err
		}
		defer remove()
	}
	ctx, e, release := measuring()
	defer release()
	if e.busy() {
		fmt.Fprintf(stderr, "the machine is doing something else (load %s): the figures will be rough\n", e.Load)
	}
	samples, err := o.run(ctx, stderr)
	if slices.ContainsFunc(samples, func(s report.Sample) bool { return s.Error != "" }) {
		err = errors.Join(err, errors.New("some measurements failed, see above"))
	}
	rows := o.results(samples)
	if o.what.aim != nil {
		o.what.aim(rows, o.workloads)
	}
	r := results{Environment: e, Rows: rows, Samples: samples, Notes: notes, plan: &o.plan, what: o.what}
	if len(samples) > 0 {
		err = errors.Join(err, r.write(stdout, o.json))
	}
	if o.markdown && err == nil {
		err = r.fill()
	}
	return err
}

// installed returns the targets whose programs are installed, and notes about the others.
func installed(targets []subject.Target) (list []subject.Target, notes []string) {
	for _, t := range targets {
		if _, err := exec.LookPath(t.Program); t.Program != "" && err != nil {
			notes = append(notes, fmt.Sprintf("%s is left out: it is not installed; apt-get install %s", t.Name, t.Package))
			continue
		}
		list = append(list, t)
	}
	return list, notes
}

// allowFiles raises the limit of open files for a number of sockets. Child processes inherit it.
func allowFiles(sockets int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	need := uint64(sockets)
	if limit.Cur >= need {
		return nil
	}
	limit.Cur, limit.Max = need, max(limit.Max, need)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("the limit of open files cannot be raised to %d: %w", sockets, err)
	}
	return nil
}
