package conn

import (
	"slices"
	"testing"
	"time"

	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// sackOne returns a connection with SACK, an MSS of 1000, a window of ten segments, and a round trip of 100 ms.
func sackOne(t *testing.T, timestamps Feature) *endpoint {
	t.Helper()
	o := newEndpoint(t, Config{MaxRTO: time.Minute, Timestamps: timestamps, WindowScale: Disabled, Pacing: Disabled})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	o.now = o.now.Add(100 * time.Millisecond)
	mss := uint16(1000)
	if timestamps == Enabled {
		mss += timestampsLen
	}
	o.in(segment{flags: syn | ack, ack: 1, options: o.echo(wire.Options{MSS: mss, SACKPermitted: true}, 0)})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	return o
}

// echo adds timestamps, if they were agreed on. They echo a segment sent age ago.
func (o *endpoint) echo(options wire.Options, age time.Duration) wire.Options {
	if o.c.timestamps {
		options.HasTimestamps = true
		options.TSVal, options.TSEcr = 1, o.c.clock(o.now.Add(-age))
	}
	return options
}

// ack receives an ACK with SACK blocks: start, end, start, end...
func (o *endpoint) ack(number int64, blocks ...int64) {
	o.t.Helper()
	var options wire.Options
	for i := 0; i < len(blocks); i += 2 {
		options.SACK[options.SACKCount] = wire.SACKBlock{
			Left: seq.Wire(testISS, seq.Offset(blocks[i])), Right: seq.Wire(testISS, seq.Offset(blocks[i+1]))}
		options.SACKCount++
	}
	o.in(segment{flags: ack, seq: 1, ack: number, options: o.echo(options, 100*time.Millisecond)})
}

// wantNumbers expects exactly these segments of 1000 bytes by their numbers; the last one may be shorter.
func (o *endpoint) wantNumbers(numbers ...int64) {
	o.t.Helper()
	var got []int64
	var out Outgoing
	for o.c.Transmit(o.now, 1, &out) {
		o.last = out
		got = append(got, int64(seq.Unwrap(testISS, o.c.snd.una, out.TCP.Seq)))
		o.check()
	}
	if len(got) != len(numbers) {
		o.t.Fatalf("sent %v, want %v", got, numbers)
	}
	for i := range got {
		if got[i] != numbers[i] {
			o.t.Fatalf("sent %v, want %v", got, numbers)
		}
	}
}

func (o *endpoint) sleep(d time.Duration) { o.now = o.now.Add(d) }

// tenSent returns the connection of sackOne with ten segments in flight, sent a round trip ago, and five more written.
func tenSent(t *testing.T, timestamps Feature) *endpoint {
	t.Helper()
	o := sackOne(t, timestamps)
	o.write(repeat(10000))
	o.wantNumbers(1, 1001, 2001, 3001, 4001, 5001, 6001, 7001, 8001, 9001)
	o.write(repeat(5000))
	o.nothing()
	o.sleep(100 * time.Millisecond)
	return o
}

// One lost segment is retransmitted after three later ones have arrived, and the window is reduced in proportion
// (RFC 8985 6.2, RFC 9937).
func TestOneLoss(t *testing.T) {
	o := tenSent(t, Disabled)
	o.write(repeat(20000))
	o.ack(1, 1001, 2001) // limited transmit: arriving data makes room (RFC 3042)
	o.wantNumbers(10001)
	o.ack(1, 1001, 3001)
	o.wantNumbers(11001)
	o.ack(1, 1001, 4001)
	o.wantNumbers(1)
	if o.last.Note != NoteFastRetransmission {
		t.Errorf("note %v", o.last.Note)
	}
	// Of the ACKs that follow, seven in ten permit a new segment until seven are in flight. After that each ACK does.
	sent := 0
	for end := int64(5001); end <= 10001; end += 1000 {
		o.sleep(time.Millisecond)
		o.ack(1, 1001, end)
		for o.c.Transmit(o.now, 1, &o.last) {
			sent++
		}
	}
	if sent != 4 { // of six
		t.Errorf("%d segments were sent meanwhile", sent)
	}
	o.sleep(100 * time.Millisecond)
	o.ack(15001)
	if o.c.active.recovery.phase != noRecovery || o.c.stats.Retransmitted != 1 || o.c.stats.Timeouts != 0 {
		t.Errorf("phase %v, %+v", o.c.active.recovery.phase, o.c.stats)
	}
	if w := o.c.Info(o.now).CongestionWindow; w < 7000 || w > 10000 {
		t.Errorf("window %d", w)
	}
}

// Several losses are repaired in one round trip, and a lost retransmission without a timeout.
func TestSeveralLosses(t *testing.T) {
	o := tenSent(t, Disabled)
	o.ack(1, 1001, 2001, 3001, 4001, 5001, 10001) // 1, 2001 and 4001 are lost
	if o.c.active.sent.Lost() != 3000 {
		t.Fatalf("%d bytes are taken for lost", o.c.active.sent.Lost())
	}
	var got []int64
	for o.c.Transmit(o.now, 1, &o.last) {
		got = append(got, int64(seq.Unwrap(testISS, 1, o.last.TCP.Seq)))
	}
	if len(got) < 3 || got[0] != 1 || got[1] != 2001 || got[2] != 4001 {
		t.Fatalf("sent %v, want 1, 2001, 4001 and perhaps more", got)
	}
	o.sleep(100 * time.Millisecond)
	// 2001 and 4001 arrive. 1 is lost again, since data that was sent after it has arrived.
	o.ack(1, 1001, 10001)
	o.sleep(30 * time.Millisecond) // a quarter of the round trip, in case they only changed places
	o.c.Advance(o.now)
	if o.c.active.sent.First().State() != scoreboard.Lost {
		o.ack(1, 1001, 10001)
	}
	o.c.Transmit(o.now, 1, &o.last)
	if n := int64(seq.Unwrap(testISS, 1, o.last.TCP.Seq)); n != 1 {
		t.Fatalf("sent %d, want 1 again", n)
	}
	if o.c.stats.Timeouts != 0 {
		t.Error("it took a timeout")
	}
}

// If the last segment is lost, no later segment causes an ACK that shows the loss. A tail probe is sent after two round
// trips, and the SACK in its ACK shows the loss (RFC 8985 7).
func TestTailLoss(t *testing.T) {
	o := sackOne(t, Disabled)
	o.write(repeat(4000))
	o.wantNumbers(1, 1001, 2001, 3001)
	o.sleep(100 * time.Millisecond)
	o.ack(2001)
	o.wait(190 * time.Millisecond)
	o.nothing()
	o.wait(30 * time.Millisecond)
	o.wantNumbers(3001)
	if o.last.Note != NoteTailRetransmission {
		t.Errorf("note %v", o.last.Note)
	}
	o.sleep(100 * time.Millisecond)
	o.ack(2001, 3001, 4001) // the probe has arrived, so data sent before it is lost
	o.wait(30 * time.Millisecond)
	o.wantNumbers(2001)
	o.sleep(100 * time.Millisecond)
	o.ack(4001)
	if s := o.c.stats; s.Timeouts != 0 || s.Retransmitted != 2 {
		t.Errorf("%+v", s)
	}
}

// A tail probe with new data is not followed by a second probe. If it gets no ACK, the retransmission timeout follows
// (RFC 8985 7.3).
func TestOneTailProbe(t *testing.T) {
	o := tenSent(t, Disabled)
	o.write(repeat(3000))
	o.wait(110 * time.Millisecond)
	o.wantNumbers(10001)
	if o.last.Note != NoteTailProbe {
		t.Fatalf("note %v", o.last.Note)
	}
	o.wait(260 * time.Millisecond)
	o.nothing()
	o.wait(50 * time.Millisecond)
	o.wantNumbers(1)
	if o.c.stats.Timeouts != 1 {
		t.Errorf("%d timeouts", o.c.stats.Timeouts)
	}
}

// A tail probe whose original has arrived does not reduce the congestion window. One that has repaired a loss does
// (RFC 8985 7.4).
func TestTailProbeOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		dsack   bool // the ACK has a D-SACK for the segment
		late    bool // the next one does
		reduced bool
	}{"needless": {true, false, false}, "needless, said later": {false, true, false}, "needed": {false, false, true}} {
		t.Run(name, func(t *testing.T) {
			o := sackOne(t, Disabled)
			o.write(repeat(2000))
			o.wantNumbers(1, 1001)
			o.wait(400 * time.Millisecond)
			o.wantNumbers(1001)
			o.sleep(100 * time.Millisecond)
			before := o.c.active.cc.Window()
			if c.dsack {
				o.ack(2001, 1001, 2001)
			} else {
				o.ack(2001)
			}
			if c.late {
				o.sleep(time.Millisecond)
				o.ack(2001, 1001, 2001)
			}
			o.write("more")
			o.wantNumbers(2001)
			o.sleep(100 * time.Millisecond)
			o.ack(2005)
			if reduced := o.c.active.cc.Window() < before; reduced != c.reduced {
				t.Errorf("window %d, before %d", o.c.active.cc.Window(), before)
			}
		})
	}
}

