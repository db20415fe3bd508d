package stack

import (
	"sync/atomic"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// slow is a Handler that takes its time, as a long batch of frames does.
type slow struct{ time.Duration }

func (s slow) Received(_ *Conn, p []byte) int { time.Sleep(s.Duration); return len(p) }
func (s slow) Writable(*Conn)                 {}
func (s slow) Ended(c *Conn, _ error)         { c.Close(); time.Sleep(s.Duration) }

// The reply to a batch of frames has no older timestamp than the segments that the application has sent meanwhile. The
// peer would drop it (RFC 7323 5.3).
func TestTimestampsDoNotRunBackwards(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		client, server := p.connect(p.listen())
		if _, err := p.b.Handle("tcp", ":81", func(*Conn) Handler { return slow{10 * time.Millisecond} }); err != nil {
			t.Fatal(err)
		}
		delaying, err := p.a.Dial("tcp", "10.77.0.2:81")
		if err != nil {
			t.Fatal(err)
		}
		var last, backwards, seen atomic.Uint32
		p.db.SetHook(func(frame []byte) stacktest.Fate {
			if _, tcp, _, ok := stacktest.Segment(frame); ok && tcp.SrcPort == 80 && tcp.Options.HasTimestamps {
				seen.Add(1)
				if int32(tcp.Options.TSVal-last.Swap(tcp.Options.TSVal)) < 0 && seen.Load() > 1 {
					backwards.Add(1)
				}
			}
			return stacktest.Pass
		})

		delaying.Write([]byte("keeps the queue for 10 ms"))
		time.Sleep(time.Millisecond)
		// So these are read at once. The first keeps the queue for another 10 ms; then comes the second's ACK.
		delaying.(*Conn).SetLinger(0)
		delaying.Close()
		client.Write(make([]byte, 4000))
		time.Sleep(14 * time.Millisecond)
		server.Write([]byte("sent before that ACK"))
		time.Sleep(10 * time.Millisecond)
		if seen.Load() < 2 {
			t.Fatalf("%d segments, want data and an ACK", seen.Load())
		}
		if backwards.Load() > 0 {
			t.Error("the ACK's timestamp is older than that of the data before")
		}
	})
}
