package delack

import (
	"testing"
	"time"
)

// The ACK of a full segment is quick while the connection is young, and waits for a reply once the application has
// replied to two segments in a row.
func TestDelay(t *testing.T) {
	const ms = time.Millisecond
	v := Values{Least: 40 * ms, SRTT: 100 * ms, RTO: 300 * ms, Window: 8000, SegmentSize: 1000}
	full, small := Segment{Full: true}, Segment{Pushed: true}
	var d Delay
	want := func(s Segment, wait time.Duration) {
		t.Helper()
		if got := d.Wait(s, &v); got != wait {
			t.Errorf("the ACK waits for %v, want %v", got, wait)
		}
	}
	for range 4 { // half of the segments in the window
		d.Arrived(10*ms, &v)
		want(full, 0)
		want(small, replyTime)
		d.Acknowledged()
	}
	d.Arrived(10*ms, &v)
	want(full, 40*ms)
	want(small, replyTime) // the sender's Nagle algorithm may wait for it
	for range 2 {
		want(small, replyTime)
		d.Replied(5*ms, 100, &v)
		d.Arrived(10*ms, &v)
	}
	want(small, 40*ms)
	d.Ended(&v) // no reply
	d.Arrived(10*ms, &v)
	want(small, replyTime)
	for range 2 {
		want(small, replyTime)
		d.Replied(5*ms, 100, &v)
		d.Arrived(10*ms, &v)
	}
	want(small, 40*ms) // two replies prove it again
	d.ArrivedAgain(&v)
	want(full, 0)
}