// A timeout is spurious if the ACK echoes a timestamp from before the retransmission. The window is then restored
// (RFC 3522).
func TestSpuriousTimeoutByTimestamp(t *testing.T) {
	o := tenSent(t, Enabled)
	before := o.c.Info(o.now).CongestionWindow
	o.wait(500 * time.Millisecond)
	if o.c.stats.Timeouts == 0 {
		o.wait(time.Second)
	}
	o.c.Transmit(o.now, 1, &o.last)
	if o.c.stats.Timeouts != 1 {
		t.Fatalf("%d timeouts", o.c.stats.Timeouts)
	}
	o.sleep(10 * time.Millisecond)
	o.in(segment{flags: ack, seq: 1, ack: 1001, options: o.echo(wire.Options{}, 700*time.Millisecond)}) // the original's
	if i := o.c.Info(o.now); i.Spurious != 1 || i.CongestionWindow < before || o.c.active.sent.Lost() != 0 || o.c.rtt.Backoff != 0 {
		t.Errorf("%d spurious, window %d of %d, %d lost", i.Spurious, i.CongestionWindow, before, o.c.active.sent.Lost())
	}
}

// An echo proves one timeout spurious. A middlebox that removes timestamps makes the peer repeat it (simulation seed
// 1687307).
func TestSpuriousTimeoutByRepeatedTimestamp(t *testing.T) {
	o := tenSent(t, Enabled)
	first := o.c.clock(o.now)
	for n := range int64(2) {
		for o.c.stats.Timeouts == uint64(n) {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			for o.c.Transmit(o.now, 1, &o.last) {
			}
		}
		o.sleep(100 * time.Millisecond)
		options := o.echo(wire.Options{}, 0)
		options.TSEcr = first
		o.in(segment{flags: ack, seq: 1, ack: 1001 + 1000*n, options: options})
		if got := o.c.Info(o.now).Spurious; got != 1 {
			t.Errorf("%d timeouts spurious after the ACK of %d segments, want 1", got, n+1)
		}
	}
}

