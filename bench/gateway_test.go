//go:build linux

package main

import (
	"testing"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// Minitcp's gateway can be measured in every workload, directly and through the proxy. (Tun2socks takes long to build.)
func TestGateway(t *testing.T) {
	requireKernel(t)
	p := parsedFor(t, gateways, "-rounds=1", "-duration=50ms", "-warmup=10ms", "-rest=10ms", "-connections=50",
		"-targets=minitcp-direct,minitcp-socks5")
	remove, err := buildGateways(p.targets)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	rows := rowsOfShort(t, p)
	if got, want := len(rows), len(p.workloads)*len(p.targets); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
	childless(t)
}

// The rows through the proxy have aims relative to tun2socks's, and other rows none.
func TestGatewayAims(t *testing.T) {
	row := func(workload, target string, value float64) report.Row {
		return report.Row{Workload: workload, Target: target, Value: report.Summary{N: 1, Median: value}}
	}
	rows := func() []report.Row {
		return []report.Row{
			row("up", "minitcp-socks5", 6), row("up", "tun2socks-socks5", 1), row("up", "minitcp-direct", 1), row("up", "tun2socks-direct", 1),
			row("rr", "minitcp-socks5", 1), row("rr", "tun2socks-socks5", 1), row("crr", "minitcp-socks5", 2),
			row(idleName, "minitcp-socks5", 100), row(idleName, "tun2socks-socks5", 1000),
		}
	}
	for mtu, want := range map[string]map[string]bool{
		"1500": {"up minitcp-socks5": true, "rr minitcp-socks5": false, idleName + " minitcp-socks5": true},
		"8500": {"up minitcp-socks5": true},
	} {
		t.Setenv(subject.GatewayMTU, mtu)
		p := parsedFor(t, gateways)
		list := rows()
		aimGateway(list, p.workloads)
		for _, r := range list {
			met, aimed := want[r.Workload+" "+r.Target]
			if len(r.Aims) > 0 != aimed || aimed && r.Aims[0].Met() != met {
				t.Errorf("MTU %s, %s of %s: aims %v, want any %v, met %v", mtu, r.Workload, r.Target, r.Aims, aimed, met)
			}
		}
	}
}
