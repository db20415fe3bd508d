//go:build linux

// Command bench compares minitcp with gVisor, with the kernel and with the minimum cost of a TUN device.
// README.md describes the workloads, the targets and the method.
//
//	main, flags       the command line
//	plan              rounds, targets in turn
//	measure, site     one measurement, and its network
//	workloads         the workloads, and how they are verified;  growth: the same with more connections
//	forward, between  the workloads, targets and network for forwarders;  gateway: whole programs in their place
//	output, environment, awake
//	load/             the client;  subject/: the process under test;  report/: statistics and tables
//	pattern/          the bulk data, which both ends know;  latency/, fairness/: how it is measured
//	daemon            the command line for the memory of the daemon, which is in daemon/
//	memory            the command line for very many idle connections, which are in memory/
//	flood             the command line for floods of SYNs, and their measurement
//	wireguard         the command line for the ends of WireGuard tunnels, which are in wireguard/
//	links             the command line for emulated links, which are in links/ and emulator/
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
	"minitcp/bench/wireguard"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == subject.Command {
		os.Exit(subject.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == load.BystandersCommand {
		os.Exit(load.BystandersMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == wireguard.Command {
		os.Exit(wireguard.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == wireguardCommand {
		os.Exit(runWireGuard(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == linksCommand {
		os.Exit(runLinks(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == floodCommand {
		os.Exit(runFlood(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == memoryCommand {
		os.Exit(runMemory(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == daemonCommand {
		os.Exit(runDaemon(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == growth.command {
		os.Exit(run(growth, os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == forward.command {
		os.Exit(run(forward, os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == gateways.command {
		os.Exit(run(gateways, os.Args[2:], os.Stdout, os.Stderr))
	}
	os.Exit(run(comparison, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs a command of the catalogue and returns the exit status: 0; 1 if a measurement failed; 2 for an error on the
// command line.
func run(what *catalogue, arguments []string, stdout, stderr io.Writer) int {
	o, err := parse(what, arguments, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if o.list {
		what.list(stdout)
		return 0
	}
	if err := o.measureAll(stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
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
	if err := o.need(); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(o.what.place, nil); err != nil { // an error is better now than later
			return err
		}
	}
	if o.what.prepare != nil {
		remove, err := o.what.prepare(o.targets)
		if err != nil {
			return err
		}
		defer remove()
	}
	ctx, release := untilSignal()
	defer release()
	e := findEnvironment()
	if f := stayAwake(); f != nil {
		defer f.Close()
		e.Awake = true
	}
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
	r := results{Environment: e, Rows: rows, Samples: samples, plan: &o.plan, what: o.what}
	if len(samples) > 0 {
		err = errors.Join(err, r.write(stdout, o.json))
	}
	if o.markdown && err == nil {
		err = r.fill()
	}
	return err
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