// After a timeout, an ACK that echoes the time of the first copy measures a path that has become slow, unless it has a
// D-SACK. It is then the ACK of the second copy, and the length of the timeout would be measured (RFC 7323 4.3). It may
// be that of a peer that never sends D-SACKs, or of one whose SACK blocks a middlebox changes (simulation seed 200424).
func TestEchoAfterTimeout(t *testing.T) {
	never := wire.SACKBlock{Left: seq.Wire(testISS, 50_001), Right: seq.Wire(testISS, 51_001)} // data never sent
	empty := wire.SACKBlock{Left: seq.Wire(testISS, 1), Right: seq.Wire(testISS, 1)}
	for _, test := range []struct {
		reports  bool             // the peer has sent a D-SACK
		changed  []wire.SACKBlock // of an earlier ACK
		twice    bool             // the ACK has a D-SACK
		measures bool
	}{
		{reports: true, measures: true},
		{reports: true, twice: true},
		{},
		{reports: true, changed: []wire.SACKBlock{never}},
		{reports: true, changed: []wire.SACKBlock{empty}},
	} {
		o := sackOne(t, Enabled)
		if test.reports {
			o.c.stats.Duplicates = 1
		}
		if test.changed != nil {
			changed := o.echo(wire.Options{}, 0)
			changed.SACKCount = uint8(copy(changed.SACK[:], test.changed))
			o.in(segment{flags: ack, seq: 1, ack: 1, options: changed})
		}
		o.sleep(ms) // the ACK before echoed the present time
		o.write(repeat(1000))
		o.wantNumbers(1)
		sent := o.now
		for o.c.stats.Timeouts == 0 {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			o.c.Transmit(o.now, 1, &o.last) // a probe, and then again
		}
		o.sleep(200 * time.Millisecond)
		before := o.c.rtt.SRTT
		options := o.echo(wire.Options{}, o.now.Sub(sent))
		if test.twice {
			options.SACK[0], options.SACKCount = wire.SACKBlock{Left: seq.Wire(testISS, 1), Right: seq.Wire(testISS, 1001)}, 1
		}
		o.in(segment{flags: ack, seq: 1, ack: 1001, options: options})
		if longer := o.c.rtt.SRTT > before; longer != test.measures {
			t.Errorf("%+v: srtt %v, before %v", test, o.c.rtt.SRTT, before)
		}
	}
}

