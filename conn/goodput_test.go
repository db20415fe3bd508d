package conn_test

import (
	"cmp"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
)

// bulk is an application that always has more to send, to one that reads it all, over a path of 100 Mbit/s and 40 ms.
type bulk struct {
	pair     *conntest.Pair
	received int
	inFlight int64 // the most ever
}

const (
	pathRate = 12_500_000 // bytes per second
	pathBDP  = 500_000
)

func newBulk(seed uint64, a conn.CongestionControl, link conntest.Link) *bulk {
	link.Delay = cmp.Or(link.Delay, 20*time.Millisecond)
	link.Rate = pathRate
	return newBulkOver(seed, a, link)
}

// newBulkOver acts like newBulk over any link.
func newBulkOver(seed uint64, a conn.CongestionControl, link conntest.Link) *bulk {
	b := makeBulk(seed, conn.Config{CongestionControl: a}, link)
	b.pair.Dial(b.pair.A)
	return b
}

// makeBulk returns a bulk that has not dialed.
func makeBulk(seed uint64, cfg conn.Config, link conntest.Link) *bulk {
	link.GSOMaxSize, link.Cut = 65000, true
	cfg.SendBuffer, cfg.ReceiveBuffer = 32<<20, 32<<20
	b := &bulk{pair: conntest.NewPair(seed, cfg, link)}
	data, buffer := make([]byte, 65536), make([]byte, 1<<20)
	b.pair.A.App = func(p *conntest.Pair, e *conntest.End) {
		for e.Conn.Ready()&(conn.ReadyConnected|conn.ReadyWrite) == conn.ReadyConnected|conn.ReadyWrite {
			e.Conn.Write(p.Now, data)
		}
	}
	b.pair.B.App = func(p *conntest.Pair, e *conntest.End) {
		for {
			n, err := e.Conn.Read(buffer)
			if b.received += n; err != nil {
				return
			}
		}
	}
	return b
}

// run runs the transfer for a time and returns the goodput in Mbit/s.
func (b *bulk) run(t *testing.T, d time.Duration) float64 {
	t.Helper()
	before := b.received
	end := b.pair.Now.Add(d)
	for b.pair.Now < end {
		if !b.pair.Step() {
			t.Fatal(b.pair.Run(0))
		}
		b.inFlight = max(b.inFlight, b.pair.A.Conn.Info(b.pair.Now).InFlight)
	}
	return float64(b.received-before) * 8 / d.Seconds() / 1e6
}

// BBR fills a path that loses up to one segment in a hundred: 95 of the 95 percent Linux's BBR fills. With more, where
// it is not to, it is still far ahead of CUBIC. The segments' headers take 3.5 % of the path.
func TestBBRFillsLossyPath(t *testing.T) {
	for _, loss := range []float64{0, 0.001, 0.01, 0.03} {
		b := newBulk(1, conn.BBR, conntest.Link{Loss: loss, Queue: pathBDP})
		b.run(t, time.Second)
		got := b.run(t, 3*time.Second)
		want := 0.95 * 95
		if loss > 0.02 {
			c := newBulk(1, conn.CUBIC, conntest.Link{Loss: loss, Queue: pathBDP})
			c.run(t, time.Second)
			want = 5 * c.run(t, 3*time.Second)
		}
		if i := b.pair.A.Conn.Info(b.pair.Now); got < want || i.Timeouts > 0 || i.Spurious > 0 {
			t.Errorf("loss of %.1f %%: %.1f Mbit/s, want %.1f; %d timeouts, %d needless episodes", loss*100, got, want, i.Timeouts, i.Spurious)
		}
	}
}

// A queue of a second stays nearly empty: a packet between BBR's takes less than two and a half times as long as the
// path does. CUBIC fills the path without loss, and such a queue in the end.
func TestQueue(t *testing.T) {
	b := newBulk(1, conn.BBR, conntest.Link{Queue: pathRate})
	b.run(t, 3*time.Second)
	if b.inFlight > 5*pathBDP/2 {
		t.Errorf("%d bytes in flight, %d fit the path", b.inFlight, pathBDP)
	}
	c := newBulk(1, conn.CUBIC, conntest.Link{Queue: pathBDP})
	c.run(t, time.Second)
	if got := c.run(t, 3*time.Second); got < 95 {
		t.Errorf("CUBIC: %.1f Mbit/s, want 95", got)
	}
}
