package conn

import (
	"testing"

	"minitcp/conn/wire"
)

// shares counts the calls of Release.
type shares struct{ released int }

func (s *shares) Release() { s.released++ }

// A connection that retains a segment's memory releases it exactly once: when the data has been read or discarded, in
// the same call of Receive if the application has closed its reading side. An application that takes the memory
// releases it itself.
func TestRetainedMemoryIsReleasedOnce(t *testing.T) {
	data := []byte("0123456789")
	for _, c := range []struct {
		name          string
		before, after func(*endpoint)
		received, end int // calls of Release when Receive has returned, and in the end
	}{
		{"read", nil, func(o *endpoint) { _, _ = o.c.Read(make([]byte, 100)) }, 0, 1},
		{"read in part", nil, func(o *endpoint) { _, _ = o.c.Read(make([]byte, 9)) }, 0, 0},
		{"taken", nil, func(o *endpoint) {
			if got, memory := o.c.ReadBuffer(); string(got) != string(data) || memory == nil {
				t.Errorf("ReadBuffer returns %q", got)
			}
		}, 0, 0},
		{"reading side closed before", func(o *endpoint) { o.c.CloseRead() }, nil, 1, 1},
		{"reading side closed after", nil, func(o *endpoint) { o.c.CloseRead() }, 0, 1},
		{"closed with unread data", nil, func(o *endpoint) { o.c.Close(o.now, Linger{}) }, 0, 1},
		{"aborted", nil, func(o *endpoint) { o.c.Close(o.now, Linger{}); o.c.Abort() }, 0, 1},
	} {
		o := established(t, Config{})
		if c.before != nil {
			c.before(o)
		}
		memory := &shares{}
		s := Segment{TCP: wire.TCP{Flags: ack, Seq: testIRS + 1, Ack: testISS + 1, Window: 65535}, Data: data, Buffer: memory}
		if o.c.Receive(o.now, &s); !s.Retained || memory.released != c.received {
			t.Errorf("%s: after Receive, retained %v, released %d times, want %d", c.name, s.Retained, memory.released, c.received)
		}
		if c.after != nil {
			c.after(o)
		}
		if memory.released != c.end {
			t.Errorf("%s: released %d times in the end, want %d", c.name, memory.released, c.end)
		}
	}
}

// Memory that a connection does not retain is never released by it: the driver keeps it all the time.
func TestMemoryNotRetained(t *testing.T) {
	o := established(t, Config{})
	memory := &shares{}
	s := Segment{TCP: wire.TCP{Flags: ack, Seq: testIRS + 11, Ack: testISS + 1, Window: 65535}, Data: []byte("late"), Buffer: memory}
	if o.c.Receive(o.now, &s); s.Retained {
		t.Error("data out of order is retained in place")
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "0123456789"})
	if n, _ := o.c.Read(make([]byte, 100)); n != 14 || memory.released != 0 {
		t.Errorf("%d bytes read, released %d times", n, memory.released)
	}
}