// The TSVal never decreases. On a path that reorders segments it stands still in an episode of recovery, so that the
// peer accepts the segments that a retransmission overtakes (RFC 7323 5.3); elsewhere it is the clock's.
func TestTimestampOfRetransmissions(t *testing.T) {
	for _, reordered := range []bool{false, true} {
		o := tenSent(t, Enabled)
		o.ack(1, 1001, 2001, 3001, 6001) // 1 and 2001 are lost
		first := o.c.clock(o.now)
		stamps := func() (all []uint32) {
			for o.c.Transmit(o.now, 1, &o.last) {
				all = append(all, o.last.TCP.Options.TSVal)
			}
			return all
		}
		all := stamps()
		for _, end := range []int64{7001, 8001, 9001, 10001} {
			o.sleep(5 * time.Millisecond)
			if reordered {
				o.c.reordering.Note() // as after a late original in the middle of an episode
			}
			o.ack(1, 1001, 2001, 3001, end)
			all = append(all, stamps()...)
		}
		want := first + 20
		if reordered {
			want = first
		}
		if len(all) < 3 || all[0] != first || all[len(all)-1] != want || !slices.IsSorted(all) {
			t.Errorf("reordered %v: TSVal %d, want from %d to %d", reordered, all, first, want)
		}
		o.sleep(100 * time.Millisecond)
		o.ack(int64(o.c.snd.nxt)) // the end of the episode
		o.write("x")
		if all = stamps(); len(all) == 0 || all[0] != o.c.clock(o.now) {
			t.Errorf("reordered %v: TSVal %d after the episode, the clock's is %d", reordered, all, o.c.clock(o.now))
		}
	}
}

// The TSVal stands still for a second at most. An echo of it measures a round trip only of data sent once.
func TestTimestampHold(t *testing.T) {
	o := tenSent(t, Enabled)
	o.c.reordering.Note()
	o.ack(1, 1001, 5001)
	o.wait(30 * time.Millisecond)
	o.drain()
	held := o.c.active.tsval.Last
	for _, c := range []struct {
		after time.Duration
		want  uint32
	}{{400 * ms, held}, {500 * ms, held}, {200 * ms, held + 1105}, {ms, held + 1105}} {
		o.sleep(c.after)
		if got := o.c.timestamp(o.now); got != c.want {
			t.Errorf("TSVal %d, want %d", got-held, c.want-held)
		}
		o.c.active.tsval.Last = o.c.timestamp(o.now)
	}
	s := Segment{TCP: wire.TCP{Options: wire.Options{HasTimestamps: true, TSEcr: held + 1105}}}
	for _, c := range []struct {
		delivered []scoreboard.Sent
		ok        bool
	}{{}, {delivered: []scoreboard.Sent{{Retransmitted: true}}}, {[]scoreboard.Sent{{Now: o.now - Time(70*ms)}}, true}} {
		a := arrival{Delivered: scoreboard.Delivered{Now: o.now}}
		for _, sent := range c.delivered {
			var q scoreboard.Queue
			q.Push(1, 2, &sent)
			q.Acknowledge(2, &a.Delivered)
		}
		if d, ok := o.c.echoedRTT(o.now, &s, &a); ok != c.ok || ok && d != 70*ms {
			t.Errorf("an echo of it measures %v, %v; want a measurement: %v", d, ok, c.ok)
		}
	}
}

