package netem

import (
	"slices"
	"testing"
	"time"

	"minitcp/conn/wire"
)

// CoDel does not drop packets of a queue that is above its target for less than an interval. Then it drops at intervals
// that are divided by the square roots of 1, 2, 3…, until the queue is short.
func TestCoDel(t *testing.T) {
	var c codel
	var dropped []time.Duration
	at := func(now time.Duration, waited time.Duration) {
		if c.signals(now, waited, codelTarget) {
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
	if want := []time.Duration{200, 300, 371, 429}; !slices.Equal(dropped, want) {
		t.Fatalf("dropped at %d, want %d ms", dropped, want)
	}
	at(451*ms, ms)
	at(600*ms, 50*ms)
	if len(dropped) != 4 || c.dropping {
		t.Errorf("CoDel still drops: %d, %+v", dropped, c)
	}
}

// CoDel marks packets with ECT and does not drop them.
func TestCoDelMarks(t *testing.T) {
	for _, cfg := range []Config{{Rate: 8e6}, {Trace: TraceOf([]int{1_000_000})}} {
		for _, ecn := range []wire.ECN{wire.NotECT, wire.ECT0} {
			cfg.Discipline = CoDel
			d, r := &Direction{Config: cfg}, newRand(1)
			for i := range time.Duration(300) { // 1.5 ms of transmission per millisecond
				if p := d.Send(i*ms, 1500, ecn, Fate{Copies: 1}, r); p.Mark && ecn == wire.NotECT {
					t.Error("a packet without ECT is marked")
				}
			}
			if ect := ecn != wire.NotECT; ect != (d.Marked > 0) || ect == (d.CoDel > 0) {
				t.Errorf("ECT %v: %d marked, %d dropped, want only the former with ECT and only the latter without", ect, d.Marked, d.CoDel)
			}
		}
	}
}

func TestTransit(t *testing.T) {
	var tr Transit[int]
	if _, ok := tr.Next(); ok {
		t.Error("an empty Transit has a next packet")
	}
	for i := range 1000 {
		tr.Push(time.Duration(i*7919%101), i)
	}
	lastAt, last := time.Duration(-1), -1
	for n := 1000; n > 0; n-- {
		at, ok := tr.Next()
		if !ok || tr.Len() != n {
			t.Fatalf("Next: %v, Len %d, want %d", ok, tr.Len(), n)
		}
		i := tr.Pop()
		if at != time.Duration(i*7919%101) || at < lastAt || at == lastAt && i < last {
			t.Fatalf("%v, number %d, after %v, number %d", at, i, lastAt, last)
		}
		lastAt, last = at, i
	}
}

// The queue of instants reuses its memory.
func TestInstants(t *testing.T) {
	var q instants
	for i := range time.Duration(10_000) {
		q.push(i + 10)
		if n := q.after(i); n != min(int(i)+1, 10) {
			t.Fatalf("%d instants after %d", n, i)
		}
	}
	if cap(q.list) > 64 {
		t.Errorf("a capacity of %d for 10 instants", cap(q.list))
	}
}

// A Meter measures the rate of the line, without its idle time, whether packets are lost, late or delivered late.
func TestMeter(t *testing.T) {
	cfg := Config{Rate: 10e6, QueueTime: 100 * ms, Delay: 20 * ms, Loss: 0.2, Reordering: 0.1, ReorderingDelay: 5 * ms}
	d, r := &Direction{Config: cfg}, newRand(4)
	var transit Transit[Passage]
	var m Meter
	late := func() time.Duration { return time.Duration(r.Int64N(int64(ms / 2))) }
	for burst := range time.Duration(20) {
		for i := range time.Duration(100) { // 1500 bytes in 1.2 ms
			now := burst*time.Second + i*ms
			if p := d.Send(now, 1500, wire.NotECT, d.Draw(now, r), r); p.Drop == Delivered {
				transit.Push(p.At[0]+late(), p)
			}
		}
	}
	for at, ok := transit.Next(); ok; at, ok = transit.Next() {
		p := transit.Pop()
		m.Deliver(at, 1500, &p)
	}
	if rate := m.Rate(); rate < 9.9e6 || rate > 10.1e6 {
		t.Errorf("a rate of %d bit/s, want 10,000,000 ± 1 %%", rate)
	}
	mean, largest := m.Delay()
	if mean < 20*ms+ms/5 || mean > 20*ms+3*ms/10 || largest < 20*ms+ms/4 || largest >= 20*ms+ms/2 {
		t.Errorf("a delay of %v, at most %v, want 20.25ms, at most 20.5ms", mean, largest)
	}
	if w := m.Waited(); w < 9*ms || w > 11*ms { // from 0 to 0.2 ms × 100
		t.Errorf("a mean wait of %v, want 10ms", w)
	}
	if m.Packets != d.Packets-d.Lost || m.Bytes != 1500*m.Packets {
		t.Errorf("%d packets, %d bytes delivered of %+v", m.Packets, m.Bytes, d.Counts)
	}
	var none Meter
	if mean, largest := none.Delay(); none.Rate() != 0 || mean != 0 || largest != 0 || none.Waited() != 0 {
		t.Error("a Meter without packets has measured something")
	}
}

// A Meter measures no rate before enough packets have waited.
func TestMeterFew(t *testing.T) {
	d, r := &Direction{Config: Config{Rate: 12e6, QueueTime: time.Second}}, newRand(1)
	var m Meter
	for i := range 1 + LeastForRate {
		if rate := m.Rate(); rate != 0 {
			t.Fatalf("%d packets: a rate of %d bit/s, want none", i, rate)
		}
		p := d.Send(0, 1500, wire.NotECT, d.Draw(0, r), r)
		m.Deliver(p.At[0], 1500, &p)
	}
	if rate := m.Rate(); rate != 12e6 {
		t.Errorf("a rate of %d bit/s, want 12,000,000", rate)
	}
}
