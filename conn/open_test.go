package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// Shows: MUST-12, MUST-13, MUST-61.
func TestActiveOpenAndFourWayRelease(t *testing.T) {
	o := established(t, Config{})
	o.write("hello")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "hello"})
	if !o.last.TCP.Flags.Has(wire.PSH) {
		t.Error("no PSH on the last data (MUST-61)")
	}
	o.in(segment{flags: ack, seq: 1, ack: 6})
	if err := o.c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	o.state(FinWait1)
	o.want(segment{flags: fin, seq: 6, ack: 1})
	o.in(segment{flags: ack, seq: 1, ack: 7})
	o.state(FinWait2)
	o.in(segment{flags: ack, seq: 1, ack: 7, data: "rest"})
	o.in(segment{flags: fin, seq: 5, ack: 7})
	o.state(TimeWait)
	o.want(segment{flags: ack, seq: 7, ack: 6})
	o.read("rest", nil)
	o.read("", errEOF)
	r := o.c.TimeWait(o.now)
	if r.Expired(o.now.Add(59*time.Second)) || !r.Expired(o.now.Add(60*time.Second)) {
		t.Error("TIME-WAIT does not last 60 s")
	}
}

// The window of a SYN-ACK is not scaled, in a simultaneous open either (RFC 7323 2.2).
func TestSimultaneousOpenWindow(t *testing.T) {
	o := newEndpoint(t, Config{MaxRTO: time.Minute, Timestamps: Disabled})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	options := wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7}
	o.in(segment{flags: syn, options: options, window: 1000})
	o.state(SynReceived)
	o.want(segment{flags: syn | ack, ack: 1})
	o.in(segment{flags: syn | ack, ack: 1, options: options, window: 1000})
	o.state(Established)
	if i := o.c.Info(o.now); i.SendWindow != 1000 {
		t.Errorf("window %d, want 1000", i.SendWindow)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, window: 1000})
	if i := o.c.Info(o.now); i.SendWindow != 128000 {
		t.Errorf("window %d, want 128000", i.SendWindow)
	}
}

// A SYN that was lost leaves a timeout of 3 s (RFC 6298 5.7) and a window of one segment (RFC 5681 3.1), and fast
// retransmission works from the first byte on.
func TestLostSYN(t *testing.T) {
	o := dialEndpoint(t, Config{})
	o.want(segment{flags: syn})
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1000}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	if i := o.c.Info(o.now); i.RTO != 3*time.Second || i.CongestionWindow != 1000 {
		t.Errorf("RTO %v, window %d", i.RTO, i.CongestionWindow)
	}
	o.write(repeat(1000))
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
	if d := o.c.Deadline().Sub(o.now); d != 3*time.Second {
		t.Errorf("data times out after %v", d)
	}
	for range 3 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
	}
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
}

// A RST never causes a reply, even in SYN-SENT with an ACK of data that was never sent (RFC 9293 3.10.7.3).
func TestResetsInSynSent(t *testing.T) {
	for _, c := range []struct {
		in    segment
		want  Verdict
		state State
		sends bool
	}{
		{segment{flags: rst | ack, ack: 2}, VerdictBadACK, SynSent, false},
		{segment{flags: rst}, VerdictIgnored, SynSent, false},
		{segment{flags: rst | ack, ack: 1}, VerdictReset, Closed, false},
		{segment{flags: ack, ack: 2}, VerdictBadACK, SynSent, true},
		{segment{flags: syn | ack, ack: 0}, VerdictBadACK, SynSent, true},
		{segment{flags: ack, ack: 1}, VerdictIgnored, SynSent, false},
	} {
		o := dialEndpoint(t, Config{})
		o.want(segment{flags: syn})
		if v := o.in(c.in); v != c.want {
			t.Errorf("%v ack %d: %v, want %v", c.in.flags, c.in.ack, v, c.want)
		}
		o.state(c.state)
		if c.sends {
			o.want(segment{flags: rst, seq: c.in.ack})
			o.want(segment{flags: syn}) // see repeatSYN
		}
		o.nothing()
	}
}

// A SYN that is not answered is sent again after 1, 2, 4 … seconds, reported as trouble after R1 times, and given up
// after no less than three minutes. A SYN-ACK is sent again likewise, and given up after 63 seconds.
//
// Shows: MUST-22, MUST-23, SHLD-9, SHLD-10.
func TestSYNRetransmission(t *testing.T) {
	t.Run("SYN", func(t *testing.T) {
		o := dialEndpoint(t, Config{})
		begin := o.now
		o.want(segment{flags: syn})
		for n := 1; ; n++ {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			if o.c.State() == Closed {
				break
			}
			o.want(segment{flags: syn})
			o.nothing()
			if got, want := o.now.Sub(begin), time.Duration(1<<n-1)*time.Second; got != want {
				t.Errorf("SYN number %d after %v, want %v", n+1, got, want)
			}
			if trouble := o.c.Ready()&ReadyTrouble != 0; trouble != (n >= 3) {
				t.Errorf("after %d retransmissions trouble is %v", n, trouble)
			}
		}
		if d := o.now.Sub(begin); d < 3*time.Minute || o.c.Err() != ErrTimeout {
			t.Errorf("%v after %v", o.c.Err(), d)
		}
	})
	t.Run("SYN-ACK", func(t *testing.T) {
		o := newEndpoint(t, Config{})
		e := NewHandshake(o.now, &o.cfg, testOpen(), &wire.TCP{Flags: syn, Seq: testIRS, Window: 65535})
		begin := o.now
		e.Transmit(o.now, 1, &o.last)
		for n := 1; ; n++ {
			o.now = e.Deadline()
			e.Advance(o.now)
			if e.State() == Closed {
				break
			}
			if !e.Transmit(o.now, 1, &o.last) || o.last.TCP.Flags != syn|ack || e.Transmit(o.now, 1, &o.last) {
				t.Fatal("not one SYN-ACK")
			}
			if got, want := o.now.Sub(begin), time.Duration(1<<n-1)*time.Second; got != want {
				t.Errorf("SYN-ACK number %d after %v, want %v", n+1, got, want)
			}
		}
		if d := o.now.Sub(begin); d != 63*time.Second {
			t.Errorf("given up after %v, want 63 s", d)
		}
	})
}