// Without timestamps F-RTO detects a spurious timeout: two new segments follow the first ACK, and the next ACK
// acknowledges data that was sent once (RFC 5682).
func TestSpuriousTimeoutByFRTO(t *testing.T) {
	o := tenSent(t, Disabled)
	before := o.c.Info(o.now).CongestionWindow
	for o.c.stats.Timeouts == 0 {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		if o.c.stats.Timeouts == 0 {
			o.c.Transmit(o.now, 1, &o.last) // a tail probe
		}
	}
	o.wantNumbers(1)
	o.ack(1001)
	if n := o.next(); n < 10001 {
		t.Fatalf("sent %d, want something new", n)
	}
	o.ack(2001)
	if i := o.c.Info(o.now); i.Spurious != 1 || i.CongestionWindow < before || o.c.active.recovery.phase != noRecovery {
		t.Errorf("%d spurious, window %d of %d", i.Spurious, i.CongestionWindow, before)
	}
}

// next returns the number of the next segment.
func (o *endpoint) next() int64 {
	o.t.Helper()
	if !o.c.Transmit(o.now, 1, &o.last) {
		o.t.Fatal("sent nothing")
	}
	return int64(seq.Unwrap(testISS, o.c.snd.una, o.last.TCP.Seq))
}

// A true timeout is not undone: the second ACK repeats the first.
func TestTrueTimeout(t *testing.T) {
	o := tenSent(t, Disabled)
	for o.c.stats.Timeouts == 0 {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		if o.c.stats.Timeouts == 0 {
			o.c.Transmit(o.now, 1, &o.last)
		}
	}
	o.wantNumbers(1)
	o.sleep(100 * time.Millisecond)
	o.ack(1001)
	for o.c.Transmit(o.now, 1, &o.last) {
	}
	o.sleep(100 * time.Millisecond)
	o.ack(1001, 12001, 13001)
	if n := o.next(); n != 1001 {
		t.Errorf("sent %d, want 1001", n)
	}
	if o.c.stats.Spurious != 0 {
		t.Error("undone")
	}
}

// If the peer reports with D-SACK that all retransmissions were duplicates, the reduction of the congestion window is
// undone and the reordering window grows (RFC 2883, RFC 3708).
func TestUndoByDSACK(t *testing.T) {
	o := tenSent(t, Disabled)
	before := o.c.Info(o.now).CongestionWindow
	o.ack(1, 1001, 4001)
	for o.c.Transmit(o.now, 1, &o.last) {
	}
	if o.c.active.recovery.phase != fastRecovery {
		t.Fatal("no episode")
	}
	o.sleep(time.Millisecond)
	o.ack(4001)
	o.sleep(99 * time.Millisecond)
	o.ack(10001, 1, 1001)
	if i := o.c.Info(o.now); i.Spurious != 1 || i.CongestionWindow < before {
		t.Errorf("%d spurious, window %d of %d", i.Spurious, i.CongestionWindow, before)
	}
	if w := o.c.reordering.Window(time.Second, time.Hour); w != time.Second/2 || o.c.reordering.Seen == 0 {
		t.Errorf("the window for reordering is %v of a round trip of 1 s, want 500 ms", w)
	}
}

// A peer may discard data that it has reported with SACK. The data is retransmitted after a timeout (RFC 2018 8).
func TestReneging(t *testing.T) {
	o := tenSent(t, Disabled)
	o.ack(1, 1001, 10001)
	o.ack(2001, 3001, 10001) // 2001 was reported before, and is now missing
	if o.c.active.sent.First().State() != scoreboard.SACKed {
		t.Fatal("the test is wrong")
	}
	for range 200 {
		if o.c.snd.una != 2001 {
			break
		}
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		for o.c.Transmit(o.now, 1, &o.last) {
			if seq.Unwrap(testISS, 1, o.last.TCP.Seq) == 2001 && o.last.Len > 0 {
				return
			}
		}
	}
	t.Error("2001 was never sent again")
}

