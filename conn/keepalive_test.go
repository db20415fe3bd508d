package conn

import (
	"testing"
	"time"
)

// Shows: MUST-25, MUST-27, MUST-29, SHLD-12, MAY-5.
func TestKeepAlive(t *testing.T) {
	k := KeepAlive{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 3}
	t.Run("answered", func(t *testing.T) {
		o := established(t, Config{KeepAlive: k})
		for range 3 {
			heard := o.now
			for o.now < heard.Add(k.Idle) { // the timer expires in between, to check the time of the last segment
				o.nothing()
				o.now = o.c.Deadline()
				o.c.Advance(o.now)
			}
			o.want(segment{flags: ack, seq: 0, ack: 1}) // no data (SHLD-12)
			o.in(segment{flags: ack, seq: 1, ack: 1})
			o.nothing()
		}
		o.state(Established)
	})
	t.Run("dead", func(t *testing.T) {
		o := established(t, Config{KeepAlive: k})
		start := o.now
		for range 3 {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			o.want(segment{flags: ack, seq: 0, ack: 1})
		}
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
		if d := o.now.Sub(start); d != 90*time.Second || o.c.Err() != ErrTimeout {
			t.Errorf("%v after %v", o.c.Err(), d)
		}
	})
	t.Run("off by default", func(t *testing.T) {
		if d := established(t, Config{}).c.Deadline(); d != Never {
			t.Errorf("deadline %v (MUST-25)", d)
		}
	})
}

// Keep-alive is switched on for a connection, and off again. The default time before the first probe is two hours.
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

// No probe is sent while data is in flight, nor before the connection has been idle for long enough since the last
// segment.
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
