package conn

import (
	"testing"
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// flood acknowledges two segments at a time until n bytes are in flight at once, or reports that they never are.
func (o *endpoint) flood(n int) bool {
	for range 1000 {
		for o.c.Transmit(o.now, 1<<20, &o.last) {
		}
		in := o.c.Info(o.now).InFlight
		if in >= int64(n) {
			return true
		}
		o.in(segment{flags: ack, seq: 1, ack: int64(o.c.snd.una) + min(2*1460, in)})
	}
	return false
}

// A window of more than 32767 bytes is not a negative one, theirs nor ours.
//
// Shows: MUST-1.
func TestWindowIsUnsigned(t *testing.T) {
	o := established(t, Config{SendBuffer: 1 << 20})
	o.write(repeat(1 << 20))
	if !o.flood(64000) {
		t.Errorf("of a window of 65535 bytes only %d are used", o.c.Info(o.now).InFlight)
	}
	o = established(t, Config{})
	if v := o.in(segment{flags: ack, seq: 60000, ack: 1, data: "x"}); v != VerdictOutOfOrder || o.c.Info(o.now).OutOfOrderBytes != 1 {
		t.Errorf("inside a window of 65535 bytes, byte 60000 is %v", v)
	}
}

// A window of a gigabyte, the largest there is, is offered and used whole.
//
// Shows: REC-1.
func TestLargestWindow(t *testing.T) {
	cfg := modern
	cfg.ReceiveBuffer = maxBuffer
	o := opened(t, cfg, testOpen(), wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 14})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: 65535})
	o.write("x")
	o.c.Transmit(o.now, 1, &o.last)
	if got := o.c.snd.wnd.Edge - o.c.snd.una; got != 65535<<14 {
		t.Errorf("the peer's window is %d bytes, want %d", got, 65535<<14)
	}
	if got := int(o.last.TCP.Window) << o.c.rcv.scale; got < maxBuffer-1<<14 {
		t.Errorf("ours is %d bytes, want about %d", got, maxBuffer)
	}
}

// A receiver's buffer becomes smaller: the window it has offered stays open.
//
// Shows: SHLD-14.
func TestWindowIsNotTakenBack(t *testing.T) {
	o := established(t, Config{})
	edge := func() seq.Offset {
		o.in(segment{flags: ack, seq: 0, ack: 1}) // old: it is answered
		if !o.c.Transmit(o.now, 1, &o.last) {
			t.Fatal("no answer")
		}
		return o.c.rcv.nxt() + seq.Offset(o.last.TCP.Window)
	}
	before := edge()
	o.c.SetReceiveBuffer(minBuffer)
	if after := edge(); after != before {
		t.Errorf("the window's edge went from %d to %d", before, after)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
	if after := edge(); after != before {
		t.Errorf("with data unread, the window's edge went from %d to %d", before, after)
	}
	if v := o.in(segment{flags: ack, seq: 1461, ack: 1, data: repeat(1460)}); v != VerdictAccepted {
		t.Errorf("data inside the window it had been offered is %v", v)
	}
}

// Accepted data was offered: the field has units of 128 bytes and cannot express the end of a buffer of 3000, and data
// beyond the end that it does express is refused.
func TestWindowEndsWhereItSays(t *testing.T) {
	cfg := modern
	cfg.ReceiveBuffer = 3000
	o := opened(t, cfg, testOpen(), wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7, SACKPermitted: true})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: 1000})
	at, offered := int64(1), int64(3001) // by the SYN, whose window is not scaled
	for n := int64(40); n < 140; n++ {
		o.in(segment{flags: ack, seq: at, ack: 1, window: 1000, data: repeat(int(n))})
		at += n
		if n%16 == 0 {
			o.c.Read(make([]byte, 3000))
		}
		o.c.acknowledgeNow(NoteNone)
		o.c.Transmit(o.now, 1, &o.last)
		offered = max(offered, at+int64(o.last.TCP.Window)<<o.c.rcv.scale)
		if edge := int64(o.c.rcv.wnd.Edge); edge != offered {
			t.Fatalf("offers up to %d, takes up to %d", offered, edge)
		}
	}
	if offered < at {
		t.Errorf("stopped at %d", offered)
	}
}