// Impossible SACK blocks have no effect.
func TestAbsurdSACKs(t *testing.T) {
	for name, blocks := range map[string][]int64{
		"never sent":   {10001, 20001},
		"half of it":   {5001, 20001},
		"upside down":  {4001, 2001},
		"empty":        {2001, 2001},
		"before all":   {-5000, -2000},
		"half before":  {-5000, 0},
		"far away":     {1 << 30, 1<<30 + 1000},
		"twice, never": {5001, 20001, 4001, 30001},
	} {
		o := tenSent(t, Disabled)
		o.ack(1, blocks...)
		if o.c.active.sent.SACKed() != 0 || o.c.active.sent.Lost() != 0 || o.c.stats.Spurious != 0 {
			t.Errorf("%s: %d sacked, %d lost", name, o.c.active.sent.SACKed(), o.c.active.sent.Lost())
		}
	}
}

// D-SACKs for data that was never sent twice neither widen the reordering window beyond a round trip nor undo a
// reduction.
func TestDSACKFlood(t *testing.T) {
	o := tenSent(t, Disabled)
	for range 1000 {
		o.ack(1001, 1, 1001)
		for o.c.Transmit(o.now, 1, &o.last) {
		}
		o.sleep(time.Millisecond)
	}
	if w := o.c.reorderWindow(); w > o.c.rtt.SRTT {
		t.Errorf("the window for reordering is %v", w)
	}
	if o.c.stats.Spurious != 0 {
		t.Error("something was undone")
	}
}

// Duplicate data is reported first (RFC 2883 4).
func TestSendsDSACK(t *testing.T) {
	o := sackOne(t, Disabled)
	blocks := func(want ...int64) {
		t.Helper()
		if !o.c.Transmit(o.now, 1, &o.last) {
			t.Fatal("no ACK")
		}
		var got []int64
		for _, b := range o.last.TCP.Options.SACK[:o.last.TCP.Options.SACKCount] {
			got = append(got, int64(b.Left-testIRS), int64(b.Right-testIRS))
		}
		if len(got) != len(want) {
			t.Fatalf("SACK %v, want %v", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("SACK %v, want %v", got, want)
			}
		}
	}
	in := func(at int64, n int) { o.in(segment{flags: ack, seq: at, ack: 1, data: repeat(n)}) }
	in(1, 500)
	in(501, 500) // every second
	blocks()
	in(1, 500)
	blocks(1, 501)
	in(501, 1000) // half of it is new
	o.wait(40 * time.Millisecond)
	blocks(501, 1001)
	in(2501, 500)
	blocks(2501, 3001)
	in(2601, 100)
	blocks(2601, 2701, 2501, 3001)
	in(3501, 500)
	blocks(3501, 4001, 2501, 3001) // reported once only
}

// After a pause longer than the retransmission timeout, the congestion window restarts at the initial window. It grows
// in slow start to near its former size (RFC 5681 4.1).
func TestIdleRestart(t *testing.T) {
	for _, pause := range []time.Duration{100 * time.Millisecond, time.Second} {
		o := tenSent(t, Disabled)
		o.ack(10001)
		for o.c.Transmit(o.now, 1, &o.last) {
		}
		o.sleep(100 * time.Millisecond)
		o.ack(15001)
		before := o.c.active.cc.Window()
		if before <= 10000 {
			t.Fatalf("the window has not grown: %d", before)
		}
		o.sleep(pause)
		o.write(repeat(30000))
		n := int64(0)
		for o.c.Transmit(o.now, 1, &o.last) {
			n += int64(o.last.Len)
		}
		want := before / 1000 * 1000
		if pause == time.Second {
			want = 10000
		}
		if n != want {
			t.Errorf("after %v: %d bytes at once, want %d; the window was %d", pause, n, want, before)
		}
	}
}

