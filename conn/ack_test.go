package conn

import (
	"testing"
	"time"

	"minitcp/conn/delack"
)

// notYoung returns the delay of ACKs of a connection that has sent its quick ACKs.
func notYoung() (d delack.Delay) {
	d.Arrived(0, &delack.Values{Least: 40 * time.Millisecond})
	d.Acknowledged()
	d.Acknowledged()
	return d
}

// Shows: MUST-40, SHLD-18, SHLD-19.
func TestDelayedACK(t *testing.T) {
	o := established(t, Config{})
	full := repeat(1460)
	o.c.active.delay, o.c.lastDataReceived = notYoung(), o.now
	o.in(segment{flags: ack, seq: 1, ack: 1, data: full})
	o.in(segment{flags: ack, seq: 1461, ack: 1, data: full})
	o.want(segment{flags: ack, seq: 1, ack: 2921}) // every second full segment
	o.in(segment{flags: ack, seq: 2921, ack: 1, data: full})
	o.nothing()
	o.wait(39 * time.Millisecond)
	o.nothing()
	o.wait(time.Millisecond)
	o.want(segment{flags: ack, seq: 1, ack: 4381})
	o.nothing()
}

// The delay of an ACK is less than half a second, even with a Config that asks for more.
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

// Segments that arrive together are answered by one ACK, when all are taken.
//
// Shows: MUST-58, MUST-59.
func TestOneACKForManySegments(t *testing.T) {
	o := established(t, Config{})
	for i := range int64(8) {
		o.in(segment{flags: ack, seq: 1 + 1460*i, ack: 1, data: repeat(1460)})
	}
	o.want(segment{flags: ack, seq: 1, ack: 1 + 8*1460})
	o.nothing()
	// And on data, if there is any.
	o.in(segment{flags: ack, seq: 1 + 8*1460, ack: 1, data: repeat(1460)})
	o.in(segment{flags: ack, seq: 1 + 9*1460, ack: 1, data: repeat(1460)})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1 + 10*1460, data: "x"})
	o.nothing()
}
