package cc

import (
	"math"
	"testing"
	"time"
)

// cubicModel is RFC 9438 as written, in floating point, with windows in segments and times in seconds.
type cubicModel struct {
	cwnd, wMax, prior, wEst, k, epoch float64
	begun                             bool
	friendly, concave, convex         int // ACKs in each region (4.3 to 4.5)
}

// loss: 4.6 and 4.7.
func (m *cubicModel) loss() {
	m.prior = m.cwnd
	if m.cwnd < m.wMax {
		m.wMax = m.cwnd * (1 + 0.7) / 2
	} else {
		m.wMax = m.cwnd
	}
	m.cwnd = max(0.7*m.cwnd, 2)
	m.begun = false
}

// ack: 4.2 to 4.5.
func (m *cubicModel) ack(now, rtt, acked float64) {
	if !m.begun {
		m.begun, m.epoch, m.wEst = true, now, m.cwnd
		m.k = math.Cbrt((m.wMax - m.cwnd) / 0.4)
	}
	alpha := 3 * (1 - 0.7) / (1 + 0.7)
	if m.wEst >= m.prior {
		alpha = 1
	}
	m.wEst += alpha * acked / m.cwnd
	w := func(t float64) float64 { return 0.4*math.Pow(t-m.k, 3) + m.wMax }
	t := now - m.epoch
	switch {
	case w(t) < m.wEst:
		m.cwnd = m.wEst
		m.friendly++
		return
	case m.cwnd < m.wMax:
		m.concave++
	default:
		m.convex++
	}
	target := min(max(w(t+rtt), m.cwnd), 1.5*m.cwnd)
	m.cwnd += (target - m.cwnd) / m.cwnd * acked
}

// In congestion avoidance the window equals that of the RFC's formulas after every round trip. A row is a path with
// losses after the given numbers of round trips.
func TestCubicModel(t *testing.T) {
	for _, c := range []struct {
		name                      string
		segments                  int64
		rtt                       time.Duration
		losses                    []int
		rounds                    int
		friendly, concave, convex bool
	}{
		{"short path: Reno's window", 20, time.Millisecond, []int{0}, 300, true, false, false},
		{"more segments than a segment has bytes", 2000, time.Millisecond, []int{0}, 100, true, false, false},
		{"Reno at first, and then the curve", 40, 30 * time.Millisecond, []int{0}, 600, true, false, true},
		{"to the loss and beyond it", 1000, 100 * time.Millisecond, []int{0}, 160, false, true, true},
		{"a loss at the plateau", 1000, 100 * time.Millisecond, []int{0, 100}, 200, false, true, true},
		{"room for a newcomer: a loss before it is back", 1000, 100 * time.Millisecond, []int{0, 20}, 120, false, true, true},
		{"one loss after another", 2000, 100 * time.Millisecond, []int{0, 5, 10, 15}, 150, false, true, true},
		{"a long path", 5000, 300 * time.Millisecond, []int{0, 60}, 100, false, true, true},
		{"no less than two segments", 2, 10 * time.Millisecond, []int{0}, 100, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			const mss = 1448
			cubic := NewCubic(mss, c.segments*mss)
			cubic.ssthresh = 1
			m := &cubicModel{cwnd: float64(c.segments)}
			now, losses := time.Second, c.losses
			for round := range c.rounds {
				if len(losses) > 0 && losses[0] == round {
					losses = losses[1:]
					cubic.OnLoss(Loss{Now: now, InFlight: cubic.Window(), Full: true})
					m.loss()
				}
				for left := int64(m.cwnd + 0.5); left > 0; left-- { // one ACK for every segment, over the round trip
					at := now + c.rtt - c.rtt*time.Duration(left)/time.Duration(int64(m.cwnd+0.5)+1)
					cubic.OnAck(Ack{Now: at, Acked: mss, Limited: true, SRTT: c.rtt})
					m.ack(at.Seconds(), c.rtt.Seconds(), 1)
				}
				now += c.rtt
				got := float64(cubic.Window()) / mss
				if math.Abs(got-m.cwnd) > 1+0.01*m.cwnd {
					t.Fatalf("after %d round trips %.2f segments, want %.2f", round+1, got, m.cwnd)
				}
			}
			if m.friendly > 100 != c.friendly || // the first ACK of an epoch always is
				m.concave > 0 != c.concave || m.convex > 0 != c.convex {
				t.Errorf("the test is wrong: %d ACKs in Reno's region, %d before the middle, %d beyond", m.friendly, m.concave, m.convex)
			}
		})
	}
}