// Reading a few bytes at a time does not offer a few bytes at a time.
//
// Shows: MUST-39.
func TestReceiverAvoidsSillyWindows(t *testing.T) {
	o := established(t, Config{ReceiveBuffer: 4096})
	for at := int64(1); at < 4097; at += 1024 {
		o.in(segment{flags: ack, seq: at, ack: 1, data: repeat(1024)})
	}
	o.want(segment{flags: ack, seq: 1, ack: 4097})
	if o.last.TCP.Window != 0 {
		t.Fatalf("window %d, want 0", o.last.TCP.Window)
	}
	buf := make([]byte, 100)
	for read := 100; read <= 1400; read += 100 {
		_, _ = o.c.Read(buf)
		o.nothing()
		o.in(segment{flags: ack, seq: 4097, ack: 1, data: "x"}) // a probe
		o.want(segment{flags: ack, seq: 1, ack: 4097})
		if o.last.TCP.Window != 0 {
			t.Fatalf("with %d bytes of room the window is %d", read, o.last.TCP.Window)
		}
	}
	_, _ = o.c.Read(buf)
	o.want(segment{flags: ack, seq: 1, ack: 4097})
	if o.last.TCP.Window != 1500 || o.last.Note != NoteWindowUpdate {
		t.Errorf("a full segment fits: window %d (%v), want 1500", o.last.TCP.Window, o.last.Note)
	}
}

// Into a window that opens by a few bytes nothing is sent, until half of the largest window there was is open, or for
// too long nothing was.
//
// Shows: MUST-38, MUST-60.
func TestSenderAvoidsSillyWindows(t *testing.T) {
	small := func(t *testing.T) *endpoint {
		o := newEndpoint(t, Config{})
		o.c = Dial(o.now, &o.cfg, testOpen())
		o.want(segment{flags: syn})
		o.in(segment{flags: syn | ack, ack: 1, window: 1000, options: wire.Options{MSS: 1460}})
		o.want(segment{flags: ack, seq: 1, ack: 1})
		o.write(repeat(5000))
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
		o.nothing()
		o.in(segment{flags: ack, seq: 1, ack: 1001, window: 100})
		o.nothing()
		return o
	}
	t.Run("half", func(t *testing.T) {
		o := small(t)
		o.in(segment{flags: ack, seq: 1, ack: 1001, window: 499})
		o.nothing()
		o.in(segment{flags: ack, seq: 1, ack: 1001, window: 500})
		o.want(segment{flags: ack, seq: 1001, ack: 1, data: repeat(500)})
	})
	t.Run("override", func(t *testing.T) {
		o := small(t)
		begin := o.now
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: 1001, ack: 1, data: repeat(100)})
		if d := o.now.Sub(begin); d < 100*time.Millisecond || d > time.Second {
			t.Errorf("after %v, want 0.1 to 1 s (RFC 9293 3.8.6.2.1)", d)
		}
	})
}

// probes runs without replies from the peer, and returns the times of n probes of the byte at at.
func (o *endpoint) probes(n int, at int64) []time.Duration {
	o.t.Helper()
	begin := o.now
	var times []time.Duration
	for range n {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: at, ack: 1, data: "x"})
		if o.last.Note != NoteWindowProbe {
			o.t.Errorf("note %v", o.last.Note)
		}
		o.nothing()
		times = append(times, o.now.Sub(begin))
	}
	return times
}

// The first probe follows after a retransmission timeout, the next after twice that time, and so on.
//
// Shows: MUST-36, SHLD-29, SHLD-30.
func TestProbeTimes(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	rto := o.c.Info(o.now).RTO
	o.write(repeat(3000))
	o.nothing()
	for i, at := range o.probes(5, 1) {
		if want := rto * time.Duration(1<<(i+1)-1); at != want {
			t.Errorf("probe %d after %v, want %v", i+1, at, want)
		}
	}
}

// The peer shrinks its window while data is in flight. Data outside is not sent again, nor is new data, while data
// inside is. The connection stays open while the peer replies, even when the interval of probes exceeds R2.
//
// Shows: MUST-34, MUST-37, SHLD-15, SHLD-16, SHLD-17.
func TestWindowTakenBack(t *testing.T) {
	// Without probing, three timeouts do not change the size of segments.
	o := established(t, Config{R2: 100 * time.Second, MTUProbing: MTUProbingOff})
	o.write(repeat(4380))
	for i := range int64(3) {
		o.want(segment{flags: ack, seq: 1 + 1460*i, ack: 1, data: repeat(1460)})
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, window: 1460})
	o.write(repeat(1460)) // new
	o.nothing()
	for range 3 { // lost every time
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
		o.nothing()
	}
	// The probe arrives, and the window closes behind it: data in flight is beyond its edge.
	o.in(segment{flags: ack, seq: 1, ack: 1461, window: -1})
	o.nothing()
	for begin := o.now; o.now.Sub(begin) < time.Hour; {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		if !o.c.Transmit(o.now, 1, &o.last) || o.last.Len != 1 || seq.Unwrap(testISS, 1461, o.last.TCP.Seq) != 1461 {
			t.Fatalf("sent %d bytes at %d, want a probe", o.last.Len, o.last.TCP.Seq-testISS)
		}
		o.nothing()
		o.in(segment{flags: ack, seq: 1, ack: 1461, window: -1})
		o.state(Established)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1461})
	o.want(segment{flags: ack, seq: 1461, ack: 1, data: repeat(1460)})
}

