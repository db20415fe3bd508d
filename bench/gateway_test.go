//go:build linux

package main

import (
	"testing"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// measureShort measures workloads on those targets that are installed, and compares the number of rows of each.
func measureShort(t *testing.T, what *catalogue, want int, targets, workloads string) {
	t.Helper()
	requireKernel(t)
	p := parsedFor(t, what, "-rounds=1", "-duration=50ms", "-warmup=10ms", "-rest=10ms", "-connections=50", "-targets="+targets,
		"-workloads="+workloads)
	var notes []string
	if p.targets, notes = installed(p.targets); len(p.targets) == 0 {
		t.Log(notes)
		return
	}
	remove, err := what.prepare(p.targets)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	rows := rowsOfShort(t, p)
	if got := len(rows); got != want*len(p.targets) {
		t.Errorf("%d rows of %d targets, want %d of each", got, len(p.targets), want)
	}
	for _, r := range rows {
		if r.Workload != wakeupsName && r.Workload != flowName && r.Workload != idleName && r.Value.Median <= 0 {
			t.Errorf("%s of %s is %v", r.Workload, r.Target, r.Value.Median)
		}
	}
	childless(t)
}

// Minitcp's gateway can be measured in every workload, directly and through the proxy. (Tun2socks takes long to build.)
func TestGateway(t *testing.T) {
	measureShort(t, gateways, len(gateways.workloads)+1, "minitcp-direct,minitcp-socks5", "")
}

// Minitcp run, and the programs beside it that are installed, can be measured.
func TestSandboxes(t *testing.T) {
	const workloads, rows = "up,down10,crr,udp-share,ready,idle", 7
	for _, target := range sandboxes.all {
		switch {
		case target.Role == subject.RoleRouted:
		case target.Runs:
			measureShort(t, sandboxes, rows+1, target.Name, workloads+",true")
		default:
			measureShort(t, sandboxes, rows, target.Name, workloads)
		}
	}
}

// A gateway with viewers and one with a trace can be measured.
func TestObserved(t *testing.T) {
	measureShort(t, observed, 2, "viewed,traced", "up10,rr")
}

// A target whose program is missing is left out, with a note that names the package.
func TestInstalled(t *testing.T) {
	missing := subject.Target{Name: "peer", Program: "no-such-program", Package: "its-package"}
	list, notes := installed([]subject.Target{{Name: "ours"}, missing})
	if len(list) != 1 || list[0].Name != "ours" {
		t.Errorf("%v are left, want ours", list)
	}
	if want := "peer is left out: it is not installed; apt-get install its-package"; len(notes) != 1 || notes[0] != want {
		t.Errorf("notes %q, want %q", notes, want)
	}
}

// Aims are ratios to a peer, or limits of a median. Rows without the peer's, and those of other targets, have none.
func TestProgramAims(t *testing.T) {
	row := func(workload, target string, value float64) report.Row {
		return report.Row{Workload: workload, Target: target, Value: report.Summary{N: 1, Median: value}}
	}
	rows := []report.Row{
		row("up", "minitcp-socks5", 6), row("up", "tun2socks-socks5", 1), row("up", "minitcp-direct", 1), row("up", "tun2socks-direct", 1),
		row("rr", "minitcp-socks5", 1), row("rr", "tun2socks-socks5", 1), row("crr", "minitcp-socks5", 2),
		row("down-8500", "minitcp-socks5", 3), row("down-8500", "tun2socks-socks5", 2),
		row(idleName, "minitcp-socks5", 100), row(idleName, "tun2socks-socks5", 1000), row(readyName, "minitcp-socks5", 20),
	}
	want := map[string]bool{
		"up minitcp-socks5": true, "rr minitcp-socks5": false, "down-8500 minitcp-socks5": false,
		idleName + " minitcp-socks5": true, readyName + " minitcp-socks5": true,
	}
	aimAt(rows, gatewayAims)
	for _, r := range rows {
		met, aimed := want[r.Workload+" "+r.Target]
		if len(r.Aims) > 0 != aimed || aimed && r.Aims[0].Met() != met {
			t.Errorf("%s of %s: aims %v, want any %v, met %v", r.Workload, r.Target, r.Aims, aimed, met)
		}
	}
}
