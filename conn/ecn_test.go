package conn

import (
	"testing"
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

const (
	ece = wire.ECE
	cwr = wire.CWR
)

// ecnOne returns a connection of sackOne's kind whose ends have agreed on ECN.
func ecnOne(t *testing.T, cfg Config) *endpoint {
	t.Helper()
	cfg.MaxRTO, cfg.ECN, cfg.Timestamps, cfg.WindowScale, cfg.Pacing = time.Minute, ECNActive, Disabled, Disabled, Disabled
	o := newEndpoint(t, cfg)
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn | ece | cwr})
	o.sleep(100 * ms)
	o.in(segment{flags: syn | ack | ece, ack: 1, options: wire.Options{MSS: 1000, SACKPermitted: cfg.SACK == Enabled}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	if !o.c.Info(o.now).ECN {
		t.Fatal("ECN was not agreed on")
	}
	return o
}

// sends expects one segment of 1000 bytes of data at the number.
func (o *endpoint) sends(number int64, flags wire.Flags, e wire.ECN) {
	o.t.Helper()
	o.want(segment{flags: flags, seq: number, ack: 1, data: repeat(1000)})
	if o.last.ECN != e {
		o.t.Fatalf("%d is %v, want %v", number, o.last.ECN, e)
	}
}

// marked receives an ACK that reports a mark.
func (o *endpoint) marked(number int64, blocks ...int64) {
	o.t.Helper()
	var options wire.Options
	for i := 0; i < len(blocks); i += 2 {
		options.SACK[options.SACKCount] = wire.SACKBlock{
			Left: seq.Wire(testISS, seq.Offset(blocks[i])), Right: seq.Wire(testISS, seq.Offset(blocks[i+1]))}
		options.SACKCount++
	}
	o.in(segment{flags: ack | ece, seq: 1, ack: number, options: options})
}

// dataIn receives 100 bytes of data.
func (o *endpoint) dataIn(number int64, flags wire.Flags, e wire.ECN) {
	o.t.Helper()
	o.c.Receive(o.now, &Segment{TCP: wire.TCP{Seq: testIRS + uint32(number), Ack: testISS + 1, Flags: ack | flags, Window: 65535},
		Data: []byte(repeat(100)), ECN: e})
	o.check()
}

// wantReductions checks the window, in whole segments, and the number of reductions for marks.
func (o *endpoint) wantReductions(window int64, reductions uint64) {
	o.t.Helper()
	w, i := o.c.active.cc.Window(), o.c.Info(o.now)
	if w/1000 != window || i.ECEReductions != reductions {
		o.t.Fatalf("window %d after %d reductions, want %d after %d", w, i.ECEReductions, window, reductions)
	}
}

// Only new data may be marked (RFC 3168 6.1.4 to 6.1.6).
func TestECT(t *testing.T) {
	o := ecnOne(t, Config{KeepAlive: KeepAlive{Enable: true}})
	unmarkable := func(why string) {
		t.Helper()
		if !o.c.Transmit(o.now, 1, &o.last) || o.last.ECN != wire.NotECT {
			t.Errorf("%s: %v %v", why, o.last.TCP.Flags, o.last.ECN)
		}
	}
	next := func() {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
	}
	o.write(repeat(3000))
	o.sends(1, ack, wire.ECT0)
	o.sends(1001, ack, wire.ECT0)
	o.sends(2001, ack, wire.ECT0)
	next()
	unmarkable("a tail probe that repeats")
	next()
	unmarkable("a retransmission after a timeout")
	o.sleep(100 * ms)
	o.ack(3001)
	o.write(repeat(4000))
	for i := range int64(4) {
		o.sends(3001+1000*i, ack|cwr*wire.Flags(1-min(i, 1)), wire.ECT0)
	}
	o.sleep(100 * ms)
	o.ack(3001, 4001, 7001)
	unmarkable("a fast retransmission")
	o.sleep(100 * ms)
	o.ack(7001)
	o.dataIn(1, 0, wire.ECT0)
	o.dataIn(101, 0, wire.ECT0)
	unmarkable("an ACK")
	o.in(segment{flags: ack, seq: 201, ack: 7001, window: -1})
	o.write("y")
	o.nothing()
	next()
	unmarkable("a window probe")
	if o.last.Note != NoteWindowProbe {
		t.Fatalf("note %v", o.last.Note)
	}
	o.in(segment{flags: ack, seq: 201, ack: 7002})
	for !o.c.ack.probe {
		next()
	}
	unmarkable("a keep-alive probe")
	if o.last.Note != NoteKeepAlive {
		t.Fatalf("note %v", o.last.Note)
	}
	o.write("z")
	o.want(segment{flags: ack | cwr, seq: 7002, ack: 201, data: "z"})
	if o.last.ECN != wire.ECT0 {
		t.Errorf("new data is %v", o.last.ECN)
	}
	o.in(segment{flags: ack, seq: 201, ack: 7003})
	_ = o.c.CloseWrite()
	unmarkable("a FIN")
	o.c.Abort()
	unmarkable("a RST")
}

// A mark is reported at once, and by every segment until the peer sends CWR (RFC 3168 6.1.3).
//
// Shows: SHLD-8.
func TestECE(t *testing.T) {
	o := ecnOne(t, Config{})
	o.c.active.delay, o.c.lastDataReceived = notYoung(), o.now
	o.dataIn(1, 0, wire.ECT0)
	o.nothing() // a delayed ACK
	o.dataIn(101, 0, wire.CE)
	o.want(segment{flags: ack | ece, seq: 1, ack: 201})
	o.dataIn(201, 0, wire.ECT0)
	o.dataIn(301, 0, wire.CE)
	o.want(segment{flags: ack | ece, seq: 1, ack: 401})
	o.write(repeat(1000))
	o.want(segment{flags: ack | ece, seq: 1, ack: 401, data: repeat(1000)})
	if o.last.ECN != wire.ECT0 {
		t.Error("with a report, data may not be marked any more")
	}
	o.dataIn(401, cwr, wire.ECT0)
	o.want(segment{flags: ack, seq: 1001, ack: 501}) // at once: the peer's window may be small
	o.dataIn(501, cwr, wire.CE)
	o.want(segment{flags: ack | ece, seq: 1001, ack: 601}) // CWR, and a new mark
	o.dataIn(601, cwr, wire.NotECT)
	o.want(segment{flags: ack, seq: 1001, ack: 701})

	// Marks on segments without new data are ignored: they are outside the windows (RFC 3168 6.1.5).
	o.dataIn(601, 0, wire.CE)
	o.want(segment{flags: ack, seq: 1001, ack: 701})
	o.dataIn(70001, 0, wire.CE)
	o.want(segment{flags: ack, seq: 1001, ack: 701})
	irs := uint32(testIRS)
	o.c.Receive(o.now, &Segment{TCP: wire.TCP{Seq: irs + 701, Ack: testISS + 1, Flags: ack, Window: 65535}, ECN: wire.CE})
	o.nothing()
	// Marks on data out of order count.
	o.dataIn(801, 0, wire.CE)
	o.want(segment{flags: ack | ece, seq: 1001, ack: 701})
	// CWR counts only on a segment of the present window.
	o.dataIn(401, cwr, wire.ECT0)
	o.want(segment{flags: ack | ece, seq: 1001, ack: 701})
	if i := o.c.Info(o.now); i.CEReceived != 4 {
		t.Errorf("%d marks, want 4", i.CEReceived)
	}
}

// Without ECN agreed on, CE marks and ECE have no effect.
func TestECNNotAgreedOn(t *testing.T) {
	o := sackOne(t, Disabled)
	o.write(repeat(12000))
	for i := range int64(10) {
		o.sends(1+1000*i, ack, wire.NotECT)
	}
	o.sleep(100 * ms)
	o.marked(1001)
	o.sends(10001, ack, wire.NotECT)
	o.sends(11001, ack, wire.NotECT)
	o.wantReductions(11, 0)
	// After a loss no segment leaves alone to have CWR.
	o.ack(2001, 3001, 7001)
	o.burstEnds()
	o.ack(12001)
	o.write(repeat(5000))
	if !o.c.Transmit(o.now, 64000, &o.last) || o.last.Len < 2000 {
		t.Errorf("%d bytes", o.last.Len)
	}
	o.burstEnds()
	o.dataIn(1, 0, wire.CE)
	o.dataIn(101, cwr, wire.CE)
	o.want(segment{flags: ack, seq: 17001, ack: 201})
	if i := o.c.Info(o.now); i.ECN || i.CEReceived != 0 {
		t.Errorf("%+v", i)
	}
}

// The window is reduced once in a round trip, by the factor of RFC 8511, in proportion to arriving data. The next new
// data has CWR once, and no data is retransmitted.
//
// Shows: SHLD-8.
func TestECEReduces(t *testing.T) {
	for _, c := range []struct {
		control       CongestionControl
		first, second int64
	}{{CUBIC, 17, 14}, {Reno, 16, 12}} { // of 20 segments: 0.85 and 0.8 each time
		o := ecnOne(t, Config{CongestionControl: c.control})
		o.write(repeat(100_000))
		o.burst(10)
		o.sleep(100 * ms)
		o.ack(10001)
		o.burst(20)
		o.sleep(100 * ms)
		end := int64(30001) // end of the data in flight
		o.marked(11001)
		// One ACK in five or seven permits no new segment, until the window has reached its target.
		sent := 0
		for number := int64(11001); number <= end; number += 1000 {
			if number > 11001 {
				o.marked(number)
			}
			for o.c.Transmit(o.now, 1, &o.last) {
				if said := o.last.TCP.Flags.Has(cwr); said != (sent == 0) || o.last.ECN != wire.ECT0 || o.last.Note != NoteNone {
					t.Fatalf("segment %d since: %v, %v, %v", sent, o.last.TCP.Flags, o.last.ECN, o.last.Note)
				}
				sent++
				if most := (number-10001)/1000*c.first/20 + 1; int64(sent) > most {
					t.Errorf("%v: %d segments sent when %d had arrived", c.control, sent, (number-10001)/1000)
				}
			}
		}
		o.wantReductions(c.first, 1)
		if int64(sent) < c.first-1 {
			t.Errorf("%v: %d segments sent in the round trip, want about %d", c.control, sent, c.first)
		}
		// The data acknowledged from here on was sent after the reduction.
		o.marked(end + 1000)
		o.burstEnds()
		if w := o.c.active.cc.Window() / 1000; w != c.second || o.c.Info(o.now).ECEReductions != 2 {
			t.Errorf("%v: a window of %d segments after %d reductions", c.control, w, o.c.Info(o.now).ECEReductions)
		}
		if i := o.c.Info(o.now); i.Retransmitted != 0 || i.Timeouts != 0 {
			t.Errorf("%+v", i)
		}
	}
}

// burst sends all data, which must be n segments that may be marked.
func (o *endpoint) burst(n int) {
	o.t.Helper()
	for range n {
		if !o.c.Transmit(o.now, 1, &o.last) || o.last.ECN != wire.ECT0 || o.last.TCP.Flags.Has(cwr) {
			o.t.Fatalf("sent %v, %v", o.last.TCP.Flags, o.last.ECN)
		}
	}
	o.nothing()
}

// burstEnds sends all data.
func (o *endpoint) burstEnds() {
	o.t.Helper()
	for o.c.Transmit(o.now, 1, &o.last) {
		o.check()
	}
}

// An old ACK, and one with ECE for a mark that has already reduced the window, change nothing.
func TestECEOnce(t *testing.T) {
	o := ecnOne(t, Config{})
	o.write(repeat(100_000))
	o.burst(10)
	o.sleep(100 * ms)
	o.ack(5001)
	o.burst(10)
	o.marked(3001) // late
	o.wantReductions(15, 0)
	o.marked(5001) // a duplicate ACK with ECE
	o.wantReductions(12, 1)
	o.marked(6001)
	o.marked(15001) // all data sent
	o.wantReductions(12, 1)
	o.marked(15001)
	o.wantReductions(12, 1)
}

// Only the first segment of a GSO packet may have CWR, so it is sent as a single segment.
func TestCWRAndGSOPackets(t *testing.T) {
	o := ecnOne(t, Config{})
	o.write(repeat(100_000))
	if !o.c.Transmit(o.now, 64000, &o.last) || o.last.Len != 10000 || o.last.ECN != wire.ECT0 {
		t.Fatalf("%d bytes, %v", o.last.Len, o.last.ECN)
	}
	o.sleep(100 * ms)
	o.marked(10001)
	for i, want := range []int{1000, 7000} { // no data is in flight, so all of it leaves at once
		if !o.c.Transmit(o.now, 64000, &o.last) || o.last.Len != want || o.last.TCP.Flags.Has(cwr) != (i == 0) {
			t.Fatalf("%d: %d bytes, %v", i, o.last.Len, o.last.TCP.Flags)
		}
	}
}

// A loss and a mark in the same round trip cause one reduction, in either order (RFC 3168 6.1.2).
func TestLossAndMark(t *testing.T) {
	start := func() *endpoint {
		o := ecnOne(t, Config{})
		o.write(repeat(100_000))
		o.burst(10)
		o.sleep(100 * ms)
		return o
	}
	t.Run("loss first", func(t *testing.T) {
		o := start()
		o.ack(1, 1001, 4001)
		o.marked(1, 1001, 5001)
		o.wantReductions(7, 0)
		o.burstEnds()
		o.sleep(100 * ms)
		o.marked(9001)
		o.wantReductions(7, 0)
		end := int64(o.c.active.recovery.end)
		o.marked(end) // the episode is over, and this is still of its round trip
		if o.c.active.recovery.phase != noRecovery {
			t.Fatal("it is not over")
		}
		o.marked(end)
		o.wantReductions(7, 0)
	})
	t.Run("at once", func(t *testing.T) {
		o := start()
		o.marked(1, 1001, 4001)
		o.wantReductions(7, 0)
	})
	t.Run("mark first", func(t *testing.T) {
		o := start()
		o.marked(1001)
		o.burstEnds()
		o.wantReductions(8, 1) // 8.5
		o.marked(1001, 2001, 5001)
		if o.c.active.recovery.phase != fastRecovery {
			t.Fatal("the loss is not repaired")
		}
		o.wantReductions(8, 1)
		o.want(segment{flags: ack, seq: 1001, ack: 1, data: repeat(1000)})
		// Data sent after the reduction belongs to another round trip.
		o.burstEnds()
		o.sleep(100 * ms)
		o.ack(10001)
		o.burstEnds()
		if o.c.active.recovery.phase != noRecovery {
			t.Fatal("it does not end")
		}
		o.sleep(100 * ms)
		o.ack(10001, 11001, 15001)
		o.wantReductions(6, 1) // by 0.7, of a little more than 8.5
	})
	t.Run("timeout", func(t *testing.T) {
		o := start()
		o.marked(1001)
		o.burstEnds()
		for o.c.stats.Timeouts == 0 {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			o.burstEnds()
		}
		o.sleep(100 * ms)
		o.marked(2001) // still the report of before
		o.marked(3001)
		if i := o.c.Info(o.now); i.ECEReductions != 1 || i.CongestionWindow <= 1000 {
			t.Errorf("%d reductions, window %d: it does not grow after the timeout", i.ECEReductions, i.CongestionWindow)
		}
	})
}

// If the segments marked lost were only late, but a router has marked one of them with CE, the window is not restored.
func TestMarkIsNotUndone(t *testing.T) {
	for _, marked := range []bool{false, true} {
		o := ecnOne(t, Config{})
		o.write(repeat(100_000))
		o.burst(10)
		o.sleep(100 * ms)
		o.ack(1, 1001, 4001)
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
		if marked {
			o.marked(1, 1001, 5001)
		} else {
			o.ack(1, 1001, 5001)
		}
		o.sleep(10 * ms)
		o.ack(5001, 1, 1001) // a D-SACK: both copies have arrived
		if i := o.c.Info(o.now); i.Spurious != 1 || (i.CongestionWindow < 10000) != marked {
			t.Errorf("marked %v: window %d, spurious %d", marked, i.CongestionWindow, i.Spurious)
		}
		// Without a reduction there is no CWR.
		if !o.c.Transmit(o.now, 1, &o.last) || o.last.TCP.Flags.Has(cwr) != marked {
			t.Errorf("marked %v: %v", marked, o.last.TCP.Flags)
		}
	}
}

// A mark that is reported before the segments are marked lost has reduced the window already.
func TestMarkBeforeSpuriousLoss(t *testing.T) {
	o := ecnOne(t, Config{})
	o.write(repeat(100_000))
	o.burst(10)
	o.sleep(100 * ms)
	o.marked(1001)
	o.burstEnds()
	o.ack(1001, 2001, 5001)
	o.want(segment{flags: ack, seq: 1001, ack: 1, data: repeat(1000)})
	o.sleep(10 * ms)
	o.ack(5001, 1001, 2001)
	if i := o.c.Info(o.now); i.Spurious != 1 {
		t.Fatalf("%d episodes were found out", i.Spurious)
	}
	o.wantReductions(8, 1)
}

// While the window is being reduced it does not grow, with ECE or without.
func TestNoGrowthWhileReducing(t *testing.T) {
	o := ecnOne(t, Config{})
	o.write(repeat(100_000))
	o.burst(10)
	o.sleep(100 * ms)
	o.marked(1001)
	for number := int64(2001); number <= 9001; number += 1000 {
		o.burstEnds()
		o.ack(number)
		if w := o.c.Info(o.now).CongestionWindow; w != 8500 {
			t.Fatalf("window %d when %d has arrived", w, number)
		}
	}
	o.burstEnds()
	o.ack(17001)
	if w := o.c.Info(o.now).CongestionWindow; w <= 8500 {
		t.Errorf("window %d a round trip later", w)
	}
}

// After a tail probe that has repaired a loss, the next new data has CWR, as after any other loss.
func TestCWRAfterTailLoss(t *testing.T) {
	o := ecnOne(t, Config{})
	o.write(repeat(5000))
	o.burst(5)
	o.sleep(100 * ms)
	o.ack(4001)
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: ack, seq: 4001, ack: 1, data: repeat(1000)})
	o.sleep(100 * ms)
	o.ack(5001)
	o.write(repeat(1000))
	o.sends(5001, ack, wire.ECT0)
	o.sleep(100 * ms)
	o.ack(6001) // the D-SACK of another copy would have arrived by now
	o.write(repeat(1000))
	o.sends(6001, ack|cwr, wire.ECT0)
}