// The peer takes back all of it.
//
// Shows: MUST-34, MUST-35.
func TestWindowTakenBackToZero(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(1460))
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	times := o.probes(4, 1)
	if d := times[3] - times[2]; d != 2*(times[2]-times[1]) {
		t.Errorf("probes at %v", times)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1461})
	o.nothing()
	if timers := o.c.active.timer; timers.earliest() != timers.idle {
		t.Errorf("something is due though all is acknowledged: %v", timers)
	}
}

// While the window is closed, RST and URG count, and so does an ACK.
//
// Shows: MUST-66.
func TestClosedWindowStillListens(t *testing.T) {
	closed := func(t *testing.T) *endpoint { return windowClosedSubject(t).endpoint }
	t.Run("URG", func(t *testing.T) {
		o := closed(t)
		if _, urgent := o.c.Urgent(); urgent {
			t.Fatal("there is urgent data before any was announced")
		}
		o.in(segment{flags: ack | wire.URG, seq: 2049, ack: 11, data: "!", urgent: 1})
		if n, urgent := o.c.Urgent(); n != 2049 || !urgent {
			t.Errorf("urgent data: %d, %v", n, urgent)
		}
		o.want(segment{flags: ack, seq: 31, ack: 2049})
	})
	t.Run("RST", func(t *testing.T) {
		o := closed(t)
		o.in(segment{flags: rst, seq: 2049})
		o.state(Closed)
	})
	t.Run("ACK", func(t *testing.T) {
		o := closed(t)
		o.in(segment{flags: ack, seq: 2049, ack: 31, data: "no room"})
		if n := o.c.Info(o.now).InFlight; n != 0 {
			t.Errorf("%d bytes in flight", n)
		}
		o.want(segment{flags: ack, seq: 31, ack: 2049})
	})
}

// The window of an ACK older than SND.UNA is ignored (RFC 9293 3.10.7.4: SND.UNA =< SEG.ACK).
func TestWindowOfOldACK(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(1000))
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
	o.in(segment{flags: ack, seq: 1, ack: 1001, window: 500})
	o.in(segment{flags: ack, seq: 9, ack: 501, window: 3000, data: "late"})
	if i := o.c.Info(o.now); i.SendWindow != 500 {
		t.Errorf("window %d, want 500", i.SendWindow)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1001, window: 400}) // older by its number
	if i := o.c.Info(o.now); i.SendWindow != 400 {
		t.Errorf("window %d, want 400: SND.WL1 moved with a segment that was not to count", i.SendWindow)
	}
}

// A segment that was built but not sent does not change the announced window: while data is held back, windows are
// announced as always.
func TestWindowUpdateWhileDataIsHeldBack(t *testing.T) {
	o := established(t, Config{ReceiveBuffer: 8192})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("held back")
	o.nothing()
	var window uint16 // the last one sent
	drain := func() (n int) {
		for ; o.c.Transmit(o.now, 1, &o.last); n++ {
			window = o.last.TCP.Window
		}
		return n
	}
	for at := int64(1); at < 8193; at += 1024 {
		o.in(segment{flags: ack, seq: at, ack: 1, data: repeat(1024), window: -1})
		drain()
	}
	o.wait(40 * ms) // for the last ACK
	drain()
	if window != 0 {
		t.Fatalf("window %d, want it closed", window)
	}
	b := make([]byte, 1500)
	updates := 0
	for range 5 {
		n, _ := o.c.Read(b)
		if n != len(b) {
			t.Fatal(n)
		}
		updates += drain()
	}
	if updates != 3 || window < 6000 {
		t.Errorf("%d window updates, the last %d; want the first useful one, then one for each quarter", updates, window)
	}
}

// A scaled window cannot express every size. Rounding it does not enlarge the buffer, however small the segments are.
func TestTinySegmentsDoNotStretchTheWindow(t *testing.T) {
	o := newEndpoint(t, Config{MaxRTO: time.Minute, Timestamps: Disabled, SACK: Disabled, ReceiveBuffer: 4096})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{HasWindowScale: true}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	for at := int64(1); at < 20_000; at++ {
		o.in(segment{flags: ack, seq: at, ack: 1, data: "x"})
		o.c.acknowledgeNow(NoteNone)
		for o.c.Transmit(o.now, 1, &o.last) {
		}
	}
	if i := o.c.Info(o.now); i.Unread != 4096 {
		t.Errorf("%d bytes held, the buffer is 4096", i.Unread)
	}
}
