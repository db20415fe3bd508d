package cc

import (
	"math/bits"
	"time"
)

// Cubic is the congestion control of RFC 9438. After a loss the window grows along a cubic function of time, slowly
// near the size at which the loss occurred and fast beyond it, and never more slowly than Reno's. HyStart++ ends slow
// start early (RFC 9406). The arithmetic is in integers, with the same results on every processor.
type Cubic struct {
	lossBased

	mss      int64
	window   int64
	ssthresh int64
	hystart  hystart

	// The curve is wMax + C*mss*(t-k)^3 bytes, with t from the beginning of the epoch.
	wMax   int64
	k      time.Duration
	epoch  time.Duration // beginning of congestion avoidance, moved on by idle times; 0 before it
	prior  int64         // window before the last reduction: cwnd_prior
	last   time.Duration // arrival of the last ACK
	credit int64         // growth of less than a segment, in bytes, not yet added to the window
	reno   int64         // W_est, the window that Reno would have, in units of 1/fractions byte

	before undo
}

// undo is the state before a reduction, which a spurious one restores (RFC 9438 4.9).
type undo struct {
	valid                         bool
	window, ssthresh, wMax, prior int64
	k, epoch                      time.Duration
	credit, reno                  int64
	over                          bool // hystart.over
}

const (
	// beta_cubic is 0.7, C is 0.4 (RFC 9438 4.1.2, 5), alpha_cubic is 3*(1-0.7)/(1+0.7) = 9/17 (4.3).
	betaNum, betaDen   = 7, 10
	alphaNum, alphaDen = 9, 17

	// fractions is the number of units of W_est in a byte: an ACK moves W_est by less than a byte.
	fractions = 1 << 10
)

// NewCubic returns a controller for segments of mss bytes with the given initial window, usually [InitialWindow].
func NewCubic(mss int, window int64) *Cubic {
	return &Cubic{mss: int64(mss), window: window, ssthresh: MaxWindow, hystart: newHystart()}
}

// Window implements [Controller].
func (c *Cubic) Window() int64 { return c.window }

// SlowStartThreshold implements [Controller].
func (c *Cubic) SlowStartThreshold() int64 { return c.ssthresh }

// OnAck implements [Controller].
func (c *Cubic) OnAck(a Ack) {
	idle := a.Now - c.last
	c.last = a.Now
	acked := a.Acked
	if c.window < c.ssthresh {
		if c.hystart.onAck(a) {
			c.ssthresh = c.window
		}
		if !a.Limited {
			return
		}
		grow := min(c.hystart.growth(acked), c.ssthresh-c.window)
		c.window = min(c.window+grow, MaxWindow)
		acked = max(0, acked-grow)
		if c.window < c.ssthresh || acked == 0 {
			return
		}
	}
	if !a.Limited {
		// A window that is not full gives no information. The epoch moves on, so that time without data adds no growth
		// (RFC 9438 5.8).
		if c.epoch != 0 {
			c.epoch += idle
		}
		return
	}
	c.avoid(a, acked)
}

// avoid grows the window in congestion avoidance (RFC 9438 4.2 to 4.5).
func (c *Cubic) avoid(a Ack, acked int64) {
	if c.epoch == 0 {
		c.begin(a.Now)
	}
	c.estimate(acked)
	t := a.Now - c.epoch
	if reno := c.reno / fractions; c.curve(t) < reno { // the Reno-friendly region
		c.window = min(max(c.window, reno), MaxWindow)
		c.credit = 0
		return
	}
	// The target is the curve's value a round trip from now, at most one and a half windows.
	target := min(max(c.curve(t+a.SRTT), c.window), c.window+c.window/2)
	c.credit += MulDiv(target-c.window, acked, c.window)
	if c.credit >= c.mss {
		c.window = min(c.window+c.credit, MaxWindow)
		c.credit = 0
	}
}

// begin starts an epoch: the curve goes through the window at its start (RFC 9438 4.2).
func (c *Cubic) begin(now time.Duration) {
	c.epoch = now
	c.reno, c.credit = c.window*fractions, 0
	if c.prior == 0 {
		c.prior = c.window
	}
	if c.wMax <= c.window {
		c.wMax, c.k = c.window, 0
		return
	}
	c.k = inflection(c.wMax-c.window, c.mss)
}

// estimate grows W_est. It grows by less than Reno's one segment per window, because the reductions are smaller than
// Reno's, until it has reached the window of the last reduction (RFC 9438 4.3).
func (c *Cubic) estimate(acked int64) {
	grow := MulDiv(c.mss*fractions*alphaNum, acked, c.window*alphaDen)
	if c.reno >= c.prior*fractions {
		grow = MulDiv(c.mss*fractions, acked, c.window)
	}
	c.reno = min(c.reno+grow, MaxWindow*fractions)
}

