package conntest

import (
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn"
)

// A link of 1000 bytes per second transmits packets one after the other and drops those that arrive while its queue is
// full.
func TestPipe(t *testing.T) {
	l := Link{Rate: 1000, Queue: 2000}
	var p pipe
	for i := range 4 {
		d := p.depart(&l, 0, 1000, false)
		if want := conn.Time(i+1) * conn.Time(time.Second); (d.lost == "") != (i < 2) || d.lost == "" && d.at != want {
			t.Errorf("packet %d: %+v", i, d)
		}
	}
	if d := p.depart(&l, conn.Time(10*time.Second), 500, false); d.lost != "" || d.at != conn.Time(10500*time.Millisecond) {
		t.Errorf("on an idle link: %+v", d)
	}
}

// A packet on a line of variable rate is transmitted at each rate of its time, and the queue is limited in bytes.
func TestRates(t *testing.T) {
	l := Link{Rates: []int{1000, 10_000}, Queue: 2000}
	var p pipe
	for i, want := range []time.Duration{190 * ms, 380 * ms, 0} { // 100 and 900 bytes; 100, 100 and 800
		d := p.depart(&l, 0, 1000, false)
		if d.at != conn.Time(want) || (d.lost != "") != (want == 0) {
			t.Errorf("packet %d: %+v, want %v", i, d, want)
		}
	}
	pair := Pair{Now: conn.Time(200 * ms)}
	if got := pair.QueueDelay(&End{pipe: &p}); got != 180*ms {
		t.Errorf("QueueDelay = %v, want 180ms", got)
	}
}

// CoDel does not drop packets of a queue that is above its target for less than an interval. Then it drops at intervals
// that are divided by the square roots of 1, 2, 3…, until the queue is short.
func TestCoDel(t *testing.T) {
	var c codel
	var dropped []time.Duration
	at := func(now time.Duration, waited time.Duration) {
		if c.signals(conn.Time(now), waited, codelTarget) {
			dropped = append(dropped, now/ms)
		}
	}
	for now := ms; now < 99*ms; now += ms {
		at(now, 50*ms)
	}
	at(99*ms, 4*ms) // the queue is short once
	for now := 100 * ms; now <= 450*ms; now += ms {
		at(now, 50*ms)
	}
	want := []time.Duration{200, 300, 371, 429}
	if len(dropped) != len(want) {
		t.Fatalf("dropped at %v, want %v ms", dropped, want)
	}
	for i := range want {
		if dropped[i] != want[i] {
			t.Fatalf("dropped at %v, want %v ms", dropped, want)
		}
	}
	at(451*ms, ms)
	at(600*ms, 50*ms)
	if len(dropped) != len(want) || c.dropping {
		t.Errorf("CoDel still drops: %v, %+v", dropped, c)
	}
}

// CoDel marks packets with ECT and does not drop them.
func TestCoDelMarks(t *testing.T) {
	l := Link{Rate: 1_000_000, Discipline: CoDel}
	for _, ect := range []bool{false, true} {
		var p pipe
		marked, lost := 0, 0
		for i := range 300 { // 1.5 ms of transmission per millisecond
			d := p.depart(&l, conn.Time(i)*conn.Time(ms), 1500, ect)
			if d.mark {
				marked++
			}
			if d.lost != "" {
				lost++
			}
		}
		if ect != (marked > 0) || ect == (lost > 0) {
			t.Errorf("ECT %v: %d marked, %d lost, want only the former with ECT and only the latter without", ect, marked, lost)
		}
	}
}

// Losses of a Burst are consecutive, and as many as the model predicts.
func TestBurst(t *testing.T) {
	l := Link{Burst: Burst{Begin: 0.01, End: 0.2, Loss: 0.9}}
	r := rand.New(rand.NewPCG(1, 1))
	var p pipe
	const n = 100_000
	lost, pairs, last := 0, 0, false
	for range n {
		now := p.fate(&l, 0, r, false).Copies == 0
		if now {
			lost++
		}
		if now && last {
			pairs++
		}
		last = now
	}
	// A burst is in progress 0.01/(0.01+0.2) of the time.
	if share := float64(lost) / n; share < 0.040 || share > 0.046 {
		t.Errorf("%.4f of the packets are lost", share)
	}
	for p.bad = false; !p.bad; {
		p.fate(&l, 0, r, false)
	}
	if p.fate(&l, conn.Time(2*time.Second), r, false); p.bad {
		t.Error("a burst continues after two seconds without packets") // a new burst has a probability of 0.01
	}
	if after := float64(pairs) / float64(lost); after < 0.70 || after > 0.75 {
		t.Errorf("after a lost packet, the next is lost with %.2f", after)
	}
}

// Routes change and links fail at the configured times.
func TestChangesAndOutages(t *testing.T) {
	l := Link{Delay: ms, Changes: []Change{{10 * ms, 5 * ms}, {20 * ms, 2 * ms}}, Outages: []Outage{{3 * ms, 4 * ms}}}
	for _, c := range []struct {
		now, delay time.Duration
		down       bool
	}{{0, ms, false}, {3 * ms, ms, true}, {4 * ms, ms, false}, {10 * ms, 5 * ms, false}, {25 * ms, 2 * ms, false}} {
		if d, down := l.delay(conn.Time(c.now)), l.down(conn.Time(c.now)); d != c.delay || down != c.down {
			t.Errorf("at %v: %v, down %v", c.now, d, down)
		}
	}
}
