package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

func TestFastRetransmitWithoutSACK(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(14600))
	for i := range 10 {
		o.want(segment{flags: ack, seq: 1 + 1460*int64(i), ack: 1, data: repeat(1460)})
	}
	o.nothing()
	// The first and the third are lost.
	for range 2 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
		o.nothing()
	}
	o.in(segment{flags: ack, seq: 1, ack: 1})
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
	if o.last.Note != NoteFastRetransmission {
		t.Errorf("note %v", o.last.Note)
	}
	o.nothing()
	for range 5 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
	}
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 1 + 2*1460}) // partial
	o.want(segment{flags: ack, seq: 1 + 2*1460, ack: 1, data: repeat(1460)})
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 14601})
	if i := o.c.Info(o.now); i.SlowStartThreshold != 14600*7/10 || i.Timeouts != 0 || i.Retransmitted != 2 {
		t.Errorf("ssthresh %d, timeouts %d, retransmitted %d", i.SlowStartThreshold, i.Timeouts, i.Retransmitted)
	}
}

// Needless retransmissions cause duplicate ACKs at the end of an episode. They begin no other episode until more than
// its data is acknowledged (RFC 6582 3.2).
func TestDuplicatesAfterEpisode(t *testing.T) {
	o := established(t, Config{})
	for _, episode := range []bool{true, false, true} {
		start := int64(o.c.snd.nxt)
		o.write(repeat(7300))
		for i := range int64(5) {
			o.want(segment{flags: ack, seq: start + 1460*i, ack: 1, data: repeat(1460)})
		}
		for range 3 {
			o.in(segment{flags: ack, seq: 1, ack: start})
		}
		if episode {
			o.want(segment{flags: ack, seq: start, ack: 1, data: repeat(1460)})
		}
		o.nothing()
		o.in(segment{flags: ack, seq: 1, ack: start + 7300})
	}
}

// lateOne returns a connection without SACK over a path of 100 ms that has ten segments of 1000 bytes in flight and,
// after three duplicate ACKs, has sent the first of them again.
func lateOne(t *testing.T, timestamps Feature) *endpoint {
	t.Helper()
	o := sackOne(t, timestamps)
	o.c.sack = false
	o.write(repeat(10_000))
	o.wantNumbers(1, 1001, 2001, 3001, 4001, 5001, 6001, 7001, 8001, 9001)
	o.sleep(100 * ms)
	o.ack(1)
	o.ack(1)
	o.ack(1)
	o.wantNumbers(1)
	return o
}

// An ACK of a retransmission that arrives long before the shortest round trip has passed is that of the original. No
// other segment is sent again, and the window is as before. A later ACK is that of the retransmission, and the next
// segment is sent again (RFC 6582 3.2).
func TestEarlyACKOfRetransmission(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		undo  uint64
	}{{0, 1}, {49 * ms, 1}, {51 * ms, 0}, {100 * ms, 0}} {
		o := lateOne(t, Disabled)
		o.sleep(c.after)
		o.ack(1001)
		if c.undo == 0 {
			o.wantNumbers(1001)
		}
		o.nothing()
		if i := o.c.Info(o.now); i.Spurious != c.undo || c.undo > 0 && i.CongestionWindow < 10_000 {
			t.Errorf("ACK after %v: %d undone, window %d", c.after, i.Spurious, i.CongestionWindow)
		}
		for n := int64(2001); n <= 10_001 && c.undo > 0; n += 1000 {
			o.ack(n)
			o.nothing()
		}
	}
}

// After a timeout it may be that of the retransmission, as the path may have become shorter: recovery goes on.
func TestEarlyACKAfterTimeout(t *testing.T) {
	for _, timestamps := range []Feature{Enabled, Disabled} {
		o := sackOne(t, timestamps)
		o.c.sack = false
		o.write(repeat(3000))
		o.timeout()
		o.wantNumbers(1)
		o.sleep(ms)
		o.in(segment{flags: ack, seq: 1, ack: 1001, options: o.echo(wire.Options{}, ms)})
		o.wantNumbers(1001, 2001)
		if i := o.c.Info(o.now); i.Spurious != 0 {
			t.Errorf("timestamps %v: %d undone", timestamps, i.Spurious)
		}
	}
}

