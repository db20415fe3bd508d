package conn

import (
	"cmp"
	"testing"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/wire"
)

// tuningTest is a receiver whose peer sends, in each round trip, all its data or as much as the window permits.
type tuningTest struct {
	t   *testing.T
	c   *Conn
	now Time
}

func newTuningTest(t *testing.T, timestamps Feature) *tuningTest {
	cfg := Config{ReceiveBuffer: 1 << 20, MaxReceiveBuffer: 16 << 20}.WithDefaults()
	c := newConn(1e9, &cfg, Open{MTU: 1500, IPHeader: 20})
	c.timestamps = timestamps == Enabled
	c.rtt.SRTT = 10 * time.Millisecond
	return &tuningTest{t, c, 1e9}
}

// rounds runs n round trips. In each the peer has supply bytes to send, and the application reads percent of the unread
// data.
func (x *tuningTest) rounds(n int, rtt time.Duration, supply, percent int) {
	const parts = 10
	b := &x.c.rcv.buf
	for range n * parts {
		octets := min(supply, x.c.rcv.bufferLimit-b.Readable()) / parts
		left := x.c.clock(x.now)
		sent := x.c.clock(x.now.Add(-rtt)) // the clock one round trip before this segment arrives
		b.Retain(b.Next(), zeros[:octets], static{})
		s := Segment{TCP: wire.TCP{Options: wire.Options{HasTimestamps: x.c.timestamps, TSVal: left, TSEcr: sent}}}
		x.c.tuneReceive(x.now, &s)
		b.Skip(buffer.Heap{}, b.Readable()*percent/100)
		x.now = x.now.Add(rtt / parts)
	}
}

// zeros is the memory of all data that arrives.
var zeros = make([]byte, 16<<20)

// static is borrowed memory that is never reused.
type static struct{}

func (static) Release() {}

func (x *tuningTest) want(least, most int) {
	x.t.Helper()
	if n := x.c.rcv.bufferLimit; n < least || n > most {
		x.t.Errorf("at %v the buffer is %d bytes, want %d to %d", time.Duration(x.now), n, least, most)
	}
}

// The window never limits a sender that sends less than the largest window.
func TestTuningFollowsTheReader(t *testing.T) {
	for _, timestamps := range []Feature{Enabled, Disabled} {
		x := newTuningTest(t, timestamps)
		x.rounds(20, 10*time.Millisecond, 100_000, 100)
		x.want(1<<20, 1<<20)
		x.rounds(20, 10*time.Millisecond, 3_000_000, 100)
		x.want(5_000_000, 13_000_000)
		x.rounds(20, 10*time.Millisecond, 100<<20, 100)
		x.want(16<<20, 16<<20)
	}
}

// Nor is it after the path has become longer: the round trip that counts is not the shortest there ever was.
func TestTuningFollowsALongerPath(t *testing.T) {
	x := newTuningTest(t, Enabled)
	x.rounds(100, 10*time.Millisecond, 100_000, 100)
	x.want(1<<20, 1<<20)
	x.rounds(30, 200*time.Millisecond, 6_000_000, 100)
	x.want(6_000_000, 16<<20)
}

// A window that closes repeatedly makes round trips look longer than they are.
func TestTuningOfASlowReader(t *testing.T) {
	x := newTuningTest(t, Enabled)
	x.rounds(20, 10*time.Millisecond, 400_000, 100)
	x.want(1<<20, 1<<20)
	for range 200 {
		x.rounds(2, 10*time.Millisecond, 100<<20, 0) // it fills,
		x.now = x.now.Add(300 * time.Millisecond)    // no data arrives until all is read,
		x.c.rcv.buf.Discard(buffer.Heap{})
		x.rounds(1, 10*time.Millisecond, 100<<20, 0) // and it fills again
	}
	x.want(1<<20, 1<<20)
}

// After ten seconds of idle time the buffers have their initial sizes, so that idle connections cost nothing.
func TestTuningForgets(t *testing.T) {
	x := newTuningTest(t, Enabled)
	x.rounds(20, 10*time.Millisecond, 100<<20, 100)
	x.want(16<<20, 16<<20)
	x.now = x.now.Add(idleTime + time.Second)
	x.rounds(1, 10*time.Millisecond, 1000, 100)
	x.want(1<<20, 1<<20)
}

// sharing is a Pressure with a given share.
type sharing struct {
	buffer.Heap
	share           int
	stalled, moving int // 0: no limit
	level           buffer.Level
}

func (s *sharing) Share() int          { return s.share }
func (s *sharing) Level() buffer.Level { return s.level }
func (s *sharing) BufferShare(p buffer.Progress) int {
	if p == buffer.Stalled {
		return cmp.Or(s.stalled, s.Heap.BufferShare(p))
	}
	return cmp.Or(s.moving, s.Heap.BufferShare(p))
}

// A send buffer takes no more than its share on a near path, unless the application has set its size.
func TestSendBufferShares(t *testing.T) {
	pages := &sharing{share: 300_000}
	cfg := Config{SendBuffer: 1 << 20, Pressure: pages}.WithDefaults()
	c := newConn(1e9, &cfg, Open{MTU: 1500, IPHeader: 20})
	want := func(n int) {
		t.Helper()
		if m := c.sendRoom(); m != n {
			t.Errorf("with a share of %d, near %v, there is room for %d bytes, want %d", pages.share, c.snd.near, m, n)
		}
	}
	want(1 << 20)
	c.snd.near = true
	want(300_000)
	pages.share = 0
	want(leastShare)
	pages.share = 16 << 20
	want(1 << 20)
	pages.share = 0
	c.SetSendBuffer(500_000)
	want(500_000)
}
