package timing

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn"
)

// owner has a timer.
type owner struct{ timer Timer[owner] }

func newOwner() *owner {
	o := &owner{}
	o.timer.Owner = o
	return o
}

// Random arming and disarming against a plain list: nothing fires early, nothing late, nothing twice or never.
func TestWheelModel(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := NewWheel[owner](NewClock(), nil)
		w.timer.Stop()
		w.running = true // the test moves time
		nodes := make([]*owner, 200)
		armed := make(map[*owner]int64) // tick
		for i := range nodes {
			nodes[i] = newOwner()
		}
		now := int64(0)
		for range 3000 {
			e := nodes[r.IntN(len(nodes))]
			switch r.IntN(10) {
			case 0:
				w.Disarm(&e.timer)
				delete(armed, e)
			case 1, 2:
				step := int64(1) << r.IntN(24)
				now += r.Int64N(step)
				due := w.advance(now, nil)
				for _, d := range due {
					at, ok := armed[d]
					if !ok || at > now {
						t.Fatalf("seed %d: fired at %d, armed for %d (%v)", seed, now, at, ok)
					}
					delete(armed, d)
				}
				for d, at := range armed {
					if at <= now {
						t.Fatalf("seed %d: not fired at %d, armed for %d (%d)", seed, now, at, d.timer.at.Load())
					}
				}
			default:
				at := now + 1 + r.Int64N(int64(1)<<r.IntN(40))
				old, ok := armed[e]
				w.Arm(&e.timer, conn.Time(at*tick))
				if !ok || at < old {
					armed[e] = at // a later deadline does not move it
				}
			}
		}
	}
}

// Through the clock: each fires at its millisecond, and a deadline of the past at once.
func TestWheelFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *Wheel[owner]
		clock := NewClock()
		fired := make(map[*owner][]conn.Time)
		w = NewWheel(clock, func(now conn.Time, due []*owner) {
			for _, e := range due {
				fired[e] = append(fired[e], now)
			}
		})
		deadlines := []time.Duration{0, 1, time.Microsecond, time.Millisecond, 40 * time.Millisecond, 63 * time.Millisecond,
			64 * time.Millisecond, 65 * time.Millisecond, time.Second, 4096 * time.Millisecond, time.Minute, 2 * time.Hour, 30 * 24 * time.Hour}
		var entries []*owner
		for _, d := range deadlines {
			e := newOwner()
			w.Arm(&e.timer, conn.Time(d))
			entries = append(entries, e)
		}
		time.Sleep(31 * 24 * time.Hour)
		w.Close()
		for i, d := range deadlines {
			got := fired[entries[i]]
			if len(got) != 1 || got[0] < conn.Time(d) || got[0] > conn.Time(d+time.Millisecond) {
				t.Errorf("armed for %v, fired at %v", d, got)
			}
		}
		if !slices.IsSorted(deadlines) {
			t.Error("the deadlines are not sorted")
		}
	})
}
