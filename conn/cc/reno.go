package cc

// Reno is the congestion control of RFC 5681: slow start, congestion avoidance, and a halved window after a loss.
type Reno struct {
	lossBased

	mss      int64
	window   int64
	ssthresh int64
	credit   int64 // octets acknowledged in congestion avoidance since the window last grew

	before struct{ window, ssthresh int64 } // the last reduction; 0: it has been undone
}

// NewReno returns a controller for segments of mss octets that begins with the given window, usually [InitialWindow].
func NewReno(mss int, window int64) *Reno {
	return &Reno{mss: int64(mss), window: window, ssthresh: MaxWindow}
}

// Window implements [Controller].
func (r *Reno) Window() int64 { return r.window }

// SlowStartThreshold implements [Controller].
func (r *Reno) SlowStartThreshold() int64 { return r.ssthresh }

// OnAck grows the window by what was acknowledged in slow start, and by one segment per window in congestion avoidance
// (RFC 5681 3.1, counting octets as RFC 3465 does, so that receivers that acknowledge rarely do not slow the sender).
//
// Deviation: RFC 3465 2.2 lets one ACK grow the window in slow start by two segments at most. Where superframes arrive
// one ACK stands for dozens of segments, and slow start would not double any more.
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

// OnLoss halves what was in flight (RFC 5681 3.2, equation 4).
func (r *Reno) OnLoss(l Loss) {
	window := r.window
	r.cut(l)
	r.window = r.ssthresh
	if l.ECN {
		r.window = min(r.window, window) // the least threshold is more than the least window
	}
}

// OnTimeout starts again from one segment (RFC 5681 3.1), beside what is not taken for lost (RFC 8985 6.3). The threshold is cut once per loss, not once per retry.
func (r *Reno) OnTimeout(l Loss) {
	if !l.Again {
		r.cut(l)
	}
	r.window = min(l.Pipe+r.mss, MaxWindow)
}

func (r *Reno) cut(l Loss) {
	r.before.window, r.before.ssthresh = r.window, r.ssthresh
	num, den := int64(1), int64(2)
	if l.ECN {
		num, den = 8, 10 // RFC 8511 3.1
	}
	// What limited transmit has sent beyond the window must not count (RFC 5681 3.2, step 2).
	r.ssthresh = max(min(l.InFlight, r.window)*num/den, 2*r.mss)
	r.credit = 0
}

// OnSpurious gives the window back.
func (r *Reno) OnSpurious() {
	if r.before.window == 0 {
		return
	}
	r.window, r.ssthresh = max(r.window, r.before.window), max(r.ssthresh, r.before.ssthresh)
	r.before.window = 0
}

// OnIdle begins again with the initial window, and slow start up to near where it was.
func (r *Reno) OnIdle() {
	r.ssthresh = max(r.ssthresh, r.window*3/4)
	r.window = min(r.window, InitialWindow(int(r.mss)))
	r.credit = 0
}

// Resume implements [Controller].
func (r *Reno) Resume(threshold int64) { r.ssthresh = threshold }

// SetMSS keeps the window counted in octets and at least one segment.
func (r *Reno) SetMSS(mss int) {
	r.mss = int64(mss)
	r.window = max(r.window, r.mss)
}
