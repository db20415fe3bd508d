package conntest

import (
	"math"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// Each feature of a link affects the right packets with the right probability.
func TestProbabilities(t *testing.T) {
	const n = 20_000
	for name, c := range map[string]struct {
		link  Link
		pure  bool // without data
		share func(*tally) float64
		want  float64
	}{
		"loss":                   {Link{Loss: 0.1}, false, func(c *tally) float64 { return c.lost }, 0.1},
		"duplication":            {Link{Duplication: 0.1}, false, func(c *tally) float64 { return c.copied }, 0.1},
		"corruption":             {Link{Corruption: 0.1}, false, func(c *tally) float64 { return c.damaged }, 0.1},
		"marks":                  {Link{Marking: 0.1}, false, func(c *tally) float64 { return c.marked }, 0.1},
		"reordering":             {Link{Reordering: 0.1, ReorderingDelay: ms}, false, func(c *tally) float64 { return c.late }, 0.1},
		"ACK loss":               {Link{ACKLoss: 0.1}, true, func(c *tally) float64 { return c.lost }, 0.1},
		"ACK loss, not data":     {Link{ACKLoss: 0.1}, false, func(c *tally) float64 { return c.lost }, 0},
		"jitter":                 {Link{Jitter: 10 * time.Microsecond}, false, func(c *tally) float64 { return c.late }, 1},
		"outage":                 {Link{Outages: []Outage{{0, 5000 * time.Microsecond}}}, false, func(c *tally) float64 { return c.lost }, 0.25},
		"ACK thinning":           {Link{ACKThinning: 5 * time.Microsecond}, true, func(c *tally) float64 { return c.lost }, 0.8},
		"ACK thinning, not data": {Link{ACKThinning: 5 * time.Microsecond}, false, func(c *tally) float64 { return c.lost }, 0},
		"nothing":                {Link{}, true, func(c *tally) float64 { return c.lost + c.copied + c.damaged + c.marked + c.late }, 0},
		"a full queue":           {Link{Rate: 500_000_000, Queue: 100_000}, false, func(c *tally) float64 { return c.lost }, 0.5},
		"a route change":         {Link{Changes: []Change{{10 * ms, ms}}}, false, func(c *tally) float64 { return c.late }, 0.5},
	} {
		got := c.share(carryMany(t, c.link, n, c.pure)) / n
		if math.Abs(got-c.want) > 0.012 {
			t.Errorf("%s: %.3f, want %.3f", name, got, c.want)
		}
	}
}

// tally counts the fates of packets.
type tally struct{ lost, copied, damaged, marked, late float64 }

// carryMany sends n packets, one per microsecond, each with 1000 bytes or, if pure, without data.
func carryMany(t *testing.T, l Link, n int, pure bool) *tally {
	t.Helper()
	p := NewPair(3, conn.Config{}, l)
	c := new(tally)
	arrived := make([]int, n)
	p.Trace = func(v *Event) {
		switch {
		case v.From != p.A: // a RST, as there is no connection
		case v.Lost == "damaged":
			c.damaged++
		case v.Lost != "":
			c.lost++
		case v.Arrived:
			i := int(v.Segment.TCP.Seq)
			if arrived[i]++; arrived[i] > 1 {
				c.copied++
				if !v.Copied {
					t.Fatalf("packet %d: the second copy has Copied == false", i)
				}
			}
			if v.Segment.ECN == wire.CE {
				c.marked++
			}
			if p.Now > conn.Time(i)*conn.Time(time.Microsecond) {
				c.late++
			}
		}
	}
	for i := range n {
		p.Now = conn.Time(i) * conn.Time(time.Microsecond)
		p.deliver()
		k := packet{from: p.A, seg: conn.Segment{TCP: wire.TCP{Seq: uint32(i), Flags: wire.ACK}, ECN: wire.ECT0}}
		if !pure {
			k.seg.Data = make([]byte, 960)
		}
		p.transmit(k)
		p.deliver() // packets without delay
	}
	for p.nextArrival() != conn.Never {
		p.Now = p.nextArrival()
		p.deliver()
	}
	return c
}
