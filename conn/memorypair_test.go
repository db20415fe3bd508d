package conn_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
)

// A transfer completes although its ends repeatedly discard their data out of order, and all memory is returned.
func TestDiscardDuringTransfer(t *testing.T) {
	shed := 0
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := conntest.NewPair(seed, conn.Config{}, conntest.Link{
			Delay: 10 * time.Millisecond, Jitter: pick(r, 0, 5*time.Millisecond), Loss: 0.03, Rate: 5_000_000, Queue: 200_000,
			Duplication: 0.02, GSOMaxSize: pick(r, 1, 16000),
		})
		p.A.ToSend, p.B.ToSend = randomBytes(seed, 300_000), randomBytes(seed+1, 300_000)
		discard := func(p *conntest.Pair, e *conntest.End) {
			if e.Conn != nil && e.Conn.OutOfOrderMemory() > 0 && r.IntN(20) == 0 {
				e.Conn.DiscardOutOfOrder()
				shed++
			}
			conntest.Transfer(p, e)
		}
		p.A.App, p.B.App = discard, discard
		p.Dial(p.A)
		run(t, p, 20*time.Minute)
		finished(t, p)
	}
	if shed < 200 {
		t.Errorf("early data was discarded %d times, want 200", shed)
	}
}