// After an episode that was undone, duplicate ACKs for data sent before its end cause a fast retransmit (RFC 5682 2.1,
// step 3b), unless its own retransmissions may have caused them.
func TestDuplicatesAfterUndo(t *testing.T) {
	o := lateOne(t, Disabled)
	o.ack(1001)
	for range 2 {
		o.ack(1001)
		o.nothing()
	}
	o.ack(1001)
	o.wantNumbers(1001)
	if o.last.Note != NoteFastRetransmission {
		t.Errorf("note %v", o.last.Note)
	}

	o = lateOne(t, Enabled)
	for _, n := range []int64{1001, 2001} { // of earlier retransmissions
		o.sleep(100 * ms)
		o.ack(n)
		o.wantNumbers(n)
	}
	o.c.active.undo.Armed = true
	o.c.undoEpisode(o.now, weakProof)
	for range 4 {
		o.ack(2001)
	}
	o.nothing()
}

// After a timeout without SACK, data that had arrived before it does not count for congestion control (RFC 3465 2.3):
// the window grows by the segment that was sent again.
func TestWindowAfterTimeoutWithoutSACK(t *testing.T) {
	for _, control := range []CongestionControl{Reno, CUBIC} {
		o := sackOne(t, Disabled)
		o.c.sack = false
		o.c.SetCongestionControl(control)
		o.write(repeat(10_000))
		o.timeout()
		o.wantNumbers(1)
		o.sleep(100 * ms)
		o.ack(8001)
		if w := o.c.active.cc.Window(); w != 2000 {
			t.Errorf("%v: window %d, want 2000", control, w)
		}
		o.wantNumbers(8001, 9001) // there is no new data for F-RTO
	}
}

// Retransmissions that follow the new segments of F-RTO may cause duplicate ACKs of these. They begin no episode.
func TestDuplicatesAfterFRTO(t *testing.T) {
	o := sackOne(t, Disabled)
	o.c.sack = false
	o.write(repeat(10_000))
	o.timeout() // the first, and the fourth of the segments are lost
	o.wantNumbers(1)
	o.sleep(100 * ms)
	o.write(repeat(2000))
	o.ack(3001)
	o.wantNumbers(10_001, 11_001)
	o.sleep(100 * ms)
	o.ack(3001)
	o.wantNumbers(3001)
	o.ack(3001)
	o.sleep(100 * ms)
	o.ack(4001)
	o.wantNumbers(4001)
	o.sleep(100 * ms)
	o.ack(12_001)
	o.write(repeat(4000))
	o.drain()
	for range 3 {
		o.ack(12_001)
	}
	o.nothing()
}

// Without SACK, a segment that has waited behind a lost one gives no RTT sample, although it was sent once.
func TestNoRTTOfWaitingSegments(t *testing.T) {
	o := sackOne(t, Enabled)
	o.c.sack = false
	o.c.reordering.Note() // the TSVal is constant during recovery
	o.write(repeat(3000))
	o.timeout()
	o.wantNumbers(1)
	o.sleep(10 * ms)
	o.c.acknowledgeNow(NoteNone)
	o.drain()
	o.sleep(50 * ms) // a short segment takes less time than those measured
	options := o.last.TCP.Options
	options.TSVal, options.TSEcr = 2, options.TSVal
	o.in(segment{flags: ack, seq: 1, ack: 3001, options: options})
	if o.c.rtt.SRTT != 100*ms {
		t.Errorf("the smoothed round trip is %v, want 100ms", o.c.rtt.SRTT)
	}
}
