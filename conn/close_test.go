package conn

import (
	"testing"
	"time"
)

// Shows: MUST-12.
func TestPassiveRelease(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: fin, seq: 1, ack: 1, data: "bye"})
	o.state(CloseWait)
	o.want(segment{flags: ack, seq: 1, ack: 5})
	o.read("bye", nil)
	o.read("", errEOF)
	o.write("late") // half-close: our direction is open
	o.want(segment{flags: ack, seq: 1, ack: 5, data: "late"})
	o.c.Close(o.now, Linger{})
	o.state(LastAck)
	o.want(segment{flags: fin, seq: 5, ack: 5})
	o.in(segment{flags: ack, seq: 5, ack: 5}) // not of the FIN
	o.state(LastAck)
	o.in(segment{flags: ack, seq: 5, ack: 6})
	o.state(Closed)
	o.nothing()
	if o.c.Err() != nil {
		t.Errorf("graceful release ends with %v", o.c.Err())
	}
}

func TestSimultaneousClose(t *testing.T) {
	o := established(t, Config{})
	_ = o.c.CloseWrite()
	o.want(segment{flags: fin, seq: 1, ack: 1})
	o.in(segment{flags: fin, seq: 1, ack: 1})
	o.state(Closing)
	o.want(segment{flags: ack, seq: 2, ack: 2})
	o.in(segment{flags: ack, seq: 2, ack: 1})
	o.state(Closing)
	o.in(segment{flags: ack, seq: 2, ack: 2})
	o.state(TimeWait)
}

// A FIN may arrive before data that is missing. It takes effect when that data has arrived.
//
// Shows: SHLD-31.
func TestFINOutOfOrder(t *testing.T) {
	o := established(t, Config{})
	if v := o.in(segment{flags: fin, seq: 4, ack: 1}); v != VerdictOutOfOrder {
		t.Errorf("verdict %v", v)
	}
	o.want(segment{flags: ack, seq: 1, ack: 1})
	o.state(Established)
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "abc"})
	o.want(segment{flags: ack, seq: 1, ack: 5})
	o.state(CloseWait)
	o.read("abc", nil)
	o.read("", errEOF)
}

// Shows: SHLD-3, MAY-1.
func TestAbortAndClose(t *testing.T) {
	t.Run("abort", func(t *testing.T) {
		o := established(t, Config{})
		o.write("never sent")
		o.c.Abort()
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
		o.nothing()
		o.read("", ErrAborted)
	})
	t.Run("unread data", func(t *testing.T) {
		o := established(t, Config{})
		o.in(segment{flags: ack, seq: 1, ack: 1, data: "unread"})
		o.c.Close(o.now, Linger{})
		o.want(segment{flags: rst | ack, seq: 1, ack: 7})
		o.state(Closed)
	})
	t.Run("data after close", func(t *testing.T) {
		o := established(t, Config{})
		o.c.Close(o.now, Linger{})
		o.want(segment{flags: fin, seq: 1, ack: 1})
		if v := o.in(segment{flags: ack, seq: 1, ack: 2, data: "late"}); v != VerdictAfterClose {
			t.Errorf("verdict %v", v)
		}
		o.want(segment{flags: rst | ack, seq: 2, ack: 1})
	})
	t.Run("linger 0", func(t *testing.T) {
		o := established(t, Config{})
		o.c.Close(o.now, Linger{Set: true})
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
	})
	t.Run("linger 2s", func(t *testing.T) {
		o := established(t, Config{})
		o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
		o.write("stuck")
		o.c.Close(o.now, Linger{Set: true, Timeout: 2 * time.Second})
		o.nothing()
		end := o.now.Add(2 * time.Second)
		for o.c.State() != Closed && o.now < end {
			o.now = min(o.c.Deadline(), end)
			o.c.Advance(o.now)
			if o.c.State() != Closed {
				o.c.Transmit(o.now, 1, &o.last)
			}
		}
		// Not 2, which the probe reached: that is beyond the peer's window, and it would drop the RST.
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
		if o.c.Err() != ErrLingerTimeout {
			t.Errorf("err %v", o.c.Err())
		}
	})
	t.Run("FIN-WAIT-2 orphan", func(t *testing.T) {
		o := established(t, Config{})
		o.c.Close(o.now, Linger{})
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: ack, seq: 1, ack: 2})
		o.state(FinWait2)
		o.wait(59 * time.Second)
		o.state(FinWait2)
		o.wait(time.Second)
		o.state(Closed)
	})
	t.Run("half-closed is no orphan", func(t *testing.T) {
		o := established(t, Config{})
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: ack, seq: 1, ack: 2})
		o.wait(24 * time.Hour)
		o.state(FinWait2)
	})
}

// A closed application behind a closed window does not hold the connection for ever.
func TestOrphanBehindZeroWindowEnds(t *testing.T) {
	o := established(t, Config{R2: 100 * time.Second})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("stuck")
	o.nothing()
	o.c.Close(o.now, Linger{})
	start := o.now
	for o.c.State() != Closed && o.now.Sub(start) < time.Hour {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		for o.c.Transmit(o.now, 1, &o.last) {
			o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
		}
	}
	if d := o.now.Sub(start); o.c.State() != Closed || d > 101*time.Second {
		t.Errorf("%v after %v", o.c.State(), d)
	}
}

// Data beyond a FIN contradicts it, so the FIN has no effect.
func TestDataBeyondFIN(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack, seq: 11, ack: 1, data: "beyond"})
	o.in(segment{flags: fin, seq: 4, ack: 1})
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "abc"})
	o.state(Established)
	o.in(segment{flags: ack, seq: 4, ack: 1, data: "defghij"})
	o.in(segment{flags: fin, seq: 17, ack: 1})
	o.state(CloseWait)
	o.read("abcdefghijbeyond", nil)
	o.read("", errEOF)
}

// A second FIN is ignored, not called early.
func TestSecondFIN(t *testing.T) {
	for _, at := range []int64{22, 30} {
		o := closeWaitSubject(t).endpoint
		if v := o.in(segment{flags: fin, seq: at, ack: 31}); v != VerdictIgnored {
			t.Errorf("at %d: %v", at, v)
		}
		o.state(CloseWait)
		o.nothing()
	}
}
