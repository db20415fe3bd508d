package conntest

import (
	"strings"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// The check of progress reports an end that does not retransmit for three RTOs, unless the application of its peer does
// not read.
func TestStall(t *testing.T) {
	for _, reads := range []bool{true, false} {
		p := NewPair(1, conn.Config{ReceiveBuffer: 4096}, Link{Delay: ms, GSOMaxSize: 1})
		p.A.ToSend = fill(1, 100_000)
		if !reads {
			p.B.App = Idle
		}
		p.Dial(p.A)
		for p.A.Conn.Info(p.Now).InFlight == 0 || p.Now < conn.Time(100*ms) && !reads {
			if !p.Step() {
				t.Fatal(p.err)
			}
		}
		for range 100 { // timers do not run
			p.Now = p.Now.Add(50 * ms)
			p.watch(p.Now.Add(50 * ms))
		}
		if stalls := p.err != nil && strings.Contains(p.err.Error(), "a: no progress"); stalls != reads {
			t.Errorf("the peer reads: %v: error %v", reads, p.err)
		}
	}
}

// Repeated bytes are counted, except for probes and copies made by the network. They are allowed up to the bytes lost.
func TestNeedless(t *testing.T) {
	p := NewPair(1, conn.Config{}, Link{})
	e := p.A
	e.Monitor.irsKnown, e.Monitor.Edge = true, 1_000_000
	k := packet{from: p.B, to: e}
	k.seg.TCP.Seq, k.seg.Data = 1, make([]byte, 1000)
	e.countRepeats(&k, conn.VerdictAccepted)
	if e.repeats.count != 0 {
		t.Fatalf("%d repeated bytes, want 0", e.repeats.count)
	}
	for range 10 {
		e.countRepeats(&k, conn.VerdictNoMemory)
		for _, note := range []conn.Note{conn.NoteTailProbe, conn.NoteTailRetransmission, conn.NoteWindowProbe} {
			probe := k
			probe.note = note
			e.countRepeats(&probe, conn.VerdictDuplicate)
		}
		copied := k
		copied.duplicated = true
		e.countRepeats(&copied, conn.VerdictDuplicate)
	}
	if e.repeats.count != 0 {
		t.Fatalf("%d repeated bytes, want 0", e.repeats.count)
	}
	for range 18 { // 12 segments are always allowed
		e.countRepeats(&k, conn.VerdictDuplicate)
	}
	if err := e.checkRepeats(&p.Link); err == nil || e.repeats.count != 18_000 {
		t.Errorf("error %v, %d repeated bytes, want an error and 18000", err, e.repeats.count)
	}
	p.B.lostBytes = 2000
	if err := e.checkRepeats(&p.Link); err != nil {
		t.Error(err)
	}
}

// Finished and Read report wrong data and an incomplete end.
func TestFinished(t *testing.T) {
	for name, plant := range map[string]func(*Pair){
		"nothing":                  func(p *Pair) {},
		"b received 999 bytes":     func(p *Pair) { p.B.Received = p.B.Received[:999] },
		"received data differs":    func(p *Pair) { p.B.Received[7]++ },
		"b keeps 1 pages":          func(p *Pair) { p.B.Pages.Used = 1 },
		"b: reading ended with":    func(p *Pair) { p.B.ReadError = nil },
		"a ends in ":               func(p *Pair) { p.A.over = false },
		"Read returned wrong data": func(p *Pair) { p.A.ToSend[10]++ },
	} {
		p := NewPair(1, conn.Config{}, Link{Delay: ms, GSOMaxSize: 1})
		p.A.ToSend = fill(1, 1000)
		if name == "Read returned wrong data" {
			p.B.App = func(p *Pair, e *End) { // after A has sent it
				if e.Conn.Info(p.Now).Unread > 0 && len(e.Received) == 0 {
					plant(p)
				}
				Transfer(p, e)
			}
		}
		p.Dial(p.A)
		err := p.Run(time.Hour)
		if err == nil {
			plant(p)
			err = p.Finished()
		}
		if name == "nothing" != (err == nil) || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A segment that PAWS drops breaks a rule on a link without reordering, and none on a link with it.
func TestOldTimestamp(t *testing.T) {
	for _, reordering := range []float64{0, 0.1} {
		p := NewPair(1, conn.Config{}, Link{Delay: ms, Reordering: reordering, GSOMaxSize: 1})
		p.A.ToSend = fill(1, 10_000)
		p.Dial(p.A)
		for p.B.Conn == nil || len(p.B.Received) < 5000 {
			if !p.Step() {
				t.Fatal(p.err)
			}
		}
		var k packet
		k.from, k.to = p.A, p.B
		k.seg.TCP = wire.TCP{Flags: wire.ACK, Seq: p.A.Conn.ISS() + 1, Ack: p.B.Conn.ISS() + 1, Window: 9}
		k.seg.TCP.Options.HasTimestamps = true
		k.seg.TCP.Options.TSVal = p.A.Open.TSOffset - 1
		k.seg.Data = []byte{0}
		p.receive(&k)
		if broken := p.err != nil && strings.Contains(p.err.Error(), "PAWS"); broken != (reordering == 0) {
			t.Errorf("reordering %v: %v", reordering, p.err)
		}
	}
}

// An end with more timeouts than lost segments breaks a rule.
func TestIdleTimeouts(t *testing.T) {
	p := NewPair(1, conn.Config{}, Link{Delay: ms, GSOMaxSize: 1})
	p.Dial(p.A)
	for p.A.Conn.State() != conn.Established && p.Step() {
	}
	p.A.ToSend = fill(1, 100)
	p.A.App, p.B.App = Transfer, Idle
	p.Link.Outages = []Outage{{0, time.Hour}}
	for p.A.Conn.Info(p.Now).Timeouts < 6 && p.Step() {
	}
	if err := p.A.checkTimeouts(p); err != nil {
		t.Errorf("one lost segment per timeout: %v", err)
	}
	p.A.lostBytes = 0
	if err := p.A.checkTimeouts(p); err == nil || !strings.Contains(err.Error(), "a: 6 timeouts, where 0 segments") {
		t.Errorf("no lost segment: error %v", err)
	}
}

// A server of Fast Open may give up, and its client may then be refused, if it has heard nothing for 32 s.
func TestGaveUp(t *testing.T) {
	s := Scenario{MTU: 1500, Header: 20, Link: Link{Delay: ms, GSOMaxSize: 1, Outages: []Outage{{ms, 64 * time.Second}}},
		FastOpen: FastOpen{Used: true, MSS: 1460}, Flows: []Flow{{Up: Side{Bytes: 100}}}}
	p := s.pair(0)
	p.DialAt(0)
	if err := p.Run(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := p.result(0); err != nil || p.A.Conn.Err() != conn.ErrRefused || p.B.Conn.Err() != conn.ErrTimeout {
		t.Errorf("error %v, a ends with %v, b with %v", err, p.A.Conn.Err(), p.B.Conn.Err())
	}
	p.B.heard = p.B.ended.Add(time.Nanosecond - 32*time.Second)
	if err := p.result(0); err == nil || !strings.Contains(err.Error(), "a ends with connection refused") {
		t.Errorf("a server that gives up less than 32 s after a segment: error %v", err)
	}
}
