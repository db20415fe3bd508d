package cc

// Reno is the congestion control of RFC 5681: slow start, congestion avoidance, and a halved window after a loss.
type Reno struct {
	lossBased

	mss      int64
	window   int64
	ssthresh int64
	credit   int64 // bytes acknowledged in congestion avoidance since the window last grew

	before struct{ window, ssthresh int64 } // values before the last reduction; 0 if it has been undone
}

// NewReno returns a controller for segments of mss bytes with the given initial window, usually [InitialWindow].
func NewReno(mss int, window int64) *Reno {
	return &Reno{mss: int64(mss), window: window, ssthresh: MaxWindow}
}

// Window implements [Controller].
func (r *Reno) Window() int64 { return r.window }

// SlowStartThreshold implements [Controller].
func (r *Reno) SlowStartThreshold() int64 { return r.ssthresh }

// OnAck implements [Controller]. In slow start the window grows by the bytes acknowledged, in congestion avoidance by
// one segment per window (RFC 5681 3.1). Growth counts bytes, not ACKs, so that a receiver that acknowledges rarely
// does not slow the sender (RFC 3465).
//
// Deviation: RFC 3465 2.2 limits the growth for one ACK in slow start to two segments. A receiver of GSO packets
// acknowledges dozens of segments with one ACK; with the limit, slow start would no longer double the window.
func (r *Reno) OnAck(a Ack) {
	if !a.Limited {
		return
	}
	acked := a.Acked
	if r.window < r.ssthresh {
		grow := min(acked, r.ssthresh-r.window)
		r.grow(grow)
		acked -= grow
	}
	if acked == 0 {
		return
	}
	r.credit += acked
	if r.credit >= r.window {
		r.credit -= r.window
		r.grow(r.mss)
	}
}

func (r *Reno) grow(n int64) { r.window = min(r.window+n, MaxWindow) }

// OnLoss implements [Controller]. The window becomes half of the bytes in flight (RFC 5681 3.2, equation 4).
func (r *Reno) OnLoss(l Loss) {
	window := r.window
	r.cut(l)
	r.window = r.ssthresh
	if l.ECN {
		r.window = min(r.window, window) // the smallest threshold exceeds the smallest window
	}
}

// OnTimeout implements [Controller]. The window allows one segment in addition to those not declared lost (RFC 5681
// 3.1, RFC 8985 6.3). The threshold is reduced once for a loss, not for each retransmission.
func (r *Reno) OnTimeout(l Loss) {
	if !l.Again {
		r.cut(l)
	}
	r.window = min(l.Pipe+r.mss, MaxWindow)
}

// cut reduces the threshold.
func (r *Reno) cut(l Loss) {
	r.before.window, r.before.ssthresh = r.window, r.ssthresh
	num, den := int64(1), int64(2)
	if l.ECN {
		num, den = 8, 10 // RFC 8511 3.1
	}
	// Segments that limited transmit sent beyond the window do not count (RFC 5681 3.2, step 2).
	r.ssthresh = max(min(l.InFlight, r.window)*num/den, 2*r.mss)
	r.credit = 0
}

// OnSpurious implements [Controller]. It restores the window.
func (r *Reno) OnSpurious() {
	if r.before.window == 0 {
		return
	}
	r.window, r.ssthresh = max(r.window, r.before.window), max(r.ssthresh, r.before.ssthresh)
	r.before.window = 0
}

// OnIdle implements [Controller]. Slow start begins again with the initial window and ends at three quarters of the old
// one.
func (r *Reno) OnIdle() {
	r.ssthresh = max(r.ssthresh, r.window*3/4)
	r.window = min(r.window, InitialWindow(int(r.mss)))
	r.credit = 0
}

// Resume implements [Controller].
func (r *Reno) Resume(threshold int64) { r.ssthresh = threshold }

// SetMSS implements [Controller]. The window keeps its size in bytes, at least one segment.
func (r *Reno) SetMSS(mss int) {
	r.mss = int64(mss)
	r.window = max(r.window, r.mss)
}
