package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// The sender begins with ten segments, doubles what it sends each round trip up to the threshold, and adds one segment a
// round trip from there on; a timeout leaves one segment and half the threshold.
//
// Shows: MUST-19.
func TestSlowStartAndCongestionAvoidance(t *testing.T) {
	o := established(t, Config{CongestionControl: Reno, SendBuffer: 1 << 20})
	o.write(repeat(1 << 20))
	una := int64(1)
	// round sends what may be sent, and has it acknowledged segment by segment, with what that allows sent in between.
	round := func(lost bool) (segments int) {
		for o.c.Transmit(o.now, 1, &o.last) {
		}
		end := int64(o.c.snd.nxt)
		segments = int(end-una) / 1460
		if lost {
			return segments
		}
		o.now = o.now.Add(10 * time.Millisecond)
		for una < end {
			una += 1460
			o.in(segment{flags: ack, seq: 1, ack: una})
			for o.c.Transmit(o.now, 1, &o.last) {
			}
		}
		return segments
	}
	for i, want := range []int{10, 20, 40} {
		if got := round(false); got != want {
			t.Errorf("round %d: %d segments, want %d", i+1, got, want)
		}
	}
	before := round(true)
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	if got := o.c.Info(o.now).SlowStartThreshold; got != int64(before/2)*1460 {
		t.Errorf("with %d segments in flight the threshold is %d octets", before, got)
	}
	n := 0
	for o.c.Transmit(o.now, 1, &o.last) {
		n++
	}
	if n != 1 {
		t.Errorf("after a timeout %d segments at once", n)
	}
	// All of it had arrived but the first.
	una = int64(o.c.snd.max)
	o.in(segment{flags: ack, seq: 1, ack: una})
	threshold := before / 2
	last := 0
	for range 100 {
		got := round(false)
		switch {
		case last == 0:
		case last >= threshold && got != last+1:
			t.Errorf("beyond the threshold, %d segments after %d", got, last)
		case last < threshold && got != min(2*last, threshold):
			t.Errorf("before the threshold of %d, %d segments after %d", threshold, got, last)
		}
		if last = got; last == threshold+3 {
			return
		}
	}
	t.Errorf("after 100 round trips %d segments are sent at once", last)
}

// A SYN that is not answered is sent again after 1, 2, 4 … seconds, reported as trouble after R1 times, and given up
// after no less than three minutes; a SYN-ACK likewise.
//
// Shows: MUST-22, MUST-23, SHLD-9, SHLD-10.
func TestSYNRetransmission(t *testing.T) {
	t.Run("SYN", func(t *testing.T) {
		o := dialOne(t, Config{})
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
		o := newOne(t, Config{})
		e := NewHandshake(o.now, &o.cfg, testOpen(), &wire.TCP{Flags: syn, Seq: testIRS, Window: 65535})
		begin := o.now
		e.Transmit(o.now, 1, &o.last)
		for n := 1; ; n++ {
			o.now = e.Deadline()
			e.Advance(o.now)
			if e.State() == HandshakeDead {
				break
			}
			if !e.Transmit(o.now, 1, &o.last) || o.last.TCP.Flags != syn|ack || e.Transmit(o.now, 1, &o.last) {
				t.Fatal("not one SYN-ACK")
			}
			if got, want := o.now.Sub(begin), time.Duration(1<<n-1)*time.Second; got != want {
				t.Errorf("SYN-ACK number %d after %v, want %v", n+1, got, want)
			}
		}
		if d := o.now.Sub(begin); d < 3*time.Minute {
			t.Errorf("given up after %v", d)
		}
	})
}

// What the RFC says of the limits on retransmission holds for the defaults.
//
// Shows: MUST-20, SHLD-10, SHLD-11.
func TestDefaultLimits(t *testing.T) {
	cfg := Config{}.WithDefaults()
	if cfg.R1 < 3 || cfg.R2 < 100*time.Second || cfg.SYNTimeout < 3*time.Minute {
		t.Errorf("R1 %d, R2 %v, for SYNs %v", cfg.R1, cfg.R2, cfg.SYNTimeout)
	}
	o := established(t, Config{})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	begin, sent := o.now, 0
	for o.c.State() != Closed {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		for o.c.Transmit(o.now, 1, &o.last) {
			sent++
		}
	}
	if d := o.now.Sub(begin); d < 100*time.Second || sent <= cfg.R1 {
		t.Errorf("closed after %v and %d retransmissions", d, sent)
	}
}

// An ACK waits for less than half a second, whatever is asked for, but it waits.
//
// Shows: MUST-40, SHLD-18.
func TestDelayedACKIsBounded(t *testing.T) {
	for _, asked := range []time.Duration{0, 100 * time.Millisecond, time.Hour} {
		o := established(t, Config{DelayedACK: asked})
		o.in(segment{flags: ack, seq: 1, ack: 1, data: "x"})
		o.nothing()
		if d := o.c.Deadline().Sub(o.now); d <= 0 || d >= 500*time.Millisecond {
			t.Errorf("asked for %v, the ACK waits for %v", asked, d)
		}
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: 1, ack: 2})
	}
}

// Keep-alive is switched on for a connection, and off again. Without more being said the peer is asked after two hours.
//
// Shows: MUST-24, MUST-25, MUST-27, MUST-28, MAY-5.
func TestKeepAliveSwitch(t *testing.T) {
	for _, c := range []struct {
		set  KeepAlive
		want time.Duration
	}{{KeepAlive{Enable: true}, 2 * time.Hour}, {KeepAlive{Enable: true, Idle: time.Minute}, time.Minute}} {
		o := established(t, Config{})
		o.c.SetKeepAlive(o.now, c.set)
		begin := o.now
		for !o.c.Transmit(o.now, 1, &o.last) {
			if o.c.Deadline() == Never {
				t.Fatal("nothing will ever be sent")
			}
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
		}
		if d := o.now.Sub(begin); d != c.want || o.last.Note != NoteKeepAlive {
			t.Errorf("%+v: %v after %v", c.set, o.last.Note, d)
		}
		o.in(segment{flags: ack, seq: 1, ack: 1})
		o.c.SetKeepAlive(o.now, KeepAlive{})
		if d := o.c.Deadline(); d != Never {
			t.Errorf("switched off, something is due at %v", d)
		}
	}
}

// No probe is sent while data is in flight, nor before the connection has been idle since the last segment came.
//
// Shows: MUST-26.
func TestKeepAliveOnlyWhenIdle(t *testing.T) {
	k := KeepAlive{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 3}
	t.Run("in flight", func(t *testing.T) {
		o := established(t, Config{KeepAlive: k})
		o.write("x")
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
		for end := o.now.Add(10 * time.Minute); o.now < end; {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			for o.c.Transmit(o.now, 1, &o.last) {
				if o.last.Note == NoteKeepAlive {
					t.Fatalf("a probe at %v", o.now)
				}
			}
		}
	})
	t.Run("heard", func(t *testing.T) {
		o := established(t, Config{KeepAlive: k})
		at := int64(1)
		for range 20 {
			next := o.now.Add(50 * time.Second)
			for o.c.Deadline() <= next {
				o.now = o.c.Deadline()
				o.c.Advance(o.now)
				for o.c.Transmit(o.now, 1, &o.last) {
					if o.last.Note == NoteKeepAlive {
						t.Fatalf("a probe although something came less than %v ago", k.Idle)
					}
				}
			}
			o.now = next
			o.in(segment{flags: ack, seq: at, ack: 1, data: "x"})
			at++
		}
	})
}
