package conn

import (
	"testing"
	"time"
)

// Shows: MUST-19, MUST-20, SHLD-9, SHLD-10.
func TestRetransmissionBacksOffAndGivesUp(t *testing.T) {
	o := established(t, Config{R2: 100 * time.Second})
	o.now = o.now.Add(time.Second)
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	rto := o.c.Info(o.now).RTO
	start := o.now
	for i := range 5 {
		deadline := o.c.Deadline()
		if got, want := deadline.Sub(o.now), rto<<i; got != want {
			t.Fatalf("timeout %d after %v, want %v", i, got, want)
		}
		o.now = deadline
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
		if o.last.Note != NoteRetransmission {
			t.Errorf("note %v", o.last.Note)
		}
		if trouble := o.c.Ready()&ReadyTrouble != 0; trouble != (i+1 >= 3) {
			t.Errorf("after %d retransmissions trouble is %v (R1 = 3)", i+1, trouble)
		}
		o.nothing()
	}
	for o.c.State() != Closed {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.c.Transmit(o.now, 1, &o.last)
	}
	if o.c.Err() != ErrTimeout || o.now.Sub(start) != 100*time.Second {
		t.Errorf("gave up after %v with %v", o.now.Sub(start), o.c.Err())
	}
}

// A segment sent twice gives no RTT sample (Karn).
//
// Shows: MUST-18.
func TestKarn(t *testing.T) {
	o := established(t, Config{})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	before := o.c.Info(o.now).RTT
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	o.now = o.now.Add(50 * time.Millisecond)
	o.in(segment{flags: ack, seq: 1, ack: 2})
	if got := o.c.Info(o.now).RTT; got != before {
		t.Errorf("RTT went from %v to %v", before, got)
	}
}

// Shows: MUST-21.
func TestUserTimeout(t *testing.T) {
	o := established(t, Config{UserTimeout: 5 * time.Second})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	start := o.now
	for o.c.State() != Closed {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.c.Transmit(o.now, 1, &o.last)
	}
	if d := o.now.Sub(start); d != 5*time.Second || o.c.Err() != ErrTimeout {
		t.Errorf("%v after %v", o.c.Err(), d)
	}
}