// A peer that sets ECE on every ACK reduces the window as far as RFC 8511 permits, to two segments in a round trip. It
// receives all data, and nothing is retransmitted.
func TestECEFlood(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno, BBR} {
		for _, sack := range []Feature{Enabled, Disabled} {
			o := ecnOne(t, Config{CongestionControl: control, SACK: sack, SendBuffer: 1 << 20})
			const total = 200_000
			o.write(repeat(total))
			got, rounds := int64(1), 0
			for ; got <= total && rounds < 2000; rounds++ {
				var ends []int64
				for o.c.Transmit(o.now, 1, &o.last) {
					o.check()
					end := int64(seq.Unwrap(testISS, o.c.snd.una, o.last.TCP.Seq)) + int64(o.last.Len)
					if end <= got {
						t.Fatalf("%v: %d was sent again", control, end)
					}
					ends = append(ends, end)
				}
				if len(ends) == 0 { // BBR's pacing waits for a timer
					o.now = o.c.Deadline()
					o.c.Advance(o.now)
					continue
				}
				o.sleep(100 * ms)
				o.c.Advance(o.now)
				for _, end := range ends {
					got = end
					o.marked(end)
				}
				if w := o.c.Info(o.now).CongestionWindow; w < 2000 {
					t.Fatalf("%v: a window of %d bytes", control, w)
				}
			}
			if i := o.c.Info(o.now); got <= total || i.Retransmitted > 0 || i.Timeouts > 0 || i.ECEReductions < 5 {
				t.Errorf("%v: %d bytes in %d round trips: %+v", control, got, rounds, i)
			}
		}
	}
}

