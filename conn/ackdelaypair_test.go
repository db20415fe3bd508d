package conn_test

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
)

// A client that writes each request in two pieces, with Nagle's algorithm, gets its replies two round trips after the
// request at the latest: the second piece waits for the ACK of the first, which is quick. A server whose requests come
// in one piece sends nothing but replies.
func TestRequestsInPieces(t *testing.T) {
	const piece, requests, rtt = 100, 20, 10 * time.Millisecond
	for _, pieces := range []int{1, 2} {
		p := conntest.NewPair(1, conn.Config{Nagle: conn.Nagle}, conntest.Link{Delay: rtt / 2})
		var asked conn.Time
		var took []time.Duration
		replies, got := 0, 0
		buffer := make([]byte, 1000)
		p.A.App = func(p *conntest.Pair, e *conntest.End) {
			if e.Conn.Ready()&conn.ReadyConnected == 0 {
				return
			}
			for {
				n, err := e.Conn.Read(buffer)
				if err != nil {
					break
				}
				if replies += n; n > 0 {
					took = append(took, p.Now.Sub(asked))
				}
			}
			if len(took) < requests && len(took) == replies && asked <= p.Now && got == replies*piece*pieces {
				asked = p.Now
				got = -1 // once
				for range pieces {
					e.Conn.Write(p.Now, buffer[:piece])
					p.Flush(e) // as two calls of write do
				}
			}
		}
		received := 0
		p.B.App = func(p *conntest.Pair, e *conntest.End) {
			for {
				n, err := e.Conn.Read(buffer)
				if err != nil {
					return
				}
				if received += n; received%(piece*pieces) == 0 {
					e.Conn.Write(p.Now, buffer[:1])
					got = received
				}
			}
		}
		p.Dial(p.A)
		run(t, p, 10*time.Second)
		if len(took) != requests {
			t.Fatalf("%d pieces: %d replies, want %d", pieces, len(took), requests)
		}
		for i, d := range took {
			if want := rtt*time.Duration(pieces) + 2*time.Millisecond; d > want {
				t.Errorf("%d pieces: reply %d took %v, want at most %v", pieces, i, d, want)
			}
		}
		if i := p.B.Conn.Info(p.Now); pieces == 1 && i.SegmentsSent-i.DataSegmentsSent > 2 {
			t.Errorf("the server has sent %d ACKs without data for %d requests, want none", i.SegmentsSent-i.DataSegmentsSent, requests)
		}
	}
}
