//go:build linux

package links

import (
	"math"
	"strings"
	"testing"
	"time"

	"minitcp/bench/subject"
)

func TestRows(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range rows() {
		if seen[r.name] || r.summary == "" || r.weight < 1 || r.weight > maxWeight || len(r.entries) == 0 {
			t.Errorf("row %q: seen %v, %q, weight %d, %d entries", r.name, seen[r.name], r.summary, r.weight, len(r.entries))
		}
		seen[r.name] = true
		for _, e := range r.entries {
			for _, name := range e.flows {
				if target, ok := subject.Find(name); !ok || !target.Address.IsValid() {
					t.Errorf("row %s has a flow to %q, which is nowhere", r.name, name)
				}
			}
			if r.upload && len(e.flows) != 1 {
				t.Errorf("row %s: only one flow can be counted at the target", r.name)
			}
		}
		there, back := r.path.ways(7)
		if there.Rate != back.Rate || there.Delay != back.Delay || there.Delay*2 != r.path.rtt || back.Loss != 0 || back.Reordering != 0 {
			t.Errorf("row %s: there %+v, back %+v", r.name, there, back)
		}
		if there.QueuePackets == 0 && there.QueueTime == 0 {
			t.Errorf("row %s: the queue has no end", r.name)
		}
	}
}

func TestValue(t *testing.T) {
	for _, test := range []struct {
		measure measure
		goodput []float64
		want    float64
	}{
		{goodput, []float64{40}, 40},
		{goodput, []float64{40, 20}, 60},
		{retransmitted, []float64{40}, 17},
		{fairness, []float64{20, 20, 20}, 1},
		{fairness, []float64{30, 0, 0}, 1. / 3},
		{fairness, []float64{0, 0}, 0},
		{share, []float64{10, 30}, 25},
		{use, []float64{40, 20}, 75},
		{late, []float64{40}, 340},
	} {
		r := row{measure: test.measure}
		if got := r.value(&Sample{Goodput: test.goodput, P50: 240, P95: 340}, 17, 80); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s of %v: %v, want %v", units[test.measure], test.goodput, got, test.want)
		}
	}
}

func TestLines(t *testing.T) {
	var p Plan
	p.Choose([]string{"loss1", "share2"}, []string{"minitcp-cubic", "kernel-cubic"})
	samples := []Sample{
		{Row: "loss1", Entry: "minitcp-cubic", Value: 6, Goodput: []float64{6}, Segments: 100, Again: 2, Timeouts: 1, Spurious: 3, P50: 40, P95: 60},
		{Row: "loss1", Entry: "minitcp-cubic", Value: 4, Goodput: []float64{4}, Segments: 100, Again: 1, Timeouts: 0, Spurious: 1, P50: 42, P95: 62},
		{Row: "loss1", Entry: "kernel-cubic", Value: 2, Goodput: []float64{2}, Segments: 100, Timeouts: 0, Spurious: -1, P50: 40, P95: 60},
		{Row: "loss1", Entry: "kernel-cubic", Error: "unlucky"},
		{Row: "share2", Entry: "kernel-cubic", Error: "out of order"},
	}
	lines := p.Lines(samples)
	if len(lines) != 3 || lines[0].Ratios["kernel-cubic"] != 2.5 || lines[0].Goodput != 5 || lines[0].Most != 1 || lines[1].Error != "unlucky" {
		t.Fatalf("got %+v", lines)
	}
	var b strings.Builder
	if err := Table(lines).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"loss1 minitcp-cubic 5.00 4.00–6.00 Mbit/s 2.50 – – 5.00 1.50 % 0, ≤ 1 2 41.0 ms 61.0 ms",
		"loss1 kernel-cubic 2.00! 2.00–2.00 Mbit/s 1.00 – – 2.00 0.00 % 0, ≤ 0 – 40.0 ms 60.0 ms",
		"share2 kernel-cubic failed",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestEstimate(t *testing.T) {
	p := Plan{Rounds: 1, Scale: QuickScale, AtOnce: 2}
	p.Choose(RowNames(), targetNames())
	if quick := p.estimate(); quick > 2*time.Minute {
		t.Errorf("a quick run takes %v", quick)
	}
	p.Rounds, p.Scale = 5, 1
	if full := p.estimate(); full > 30*time.Minute {
		t.Errorf("a full run takes %v", full)
	}
}

func targetNames() (names []string) {
	for _, target := range subject.Paths {
		names = append(names, target.Name)
	}
	return names
}
