package stack

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

var algorithms = []conn.CongestionControl{conn.CUBIC, conn.Reno, conn.BBR}

// The algorithm is the stack's, the listener's, or one set on the connection at any time.
func TestCongestionControl(t *testing.T) {
	for _, a := range algorithms {
		t.Run(a.String(), func(t *testing.T) {
			within(t, func(t *testing.T) {
				p := newPairOn(t, stacktest.Config{}, Config{}, Config{Conn: conn.Config{CongestionControl: a}})
				l := p.listen()
				c, s := p.connect(l)
				want := func(c *Conn, want conn.CongestionControl) {
					t.Helper()
					if got := c.Info().CongestionControl; got != want {
						t.Errorf("%v, want %v", got, want)
					}
				}
				want(c, conn.CUBIC)
				want(s, a)
				if err := c.SetCongestionControl(a); err != nil {
					t.Error(err)
				}
				want(c, a)
				for _, other := range algorithms {
					if err := l.SetCongestionControl(other); err != nil {
						t.Error(err)
					}
					_, s := p.connect(l)
					want(s, other)
				}
				l.Close()
				wantOpError(t, l.SetCongestionControl(a), "set", net.ErrClosed)
			})
		})
	}
}

// Two megabytes over a link that loses one frame in fifty, while the algorithm changes now and then: also in loss
// recovery.
func TestChangeCongestionControl(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		c, s := p.connect(l)
		random := rand.New(rand.NewPCG(1, 2))
		p.da.SetHook(locked(func([]byte) stacktest.Fate {
			if random.IntN(50) == 0 {
				return stacktest.Drop
			}
			return stacktest.Pass
		}))
		var wait sync.WaitGroup
		done := make(chan struct{})
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-time.After(7 * time.Millisecond):
					if err := c.SetCongestionControl(algorithms[i%len(algorithms)]); err != nil {
						t.Error(err)
					}
				}
			}
		})
		wait.Go(func() { sendAndClose(t, c, 1, 2<<20) })
		receiveAll(t, s, 1, 2<<20)
		close(done)
		wait.Wait()
		if c.Info().Retransmitted == 0 {
			t.Error("nothing was lost")
		}
		s.Close()
		io.Copy(io.Discard, c)
	})
}
