package conn_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
)

// Two ends that write now and then, over links of every kind, are idle most of the time. All data arrives, and both
// directions close.
func TestPairsThatHibernate(t *testing.T) {
	idle := 0
	for seed := range uint64(150) {
		s := conntest.Draw(seed)
		s.Link.Outages, s.Link.Changes = nil, nil // they are soon over
		r := rand.New(rand.NewPCG(seed, 4))
		cfg := s.Config
		cfg.CongestionControl = s.Flows[0].Controller
		cfg.KeepAlive = conn.KeepAlive{Enable: r.IntN(2) == 0, Idle: time.Duration(1+r.IntN(60)) * time.Second}
		p := conntest.NewPair(seed, cfg, s.Link)
		p.A.ToSend, p.B.ToSend = randomBytes(seed, r.IntN(100_000)), randomBytes(seed+1, r.IntN(100_000))
		app := func() func(*conntest.Pair, *conntest.End) {
			next, piece, pause := conn.Time(0), 5000+r.IntN(20_000), 5+r.IntN(50)
			return func(p *conntest.Pair, e *conntest.End) {
				if conn.Idle(e.Conn) {
					idle++
				}
				switch {
				case e.Conn.Ready()&conn.ReadyConnected == 0:
					return
				case e.Sent == len(e.ToSend) && p.Now >= next:
					conntest.Transfer(p, e)
					return
				case p.Now >= next:
					e.Write(p, piece)
					next = p.Now.Add(time.Duration(pause) * time.Second)
				}
				for e.Read(p, 10_000) {
				}
				e.Wake = max(next, p.Now+1)
			}
		}
		p.A.App, p.B.App = app(), app()
		p.Dial(p.A)
		if err := p.Run(24 * time.Hour); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := p.Finished(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if idle < 1000 {
		t.Errorf("idle %d times", idle)
	}
}
