package memory

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// stalled is an owner of a node.
type stalled struct{ at *StallNode[stalled] }

// The first of the list is the connection that has stalled for the longest time. One leaves the list when its peer has
// acknowledged an eighth of what the buffer held, not before, and when its buffer is empty.
func TestStalls(t *testing.T) {
	var l Stalls[stalled]
	var a, b, c stalled
	second := func(n int) conn.Time { return conn.Time(time.Duration(n) * time.Second) }
	want := func(at int, patience time.Duration, want *stalled) {
		t.Helper()
		if got := l.Oldest(second(at), patience); got != want {
			t.Errorf("after %d s the oldest is %p, want %p", at, got, want)
		}
	}
	l.Note(second(1), &a, &a.at, conn.SendState{Held: 1000})
	want(100, 0, nil)
	l.Note(second(1), &a, &a.at, conn.SendState{Stalled: true, Held: 1000, Acknowledged: 5})
	l.Note(second(2), &b, &b.at, conn.SendState{Stalled: true, Held: 1000, Acknowledged: 5})
	l.Note(second(3), &c, &c.at, conn.SendState{Stalled: true, Held: 1000, Acknowledged: 5})
	want(30, 30*time.Second, nil)
	want(31, 30*time.Second, &a)
	l.Note(second(31), &a, &a.at, conn.SendState{Held: 2000, Acknowledged: 129})
	want(31, 30*time.Second, &a) // 124 of 1000 bytes
	l.Note(second(31), &a, &a.at, conn.SendState{Held: 2000, Acknowledged: 130})
	want(31, 30*time.Second, nil)
	want(32, 30*time.Second, &b)
	l.Note(second(32), &a, &a.at, conn.SendState{Stalled: true, Held: 2000, Acknowledged: 1005})
	l.Note(second(32), &b, &b.at, conn.SendState{Acknowledged: 500})
	want(40, 0, &c)
	l.Remove(&c.at)
	l.Remove(&c.at)
	want(40, 0, &a)
	l.Remove(&a.at)
	want(40, 0, nil)
	if l.Len() != 0 {
		t.Errorf("the list has %d nodes, want none", l.Len())
	}
}

// Two thousand buffers of stalled consumers, each filled to its share in turn, take three eighths of the budget at
// most, and leave megabytes to one that makes progress. It still has megabytes when three quarters are in use.
func TestBufferShare(t *testing.T) {
	const budget = 512 << 20
	p := NewPool(budget)
	if n := p.BufferShare(buffer.Stalled); n != 3<<20 {
		t.Errorf("with no memory in use the share of a stalled peer is %d bytes, want 3 MiB", n)
	}
	if n := p.BufferShare(buffer.Moving); n != 48<<20 {
		t.Errorf("with no memory in use the share of another peer is %d bytes, want 48 MiB", n)
	}
	for range 2000 {
		p.Charge(p.BufferShare(buffer.Stalled))
	}
	if used := p.Used() * buffer.PageSize; used > budget*3/8 || used < budget/4 {
		t.Errorf("%d bytes are in use, want up to three eighths of %d", used, budget)
	}
	if n := p.BufferShare(buffer.Moving); n < 16<<20 {
		t.Errorf("beside them the share of another peer is %d bytes, want 16 MiB or more", n)
	}
	p.Charge(budget*3/4 - int(p.Used())*buffer.PageSize)
	if a, b := p.BufferShare(buffer.Stalled), p.BufferShare(buffer.Moving); a != 0 || b != 2<<20 {
		t.Errorf("with three quarters in use the shares are %d and %d bytes, want 0 and 2 MiB", a, b)
	}
	p.Charge(budget)
	if a, b := p.BufferShare(buffer.Stalled), p.BufferShare(buffer.Moving); a != 0 || b != 0 {
		t.Errorf("beyond the budget the shares are %d and %d bytes, want 0", a, b)
	}
}
