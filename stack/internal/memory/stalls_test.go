package memory

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// stalled is an owner of a node.
type stalled struct{ at *StallNode[stalled] }

// second returns the time n seconds after the start.
func second(n int) conn.Time { return conn.Time(time.Duration(n) * time.Second) }

// The first of the list is the connection that has stalled for the longest time. One leaves the list when its peer has
// acknowledged an eighth of the bytes that the buffer held, not before, and when its buffer is empty.
func TestStalls(t *testing.T) {
	var l Stalls[stalled]
	var a, b, c stalled
	want := func(at int, patience time.Duration, want *stalled) {
		t.Helper()
		if got := l.Oldest(second(at), Patience{Unproven: patience, Proven: 0}); got != want {
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

// A peer that had acknowledged 32 KiB when it stalled may stall for longer than others. Those come first, also if they
// have stalled for less time.
func TestStallsByClass(t *testing.T) {
	for _, tt := range []struct {
		acknowledged uint64
		class        int
	}{
		{0, Unproven},
		{32<<10 - 1, Unproven},
		{32 << 10, Proven},
		{1 << 40, Proven},
	} {
		var l Stalls[stalled]
		var s, newer stalled
		l.Note(second(1), &s, &s.at, conn.SendState{Stalled: true, Held: 100 << 10, Acknowledged: tt.acknowledged})
		l.Note(second(3), &newer, &newer.at, conn.SendState{Stalled: true, Held: 1})
		var p Patience
		if p[tt.class] = 5 * time.Second; tt.class == Unproven {
			p[Proven] = time.Hour
		} else {
			p[Unproven] = time.Hour
		}
		if got := l.Oldest(second(5), p); got != nil {
			t.Errorf("%+v: due after 4 s", tt)
		}
		if got := l.Oldest(second(6), p); got != &s {
			t.Errorf("%+v: not due after 5 s", tt)
		}
		first := &s
		if tt.class == Proven {
			first = &newer
		}
		if got := l.Oldest(second(6), Patience{}); got != first {
			t.Errorf("%+v: first is the other peer", tt)
		}
		if l.Len() != 2 {
			t.Errorf("the lists have %d nodes, want 2", l.Len())
		}
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
	if a, b := p.BufferShare(buffer.Stalled), p.BufferShare(buffer.Moving); a != 0 || b != 3<<20 {
		t.Errorf("with three quarters in use the shares are %d and %d bytes, want 0 and 3 MiB", a, b)
	}
	p.Charge(budget * 3 / 16)
	if n := p.BufferShare(buffer.Moving); n != buffer.Small {
		t.Errorf("with fifteen sixteenths in use the share of another peer is %d bytes, want 14 KiB", n)
	}
	p.Charge(budget/16 - 32*5000)
	if n := p.BufferShare(buffer.Moving); n < 4900 || n > 5200 {
		t.Errorf("with 160,000 bytes left the share of another peer is %d bytes, want about 5000", n)
	}
	p.Charge(budget)
	if a, b := p.BufferShare(buffer.Stalled), p.BufferShare(buffer.Moving); a != 0 || b != 0 {
		t.Errorf("beyond the budget the shares are %d and %d bytes, want 0", a, b)
	}
}