// unit is the unit of time in which the curve is computed.
const unit = time.Second / 1024

// curve returns W_cubic(t), at least one segment.
func (c *Cubic) curve(t time.Duration) int64 {
	d := int64((t - c.k) / unit)
	const far = 1 << 17 // two minutes from K the window is beyond any bound
	d = max(-far, min(d, far))
	cube := (d * d >> 4) * d >> 16 // 2^-10 cubic seconds
	return max(c.mss, min(c.wMax+MulDiv(cube, 2*c.mss, 5<<10), MaxWindow))
}

// inflection returns K, the time in which the curve grows by distance: (distance/(C*mss))^(1/3).
func inflection(distance, mss int64) time.Duration {
	hi, lo := bits.Mul64(uint64(distance)*5, 1<<30)
	den := uint64(2 * mss)
	if hi >= den {
		hi, lo = den-1, 1<<63
	}
	cube, _ := bits.Div64(hi, lo, den)
	return time.Duration(cubeRoot(cube)) * unit
}

// cubeRoot returns the largest r whose cube is at most x.
func cubeRoot(x uint64) uint64 {
	var r uint64
	for bit := uint64(1) << 20; bit > 0; bit >>= 1 {
		if try := r | bit; try*try*try <= x {
			r = try
		}
	}
	return r
}

// OnLoss implements [Controller] by multiplicative decrease and fast convergence (RFC 9438 4.6, 4.7).
func (c *Cubic) OnLoss(l Loss) {
	window := c.window
	c.reduce(l)
	c.window = c.ssthresh
	if l.ECN {
		c.window = min(c.window, window) // the smallest threshold exceeds the smallest window
	}
}

// OnTimeout implements [Controller]. The window allows one segment in addition to those not declared lost (RFC 9438
// 4.8, RFC 8985 6.3).
func (c *Cubic) OnTimeout(l Loss) {
	if !l.Again {
		c.reduce(l)
		c.wMax = 0 // K of the next epoch is 0
	}
	c.window = min(l.Pipe+c.mss, MaxWindow)
}

// reduce sets the threshold and the curve's origin after congestion.
func (c *Cubic) reduce(l Loss) {
	c.before = undo{true, c.window, c.ssthresh, c.wMax, c.prior, c.k, c.epoch, c.credit, c.reno, c.hystart.over}
	c.hystart.end()
	if !l.Full {
		c.window = min(c.window, max(l.InFlight, InitialWindow(int(c.mss))))
	}
	c.prior = c.window
	if c.window < c.wMax {
		c.wMax = c.window * (betaDen + betaNum) / (2 * betaDen) // fast convergence: another flow may be new
	} else {
		c.wMax = c.window
	}
	num, den := int64(betaNum), int64(betaDen)
	if l.ECN {
		num, den = 85, 100 // ABE: queues that mark are short (RFC 8511 3.1)
	}
	// The base is the window, not the bytes in flight. RFC 9438 4.6 permits that if a window that is not full does not
	// grow, as here (RFC 7661).
	c.ssthresh = max(c.window*num/den, 2*c.mss)
	c.epoch = 0
}

// OnSpurious implements [Controller].
func (c *Cubic) OnSpurious() {
	b := &c.before
	if !b.valid {
		return
	}
	c.window, c.ssthresh = max(c.window, b.window), max(c.ssthresh, b.ssthresh)
	c.wMax, c.prior, c.k, c.epoch = b.wMax, b.prior, b.k, b.epoch
	c.credit, c.reno = b.credit, b.reno
	c.hystart.over = b.over
	b.valid = false
}

// OnIdle implements [Controller]. Slow start begins again with the initial window and ends at three quarters of the old
// one. A new curve follows.
func (c *Cubic) OnIdle() {
	c.ssthresh = max(c.ssthresh, c.window*3/4)
	c.window = min(c.window, InitialWindow(int(c.mss)))
	c.epoch = 0
}

// Resume implements [Controller]. The curve begins at the end of slow start.
func (c *Cubic) Resume(threshold int64) {
	c.ssthresh = threshold
	c.hystart.over = threshold < MaxWindow // slow start has already found the threshold
}

// SetMSS implements [Controller].
func (c *Cubic) SetMSS(mss int) {
	c.mss = int64(mss)
	c.window = max(c.window, c.mss)
}