// A window of one segment cannot become smaller. A mark then delays new data until a retransmission timeout has passed
// (RFC 3168 6.1.2).
func TestMarkOfASingleSegment(t *testing.T) {
	o := dialEndpoint(t, Config{ECN: ECNPassive, CongestionControl: Reno})
	e := NewHandshake(o.now, &o.cfg, testOpen(), &wire.TCP{Flags: syn | ece | cwr, Seq: testIRS, Window: 65535, Options: wire.Options{MSS: 1000}})
	e.Transmit(o.now, 1, &o.last)
	o.now = e.Deadline()
	e.Advance(o.now) // the SYN-ACK was lost: the window begins at one segment
	e.Transmit(o.now, 1, &o.last)
	first := Segment{TCP: wire.TCP{Flags: ack, Seq: testIRS + 1, Ack: testISS + 1, Window: 65535}}
	e.Receive(o.now, &first)
	o.c = e.Establish(o.now)
	o.c.Receive(o.now, &first)
	o.write(repeat(5000))
	o.sends(1, ack, wire.ECT0)
	o.nothing()
	o.sleep(100 * ms)
	o.marked(1001)
	o.nothing()
	o.wantReductions(1, 1)
	wait := o.c.Info(o.now).RTO
	if got := o.c.Deadline().Sub(o.now); got != wait {
		t.Fatalf("it waits for %v, the timeout is %v", got, wait)
	}
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.sends(1001, ack|cwr, wire.ECT0)
	o.sleep(100 * ms)
	o.ack(2001)
	o.sends(2001, ack, wire.ECT0)
	o.sends(3001, ack, wire.ECT0)
}
