package bbr

import (
	"time"

	"minitcp/conn/cc"
)

// control derives the rate and the window from the model (5.6).
func (b *Controller) control(a *cc.Ack) {
	if b.rate == 0 && a.SRTT > 0 {
		b.rate = cc.RateOf(pacingGain[startup].of(b.initial), a.SRTT)
	}
	b.least = cc.RateOf(b.mss, a.SRTT)
	b.setRate(pacingGain[b.state])
	b.setWindow(a)
}

// setRate sets the rate to 1 % less than the model's times g, so that queues shrink on average. Before the pipe is
// full the rate does not fall, because the application may have limited the measured one (5.6.2).
//
// Deviation: the rate is at least one segment in a round trip, which a path carries that has one sender. The first rate
// may be measured across a retransmission timeout, and be a hundredth of the path's. Each retransmission would then
// wait in the pacer for longer than the next timeout.
func (b *Controller) setRate(g gain) {
	rate := g.ofRate(b.bw()).Times(99, 100)
	if rate > 0 {
		rate = max(rate, b.least)
	}
	if rate > b.rate || b.full.reached && rate > 0 {
		b.rate = rate
	}
}

// quantum returns the number of bytes that may leave at once, those of a millisecond (5.6.3).
func (b *Controller) quantum() int64 {
	return max(min(b.rate.Bytes(time.Millisecond), 64<<10), 2*b.mss)
}

// quantized returns n bytes in flight, raised to the minimum that keeps both hosts busy: one quantum each in the
// sender, on the path, and in the receiver (5.5.8).
func (b *Controller) quantized(n int64) int64 {
	n = max(n, 3*b.quantum(), 4*b.mss)
	if b.state == up {
		n += 2 * b.mss
	}
	return min(n, cc.MaxWindow)
}

// inFlight returns the bytes in flight at a rate with a gain, quantized.
func (b *Controller) inFlight(rate cc.Rate, g gain) int64 { return b.quantized(b.product(rate, g)) }

// setWindow moves the window to the model's. It grows by the bytes delivered and falls at once (5.6.4).
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

// boundWindow applies the limits of bounds (5.6.4.7).
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

// saveWindow records the window before a temporary reduction.
func (b *Controller) saveWindow() {
	if b.recovering || b.state == probeRTT {
		b.prior = max(b.prior, b.window)
		return
	}
	b.prior = b.window
}

// restoreWindow ends a temporary reduction of the window.
func (b *Controller) restoreWindow() { b.window = max(b.window, b.prior) }
