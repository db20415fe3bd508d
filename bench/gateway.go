//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// gateways is the catalogue for gateways: whole programs in the place of the forwarders of bench forward.
var gateways = &catalogue{
	command:   "gateway",
	workloads: gatewayWorkloads,
	all:       subject.Gateways,
	reads:     subject.MaxReads,
	idle:      1000,
	table:     gatewayTable,
	aim:       aimGateway,
	place:     "gateway",
	prepare:   buildGateways,
}

// gatewayWorkloads are those of forwarders, without the one that needs a gateway to refuse, which tun2socks does not.
// The memory of a program is its resident memory, because its heap is unknown.
var gatewayWorkloads = func() (list []workload) {
	for _, w := range forwardWorkloads {
		if w.kind == load.Refused {
			continue
		}
		switch w.name {
		case idleName:
			w.summary = "resident memory per idle connection"
		case flowName:
			w.connections, w.summary = 1000, "the same per UDP flow, of 1000"
		}
		w.program = true
		list = append(list, w)
	}
	return list
}()

// gatewayPeers has the target of tun2socks with the same way to the server as each of ours.
var gatewayPeers = map[string]string{"minitcp-direct": "tun2socks-direct", "minitcp-socks5": "tun2socks-socks5"}

// gatewayTable compares minitcp with tun2socks and with the kernel's routing, and shows which aims are met.
func gatewayTable(rows []report.Row) *report.Table {
	t := &report.Table{Words: []int{0, 1, 4, 12}}
	header := []string{"workload", "target", "median", "min–max", "unit", "÷ tun2socks", "÷ " + subject.Routed, "CPU"}
	t.Lines = append(t.Lines, append(append(header, report.LatencyHeader...), "errors", "wanted"))
	for i := range rows {
		others := []string{gatewayPeers[rows[i].Target], subject.Routed}
		t.Lines = append(t.Lines, tableCells(rows, &rows[i], len(t.Lines[0]), others))
	}
	return t
}

// gatewayAims are the least ratios to tun2socks through the same SOCKS5 proxy that are wanted at an MTU of 1500.
var gatewayAims = map[load.Kind]float64{load.Upload: 5, load.Download: 5, load.PingPong: 2, load.Connect: 2}

const (
	mostOfPeer = 0.2 // of tun2socks's memory for a connection
	largeMTU   = 8500
	largeBulk  = 2 // the ratio of bulk that is wanted at that MTU
)

func aimGateway(rows []report.Row, workloads []*workload) {
	for _, w := range workloads {
		ours, peer := rowOf(rows, w.name, "minitcp-socks5"), rowOf(rows, w.name, "tun2socks-socks5")
		if ours == nil || peer == nil {
			continue
		}
		ratio := report.Ratio(ours.Value.Median, peer.Value.Median)
		least, ok := gatewayAims[w.kind]
		if os.Getenv(subject.GatewayMTU) != strconv.Itoa(defaultMTU) {
			if least, ok = largeBulk, w.isBulk(); !ok {
				continue
			}
		}
		switch {
		case w.wakeups > 0:
			ours.Aims = append(ours.Aims, report.Aim{Name: wakeupsName, Value: ours.Value.Median, Limit: 0})
		case w.name == idleName:
			ours.Aims = append(ours.Aims, report.Aim{Name: "÷ tun2socks", Value: ratio, Limit: mostOfPeer})
		case ok:
			ours.Aims = append(ours.Aims, report.Aim{Name: "÷ tun2socks", Value: ratio, Limit: least, Least: true})
		}
	}
}

const defaultMTU = 1500

// buildGateways builds the programs of targets into a directory that remove removes, and sets the environment of their
// processes. The MTU of the TUN may be in the environment already.
func buildGateways(targets []subject.Target) (remove func(), err error) {
	if os.Getenv(subject.GatewayMTU) == "" {
		os.Setenv(subject.GatewayMTU, strconv.Itoa(defaultMTU))
	}
	directory, err := os.MkdirTemp("", "minitcp-bench-")
	if err != nil {
		return nil, err
	}
	root, err := moduleRoot()
	for program, build := range map[string][]string{
		"minitcp": {root, "./cmd/minitcp"}, "tun2socks": {filepath.Join(root, "bench", "peers"), "github.com/xjasonlyu/tun2socks/v2"},
	} {
		needed := slices.ContainsFunc(targets, func(t subject.Target) bool { return strings.HasPrefix(t.Name, program) })
		if err != nil || !needed {
			continue
		}
		command := exec.Command("go", "build", "-o", directory+"/", build[1])
		command.Dir = build[0]
		if out, failed := command.CombinedOutput(); failed != nil {
			err = fmt.Errorf("%v in %s: %w\n%s", command, command.Dir, failed, out)
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	os.Setenv(subject.GatewayPrograms, directory)
	return func() { os.RemoveAll(directory) }, nil
}

// moduleRoot returns the directory of go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
