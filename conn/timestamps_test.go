package conn

import (
	"io"
	"testing"
	"time"

	"minitcp/conn/wire"
)

func TestPAWS(t *testing.T) {
	o := newEndpoint(t, Config{MaxRTO: 60 * time.Second})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.c.Transmit(o.now, 1, &o.last)
	ts := func(v uint32) wire.Options { return wire.Options{HasTimestamps: true, TSVal: v, TSEcr: 2000} }
	first := ts(100)
	first.MSS = 1460
	o.in(segment{flags: syn | ack, ack: 1, options: first})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "new", options: ts(200)})
	if v := o.in(segment{flags: ack, seq: 4, ack: 1, data: "old", options: ts(150)}); v != VerdictOldTimestamp {
		t.Errorf("verdict %v", v)
	}
	o.want(segment{flags: ack, seq: 1, ack: 4})
	if o.last.TCP.Options.TSEcr != 200 {
		t.Errorf("TSEcr is %d, want 200", o.last.TCP.Options.TSEcr)
	}
	o.read("new", nil)
}

// TestTimestampsMissing sends segments without the timestamps that both ends agreed on. They are accepted, and leave
// TS.Recent as it is.
func TestTimestampsMissing(t *testing.T) {
	ts := wire.Options{HasTimestamps: true, TSVal: 100, TSEcr: 2000}
	open := func(t *testing.T) *endpoint {
		o := newEndpoint(t, Config{MaxRTO: 60 * time.Second})
		o.c = Dial(o.now, &o.cfg, testOpen())
		o.c.Transmit(o.now, 1, &o.last)
		first := ts
		first.MSS = 1460
		o.in(segment{flags: syn | ack, ack: 1, options: first})
		o.want(segment{flags: ack, seq: 1, ack: 1})
		return o
	}
	wantEcho := func(t *testing.T, o *endpoint) {
		t.Helper()
		if h := o.last.TCP.Options; !h.HasTimestamps || h.TSEcr != 100 {
			t.Errorf("options %+v, want timestamps with TSEcr 100", h)
		}
	}
	t.Run("data and FIN", func(t *testing.T) {
		o := open(t)
		if v := o.in(segment{flags: ack, seq: 1, ack: 1, data: "data"}); v != VerdictAccepted {
			t.Errorf("data: verdict %v", v)
		}
		if v := o.in(segment{flags: fin, seq: 5, ack: 1}); v != VerdictAccepted {
			t.Errorf("FIN: verdict %v", v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 6})
		wantEcho(t, o)
		o.read("data", nil)
		o.read("", io.EOF)
	})
	t.Run("GSO packet", func(t *testing.T) {
		o := open(t)
		v := o.c.Receive(o.now, &Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 1, Flags: ack, Window: 65535},
			Data: make([]byte, 4000), SegmentSize: 1000})
		if v != VerdictAccepted {
			t.Errorf("verdict %v", v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 4001})
		wantEcho(t, o)
	})
	t.Run("ACK of data", func(t *testing.T) {
		o := open(t)
		o.write("data")
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "data"})
		o.now = o.now.Add(50 * time.Millisecond)
		if v := o.in(segment{flags: ack, seq: 1, ack: 5}); v != VerdictAccepted {
			t.Errorf("verdict %v", v)
		}
		if got := o.c.Info(o.now); got.InFlight != 0 || got.RTT == 0 {
			t.Errorf("in flight %d, RTT %v; want 0 and a measured RTT", got.InFlight, got.RTT)
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		o := open(t)
		o.in(segment{flags: ack, seq: 1, ack: 1, data: "data"})
		o.wait(40 * time.Millisecond)
		o.want(segment{flags: ack, seq: 1, ack: 5})
		if v := o.in(segment{flags: ack, seq: 1, ack: 1, data: "data"}); v != VerdictDuplicate {
			t.Errorf("verdict %v", v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 5})
	})
	t.Run("answer to our keep-alive", func(t *testing.T) {
		o := open(t)
		o.c.SetKeepAlive(o.now, KeepAlive{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 2})
		for range 5 {
			o.wait(time.Minute)
			o.want(segment{flags: ack, seq: 0, ack: 1})
			o.in(segment{flags: ack, seq: 1, ack: 1})
		}
		o.state(Established)
	})
	t.Run("after the FINs", func(t *testing.T) {
		o := open(t)
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: ack, seq: 1, ack: 2})
		o.state(FinWait2)
		o.in(segment{flags: fin, seq: 1, ack: 2})
		o.state(TimeWait)
		o.want(segment{flags: ack, seq: 2, ack: 2})
		r := o.c.TimeWait(o.now)
		fin := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 2, Flags: fin}}
		if v := r.Receive(o.now, &fin); v != VerdictDuplicate || !r.Transmit(o.now, 1, &o.last) {
			t.Errorf("the FIN again: verdict %v, want an ACK", v)
		}
	})
}

// timestamped returns a connection in ESTABLISHED with TS.Recent 100.
func timestamped(t *testing.T) *endpoint {
	o := newEndpoint(t, Config{MaxRTO: time.Minute, SACK: Disabled, WindowScale: Disabled})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1460, HasTimestamps: true, TSVal: 100}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	return o
}

// After 24 days without a segment TS.Recent is forgotten, and the next one replaces it (RFC 7323 5.5).
func TestTimestampTooOldToCompare(t *testing.T) {
	o := timestamped(t)
	o.now = o.now.Add(25 * 24 * time.Hour)
	const later uint32 = 100 + 25*24*3600*1000&0xffffffff // the peer's clock has run half around
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "x", options: wire.Options{HasTimestamps: true, TSVal: later}})
	if c := o.c; c.ts.Recent != later || !c.ts.Older(o.now.Add(24*24*time.Hour-1), later-1) {
		t.Errorf("TS.Recent %d, want %d", c.ts.Recent, later)
	}
	if v := o.in(segment{flags: ack, seq: 2, ack: 1, options: wire.Options{HasTimestamps: true, TSVal: later - 1}}); v != VerdictOldTimestamp {
		t.Errorf("PAWS has not begun again: %v", v)
	}
}
