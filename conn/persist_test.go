package conn

import (
	"testing"

	"minitcp/conn/wire"
)

// Shows: MUST-36.
func TestZeroWindowProbe(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("hello")
	o.nothing()
	for range 4 {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "h"})
		if o.last.Note != NoteWindowProbe {
			t.Errorf("note %v", o.last.Note)
		}
		o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
		o.nothing()
	}
	o.in(segment{flags: ack, seq: 1, ack: 2, window: 1000}) // the byte got in
	o.want(segment{flags: ack, seq: 2, ack: 1, data: "ello"})
}

// An ACK without data that begins before RCV.NXT counts while the peer's window has shrunk below SND.MAX, and only
// then: the peer numbers its segments from the edge of our window, which has shrunk below its own SND.MAX.
func TestBothWindowsShrank(t *testing.T) {
	for _, shrunk := range []bool{true, false} {
		o := established(t, Config{})
		o.write(string(make([]byte, 3*1460)))
		for o.c.Transmit(o.now, 1, &o.last) {
		}
		o.in(segment{flags: wire.ACK, seq: 1, ack: 1, data: "hello"})
		o.read("hello", nil)
		inFlight := int64(3 * 1460)
		if shrunk {
			o.in(segment{flags: wire.ACK, seq: 6, ack: 1461, window: 100})
			inFlight -= 1460
		}
		if got := o.c.Info(o.now).InFlight; got != inFlight {
			t.Fatalf("%d bytes in flight, want %d", got, inFlight)
		}
		if v := o.in(segment{flags: wire.ACK, seq: 3, ack: 3*1460 + 1}); v != VerdictDuplicate {
			t.Errorf("the verdict is %v", v)
		}
		if shrunk {
			inFlight = 0
		}
		if got := o.c.Info(o.now).InFlight; got != inFlight {
			t.Errorf("the window has shrunk: %v; %d bytes in flight after the ACK, want %d", shrunk, got, inFlight)
		}
	}
}

// Both ends probe each other's closed window, and both accept the byte. The peer's next segments begin one byte too
// early, but acknowledge our byte.
func TestCrossedProbes(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("hello")
	o.nothing()
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "h"})
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "x", window: -1})
	o.c.Advance(o.c.Deadline()) // a delayed ACK
	o.want(segment{flags: ack, seq: 1, ack: 2})
	o.in(segment{flags: ack, seq: 1, ack: 2, window: 1000})
	if o.c.snd.una != 2 {
		t.Fatalf("SND.UNA %d, want 2", o.c.snd.una)
	}
	o.in(segment{flags: ack, seq: 2, ack: 2, window: 1000})
	o.want(segment{flags: ack, seq: 2, ack: 2, data: "ello"})
}

// The peer probes our window, and this end accepts the byte. An ACK that the peer sent after its probe begins before
// that byte, and acknowledges our data nevertheless. An ACK that begins at the FIN that this end has taken is old.
func TestACKAfterProbe(t *testing.T) {
	for _, fin := range []bool{false, true} {
		o := established(t, Config{})
		o.write("hello")
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "hello"})
		want := int64(0)
		if fin {
			o.in(segment{flags: ack | wire.FIN, seq: 1, ack: 1, window: 1000})
			want = 5
		} else {
			o.in(segment{flags: ack, seq: 1, ack: 1, data: "x", window: 1000})
		}
		if v := o.in(segment{flags: ack, seq: 1, ack: 6, window: 1000}); v != VerdictDuplicate {
			t.Errorf("FIN %v: the verdict is %v", fin, v)
		}
		if got := o.c.Info(o.now).InFlight; got != want {
			t.Errorf("FIN %v: %d bytes in flight, want %d", fin, got, want)
		}
	}
}

// The peer shrinks its window. Data outside it is neither sent nor timed out (SHLD-15 to SHLD-17).
//
// Shows: MUST-34, SHLD-16.
func TestShrunkWindow(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(4000))
	for _, n := range []int{1460, 1460, 1080} {
		o.want(segment{flags: ack, seq: int64(o.c.snd.nxt), ack: 1, data: repeat(n)})
	}
	o.in(segment{flags: ack, seq: 1, ack: 1461, window: 1000})
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: ack, seq: 1461, ack: 1, data: repeat(1000)})
	o.nothing()
}

// When the window opens, the backoff of the probes ends. That of the timeouts before it does not (Karn's algorithm).
func TestBackoffAfterClosedWindow(t *testing.T) {
	for _, timeouts := range []uint8{0, 1} {
		o := established(t, Config{})
		o.write("hello")
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "hello"})
		for o.c.rtt.Backoff < timeouts {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			o.want(segment{flags: ack, seq: 1, ack: 1, data: "hello"})
		}
		o.write("world")
		o.c.Transmit(o.now, 1, &o.last)
		o.in(segment{flags: ack, seq: 1, ack: 6, window: -1})
		for range 3 {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			o.c.Transmit(o.now, 1, &o.last)
		}
		if o.c.rtt.Backoff <= timeouts {
			t.Errorf("%d timeouts: backoff %d after probes", timeouts, o.c.rtt.Backoff)
		}
		o.in(segment{flags: ack, seq: 1, ack: 6, window: 1000})
		if o.c.rtt.Backoff != timeouts {
			t.Errorf("%d timeouts: backoff %d when the window has opened", timeouts, o.c.rtt.Backoff)
		}
	}
}
