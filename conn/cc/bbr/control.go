package bbr

import (
	"time"

	"minitcp/conn/cc"
)

// control makes the rate and the window from the model (5.6).
func (b *Controller) control(a *cc.Ack) {
	if b.rate == 0 && a.SRTT > 0 {
		b.rate = cc.RateOf(pacingGain[startup].of(b.initial), a.SRTT)
	}
	b.setRate(pacingGain[b.state])
	b.setWindow(a)
}

// setRate: one in a hundred slower than the model says, so that queues shrink on the whole. Before the pipe has been full
// the rate does not come down: what was measured may be the application's (5.6.2).
func (b *Controller) setRate(g gain) {
	rate := g.ofRate(b.bw()).Times(99, 100)
	if rate > b.rate || b.full.reached && rate > 0 {
		b.rate = rate
	}
}

// quantum is what may leave together: a millisecond's worth (5.6.3).
func (b *Controller) quantum() int64 {
	return max(min(b.rate.Octets(time.Millisecond), 64<<10), 2*b.mss)
}

// quantized is a number of octets in flight, or what it takes to keep both hosts busy: one quantum each on the way out,
// under way, and gathered by the receiver (5.5.8).
func (b *Controller) quantized(n int64) int64 {
	n = max(n, 3*b.quantum(), 4*b.mss)
	if b.state == up {
		n += 2 * b.mss
	}
	return min(n, cc.MaxWindow)
}

// inFlight is what is in flight at a rate.
func (b *Controller) inFlight(rate cc.Rate, g gain) int64 { return b.quantized(b.product(rate, g)) }

// setWindow moves the window to where the model wants it: up by what was delivered, down at once (5.6.4).
func (b *Controller) setWindow(a *cc.Ack) {
	most := b.quantized(min(b.product(b.bw(), windowGain[b.state])+b.aggregate.extra(), cc.MaxWindow))
	switch {
	case b.full.reached:
		b.window = min(b.window+a.Acked, most)
	case b.window < most || b.delivered < b.initial:
		b.window += a.Acked
	}
	b.window = max(b.window, 4*b.mss)
	if b.state == probeRTT {
		b.window = min(b.window, b.probeRTTWindow())
	}
	b.boundWindow()
}

// boundWindow applies the limits (5.6.4.7).
func (b *Controller) boundWindow() {
	most := b.bounds.inFlight
	switch b.state {
	case down, refill, up:
		most = min(most, b.bounds.longTerm)
	case cruise, probeRTT:
		most = min(most, b.headroom())
	}
	b.window = min(b.window, max(most, 4*b.mss), cc.MaxWindow)
}

// saveWindow remembers the window before something makes it smaller for a while.
func (b *Controller) saveWindow() {
	if b.recovering || b.state == probeRTT {
		b.prior = max(b.prior, b.window)
		return
	}
	b.prior = b.window
}

func (b *Controller) restoreWindow() { b.window = max(b.window, b.prior) }
