//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// gateways is the catalogue for gateways: whole programs in the place of the forwarders of bench forward.
var gateways = &catalogue{
	command:   "gateway",
	workloads: slices.Concat(programWorkloads, largeWorkloads),
	all:       subject.Gateways,
	reads:     subject.MaxReads,
	idle:      1000,
	defaults:  programDefaults,
	table: func(rows []report.Row) *report.Table {
		return programTable(rows, "tun2socks", func(target string) string {
			return strings.Replace(target, "minitcp", "tun2socks", 1)
		})
	},
	aim:     func(rows []report.Row, _ []*workload) { aimAt(rows, gatewayAims) },
	place:   "gateway",
	prepare: buildPrograms("minitcp", "tun2socks"),
}

// programDefaults are the defaults of the flags for whole programs: a table in a few minutes.
var programDefaults = defaults{rounds: 3, duration: 700 * time.Millisecond, warmup: 300 * time.Millisecond}

// Names of rows.
const (
	readyName    = "ready"
	residentName = "resident"
	shareName    = "udp-share"
	trueName     = "true"
)

// programWorkloads are those of whole programs.
var programWorkloads = []workload{
	{name: "up", summary: "bulk to the server, one connection", kind: load.Upload, connections: 1},
	{name: "up10", summary: "bulk to the server, 10 connections", kind: load.Upload, connections: 10},
	{name: "down", summary: "bulk from the server, one connection", kind: load.Download, connections: 1},
	{name: "down10", summary: "bulk from the server, 10 connections", kind: load.Download, connections: 10},
	{name: "rr", summary: "64 bytes there and back, one connection", kind: load.PingPong, connections: 1},
	{name: "crr", summary: "connect, one byte there and back, reset; one at a time", kind: load.Connect, connections: 1},
	{name: shareName, summary: fmt.Sprintf("share of %d UDP datagrams of 64 bytes per second that come back, one flow", load.OfferedRate), kind: load.Offered, connections: 1},
	{name: readyName, summary: "from the start of the program to the first datagram that comes back; resident memory then", starts: readyStart, connections: 1},
	{name: idleName, summary: "resident memory per idle connection", kind: load.Idle, forwards: true, program: true, once: true},
	{name: flowName, summary: "resident memory per UDP flow, of 1000", kind: load.Flows, connections: 1000, forwards: true, program: true, once: true},
	{name: wakeupsName, summary: fmt.Sprintf("context switches in %v with 100 idle connections", wakeupsTime), kind: load.Idle, connections: 100, wakeups: wakeupsTime, forwards: true, once: true},
}

// programUnits are the units of memory of a program, of which only the resident memory is known.
var programUnits = map[load.Kind]string{load.Idle: "KB", load.Flows: "MB/1000"}

// largeMTU is the MTU that gateways are often given.
const largeMTU = 8500

// largeWorkloads are those of bulk at the large MTU.
var largeWorkloads = func() (list []workload) {
	for _, w := range programWorkloads {
		if w.isBulk() && w.starts == 0 && !w.rests() {
			w.name += fmt.Sprintf("-%d", largeMTU)
			w.summary += fmt.Sprintf(", at an MTU of %d", largeMTU)
			w.mtu = largeMTU
			list = append(list, w)
		}
	}
	return list
}()

// programTable compares each target with its peer, and with the kernel's routing, and shows which aims are met.
func programTable(rows []report.Row, peer string, peerOf func(target string) string) *report.Table {
	t := &report.Table{Words: []int{0, 1, 4, 12}}
	header := []string{"workload", "target", "median", "min–max", "unit", "÷ " + peer, "÷ " + subject.Routed, "CPU"}
	t.Lines = append(t.Lines, append(append(header, report.LatencyHeader...), "errors", "wanted"))
	for i := range rows {
		others := []string{peerOf(rows[i].Target), subject.Routed}
		if others[0] == rows[i].Target {
			others[0] = ""
		}
		t.Lines = append(t.Lines, tableCells(rows, &rows[i], len(t.Lines[0]), others))
	}
	return t
}

// wish is an aim for rows of a target: of the median, or of its ratio to a peer's.
type wish struct {
	rows   []string
	target string
	peer   string // "" for none
	limit  float64
	least  bool
}

var (
	bulkRows      = []string{"up", "up10", "down", "down10"}
	largeBulkRows = []string{"up-8500", "up10-8500", "down-8500", "down10-8500"}
)

// gatewayAims are relative to tun2socks through the same SOCKS5 proxy.
var gatewayAims = []wish{
	{bulkRows, "minitcp-socks5", "tun2socks-socks5", 5, true},
	{[]string{"rr", "crr"}, "minitcp-socks5", "tun2socks-socks5", 2, true},
	{largeBulkRows, "minitcp-socks5", "tun2socks-socks5", 2, true},
	{[]string{idleName}, "minitcp-socks5", "tun2socks-socks5", 0.2, false},
	{[]string{residentName, readyName}, "minitcp-socks5", "", 20, false}, // MB, ms
	{[]string{wakeupsName}, "minitcp-socks5", "", 0, false},
}

// aimAt sets the aims of rows.
func aimAt(rows []report.Row, wishes []wish) {
	for _, w := range wishes {
		for _, name := range w.rows {
			r := rowOf(rows, name, w.target)
			if r == nil {
				continue
			}
			a := report.Aim{Name: r.Unit, Value: r.Value.Median, Limit: w.limit, Least: w.least}
			if w.peer != "" {
				other := rowOf(rows, name, w.peer)
				if other == nil {
					continue
				}
				short, _, _ := strings.Cut(w.peer, "-")
				a.Name, a.Value = "÷ "+short, report.Ratio(r.Value.Median, other.Value.Median)
			}
			r.Aims = append(r.Aims, a)
		}
	}
}

// buildPrograms returns a function that builds those of the programs that targets need into a directory, which remove
// removes, and sets the environment of the targets' processes.
func buildPrograms(programs ...string) func([]subject.Target) (remove func(), err error) {
	return func(targets []subject.Target) (remove func(), err error) {
		directory, err := os.MkdirTemp("", "minitcp-bench-")
		if err != nil {
			return nil, err
		}
		for _, name := range programs {
			needed := slices.ContainsFunc(targets, func(t subject.Target) bool {
				return t.Role == subject.RoleForwarder && (len(programs) == 1 || strings.HasPrefix(t.Name, name))
			})
			if err == nil && needed {
				err = build(name, directory)
			}
		}
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(directory))
		}
		os.Setenv(subject.GatewayPrograms, directory)
		return func() { os.RemoveAll(directory) }, nil
	}
}

// build builds a program into a directory.
func build(name, directory string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	in, what := root, "./cmd/minitcp"
	if name == "tun2socks" {
		in, what = filepath.Join(root, "bench", "peers"), "github.com/xjasonlyu/tun2socks/v2"
	}
	command := exec.Command("go", "build", "-o", directory+"/", what)
	command.Dir = in
	command.Env = append(os.Environ(), "CGO_ENABLED=0") // with cgo, minitcp has 7 MB more of resident memory
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%v in %s: %w\n%s", command, in, err, out)
	}
	return nil
}

// moduleRoot returns the directory of go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