// An episode may begin while a retransmission of the episode before is in flight. The ACK of that retransmission echoes
// a timestamp from before the first retransmission of the new episode, and does not prove it spurious (RFC 3522 3.2).
func TestRetransmissionOfTheEpisodeBefore(t *testing.T) {
	o := tenSent(t, Enabled)
	o.write(repeat(30000))
	next := func(want int64) {
		t.Helper()
		for {
			if n := o.next(); n == want {
				return
			}
		}
	}
	o.ack(1, 1001, 4001) // the first is lost
	next(1)
	for end := int64(5001); end <= 10001; end += 1000 {
		o.ack(1, 1001, end)
		o.drain()
	}
	o.sleep(100 * time.Millisecond)
	o.ack(1, 11001, 12001, 1001, 10001) // one that was sent meanwhile, too
	next(10001)
	o.ack(10001, 11001, 12001) // the end of the episode
	if o.c.active.recovery.phase != noRecovery || o.c.stats.Spurious != 0 {
		t.Fatalf("phase %v, %d spurious", o.c.active.recovery.phase, o.c.stats.Spurious)
	}
	o.sleep(50 * time.Millisecond)
	o.ack(10001, 13001, 14001, 11001, 12001) // one more
	o.wait(30 * time.Millisecond)
	next(12001)
	o.sleep(20 * time.Millisecond)
	o.ack(12001, 13001, 14001)
	if o.c.active.recovery.phase != fastRecovery || o.c.stats.Spurious != 0 {
		t.Errorf("phase %v, %d spurious", o.c.active.recovery.phase, o.c.stats.Spurious)
	}
}

// A timeout in fast recovery has the same cause as the loss before it, so the slow start threshold is reduced once.
func TestTimeoutInFastRecovery(t *testing.T) {
	o := tenSent(t, Disabled)
	o.ack(1, 1001, 5001)
	o.drain()
	threshold := o.c.active.cc.SlowStartThreshold()
	if o.c.active.recovery.phase != fastRecovery {
		t.Fatalf("phase %v", o.c.active.recovery.phase)
	}
	for o.c.stats.Timeouts == 0 {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
	}
	if w, s := o.c.active.cc.Window(), o.c.active.cc.SlowStartThreshold(); w != 1000+o.c.pipe() || s != threshold {
		t.Errorf("window %d with %d on their way, threshold %d, before %d", w, o.c.pipe(), s, threshold)
	}
	if n := o.drain(); n != 1000 || o.c.active.sent.First().State() != scoreboard.InFlight {
		t.Errorf("%d bytes were sent again", n)
	}
}

// If a segment that was marked lost is acknowledged before the pacer permits its retransmission, it was not lost and
// the reduction is undone.
func TestReorderingBeforeRetransmission(t *testing.T) {
	o := sackOne(t, Disabled)
	o.cfg.Pacing = Enabled
	o.write(repeat(30000))
	o.drain()
	o.sleep(100 * time.Millisecond)
	before := o.c.active.cc.Window()
	o.ack(1, 1001, 4001)
	if o.c.active.recovery.phase != fastRecovery || o.c.active.cc.Window() >= before {
		t.Fatalf("phase %v, window %d", o.c.active.recovery.phase, o.c.active.cc.Window())
	}
	o.ack(4001)
	if i := o.c.Info(o.now); o.c.active.recovery.phase != noRecovery || i.CongestionWindow < before || i.Spurious != 1 || i.Retransmitted != 0 {
		t.Errorf("phase %v, window %d of %d, %+v", o.c.active.recovery.phase, i.CongestionWindow, before, i.Counts)
	}
}

// A D-SACK for a segment that was sent once, which the network has duplicated, does not prove an episode spurious.
func TestDuplicateOfTheNetwork(t *testing.T) {
	o := tenSent(t, Disabled)
	o.ack(1, 1001, 4001)
	o.drain()
	o.ack(1, 1001, 2001, 1001, 5001) // the second has arrived twice
	if o.c.active.recovery.phase != fastRecovery || o.c.stats.Spurious != 0 {
		t.Errorf("phase %v, %d spurious", o.c.active.recovery.phase, o.c.stats.Spurious)
	}
	o.sleep(100 * time.Millisecond)
	o.ack(10001, 1, 1001) // and now the first
	if o.c.stats.Spurious != 1 {
		t.Errorf("%d spurious", o.c.stats.Spurious)
	}
}
