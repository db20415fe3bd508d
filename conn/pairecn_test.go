package conn_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
)

// All data arrives, whatever segments routers mark and lose. The Monitor checks that only permitted segments can be
// marked. Each kind of mark has its effect.
func TestMarkingLinks(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 4))
			cfg := conn.Config{
				ECN:               conn.ECNActive,
				CongestionControl: pick(r, conn.CUBIC, conn.Reno, conn.BBR),
				SACK:              pick(r, conn.Enabled, conn.Enabled, conn.Disabled),
			}
			p := conntest.NewPair(seed, cfg, conntest.Link{
				Delay:       5 * time.Millisecond,
				Jitter:      pick(r, 0, 10*time.Millisecond),
				Loss:        pick(r, 0, 0, 0.02),
				Duplication: pick(r, 0, 0.05),
				Marking:     pick(r, 0.01, 0.2, 1),
				GSOMaxSize:  pick(r, 1, 16000, 65000),
				Cut:         r.IntN(2) == 0,
			})
			p.A.ToSend, p.B.ToSend = randomBytes(seed, 300_000), randomBytes(seed+1, r.IntN(300_000))
			p.Dial(p.A)
			run(t, p, 2*time.Hour)
			finished(t, p)
			a, b := p.A.Conn.Info(p.Now), p.B.Conn.Info(p.Now)
			if a.ECN != b.ECN {
				t.Errorf("ECN %v and %v", a.ECN, b.ECN)
			}
			if a.ECN && p.Link.Marking == 1 && (a.ECEReductions == 0 || b.CEReceived == 0) {
				t.Errorf("all is marked: %+v, %+v", a.Counts, b.Counts)
			}
			ambiguous := cfg.SACK == conn.Disabled && p.Link.Duplication > 0 // three copies cause three duplicate ACKs
			if p.Link.Loss == 0 && p.Link.Jitter == 0 && !ambiguous && a.Retransmitted > 0 {
				t.Errorf("%d segments were sent again, and none was lost", a.Retransmitted)
			}
		})
	}
}

// With AccECN, all data arrives whatever segments routers mark and lose, and whatever a middlebox does to the flags and
// options. On a path that loses nothing, the sender's counters end as the receiver's.
func TestMarkingLinksWithAccECN(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			whole := seed%2 == 0
			cfg := conn.Config{
				ECN:               conn.ECNAccurate,
				CongestionControl: pick(r, conn.CUBIC, conn.Reno, conn.BBR),
				SACK:              pick(r, conn.Enabled, conn.Enabled, conn.Disabled),
				Timestamps:        pick(r, conn.Enabled, conn.Enabled, conn.Disabled),
			}
			link := conntest.Link{
				Delay:      5 * time.Millisecond,
				Marking:    pick(r, 0.01, 0.2, 1),
				GSOMaxSize: pick(r, 1, 16000, 65000),
				Cut:        r.IntN(2) == 0,
			}
			if !whole {
				link.Jitter, link.Loss, link.Duplication = pick(r, 0, 10*time.Millisecond), pick(r, 0, 0.02), pick(r, 0, 0.05)
				link.Box.AccECN = conntest.AccurateBox{
					ClearSYN: r.IntN(4) == 0, ClearField: r.IntN(4) == 0, Strip: r.IntN(4) == 0, Zero: r.IntN(4) == 0, Drop: r.IntN(3) == 0,
					Of: pick(r, "", "a", "b"),
				}
			}
			p := conntest.NewPair(seed, cfg, link)
			p.A.ToSend, p.B.ToSend = randomBytes(seed, 300_000), randomBytes(seed+1, r.IntN(300_000))
			p.Dial(p.A)
			run(t, p, 2*time.Hour)
			finished(t, p)
			a, b := p.A.Conn.Info(p.Now), p.B.Conn.Info(p.Now)
			if !whole {
				return
			}
			if !a.AccECN.Agreed || !b.AccECN.Agreed || a.AccECN.Failures|b.AccECN.Failures != 0 {
				t.Errorf("agreed %v and %v, failures %v and %v", a.AccECN.Agreed, b.AccECN.Agreed, a.AccECN.Failures, b.AccECN.Failures)
			}
			for name, i := range map[string][2]conn.Info{"a": {a, b}, "b": {b, a}} {
				from, to := i[0], i[1]
				if from.AccECN.Delivered != to.AccECN.Received || uint64(from.AccECN.DeliveredCE) != to.CEReceived {
					t.Errorf("%s has counted %+v and %d packets with CE, its peer %+v and %d", name, from.AccECN.Delivered,
						from.AccECN.DeliveredCE, to.AccECN.Received, to.CEReceived)
				}
				if link.Marking == 1 && to.AccECN.Received.CE > 0 && from.ECEReductions == 0 {
					t.Errorf("%s has not reduced its window", name)
				}
			}
		})
	}
}

// With marks instead of losses a transfer retransmits nothing and takes less time.
func TestMarksBesideLosses(t *testing.T) {
	took := map[bool]time.Duration{}
	for _, marks := range []bool{false, true} {
		link := conntest.Link{Delay: 20 * time.Millisecond, GSOMaxSize: 16000, Cut: true}
		if marks {
			link.Marking = 0.01
		} else {
			link.Loss = 0.01
		}
		p := conntest.NewPair(5, conn.Config{ECN: conn.ECNActive}, link)
		p.A.ToSend = randomBytes(1, 2_000_000)
		p.Dial(p.A)
		run(t, p, 2*time.Hour)
		finished(t, p)
		if i := p.A.Conn.Info(p.Now); marks && (i.Retransmitted > 0 || i.ECEReductions < 3) || !marks && i.ECEReductions > 0 {
			t.Errorf("marks %v: %+v", marks, i.Counts)
		}
		took[marks] = time.Duration(p.Now)
	}
	if took[true] >= took[false] {
		t.Errorf("%v with marks, %v with losses", took[true], took[false])
	}
}
