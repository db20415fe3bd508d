package cc

import "time"

// control makes the rate and the window from the model (5.6).
func (b *BBR) control(a *Ack) {
	if b.rate == 0 && a.SRTT > 0 {
		b.rate = RateOf(bbrPacing[bbrStartup].of(b.initial), a.SRTT)
	}
	b.setRate(bbrPacing[b.state])
	b.setWindow(a)
}

// setRate: one in a hundred slower than the model says, so that queues shrink on the whole. Before the pipe has been full
// the rate does not come down: what was measured may be the application's (5.6.2).
func (b *BBR) setRate(g gain) {
	rate := g.ofRate(b.bw()).Times(99, 100)
	if rate > b.rate || b.full.reached && rate > 0 {
		b.rate = rate
	}
}

// quantum is what may leave together: a millisecond's worth (5.6.3).
func (b *BBR) quantum() int64 {
	return max(min(b.rate.Octets(time.Millisecond), 64<<10), 2*b.mss)
}

// quantized is a number of octets in flight, or what it takes to keep both hosts busy: one quantum each on the way out,
// under way, and gathered by the receiver (5.5.8).
func (b *BBR) quantized(n int64) int64 {
	n = max(n, 3*b.quantum(), 4*b.mss)
	if b.state == bbrUp {
		n += 2 * b.mss
	}
	return min(n, maxWindow)
}

// inFlight is what is in flight at a rate.
func (b *BBR) inFlight(rate Rate, g gain) int64 { return b.quantized(b.product(rate, g)) }

// setWindow moves the window to where the model wants it: up by what was delivered, down at once (5.6.4).
func (b *BBR) setWindow(a *Ack) {
	most := b.quantized(min(b.product(b.bw(), bbrWindow[b.state])+b.aggregate.extra(), maxWindow))
	switch {
	case b.full.reached:
		b.window = min(b.window+a.Acked, most)
	case b.window < most || b.delivered < b.initial:
		b.window += a.Acked
	}
	b.window = max(b.window, 4*b.mss)
	if b.state == bbrProbeRTT {
		b.window = min(b.window, b.probeRTTWindow())
	}
	b.boundWindow()
}

// boundWindow applies the limits (5.6.4.7).
func (b *BBR) boundWindow() {
	most := b.bounds.inFlight
	switch b.state {
	case bbrDown, bbrRefill, bbrUp:
		most = min(most, b.bounds.longTerm)
	case bbrCruise, bbrProbeRTT:
		most = min(most, b.headroom())
	}
	b.window = min(b.window, max(most, 4*b.mss), maxWindow)
}

// saveWindow remembers the window before something makes it smaller for a while.
func (b *BBR) saveWindow() {
	if b.recovering || b.state == bbrProbeRTT {
		b.prior = max(b.prior, b.window)
		return
	}
	b.prior = b.window
}

func (b *BBR) restoreWindow() { b.window = max(b.window, b.prior) }
