package cc

import (
	"math/bits"
	"time"
)

// Cubic is the congestion control of RFC 9438: after a loss the window returns to where the loss was along a cubic
// curve of time, slowly near that place and fast beyond it, and never slower than Reno would. Slow start ends early by
// HyStart++ (RFC 9406). All in integers, so that it does the same on every processor.
type Cubic struct {
	lossBased

	mss      int64
	window   int64
	ssthresh int64
	hystart  hystart

	// The curve: wMax + C*mss*(t-k)^3 octets, t since the epoch began.
	wMax   int64
	k      time.Duration
	epoch  time.Duration // when congestion avoidance began or went on; 0: it has not
	prior  int64         // window before the last reduction: cwnd_prior
	last   time.Duration // when the ACK before came
	credit int64         // octets that have not yet made the window grow by a whole segment
	reno   int64         // W_est: the window Reno would have, in fractions: an ACK moves it by less than an octet

	before undo
}

// undo is what a reduction that was for nothing gives back (RFC 9438 4.9).
type undo struct {
	valid                         bool
	window, ssthresh, wMax, prior int64
	k, epoch                      time.Duration
	credit, reno                  int64
	over                          bool // of hystart
}

const (
	// beta_cubic is 0.7, C is 0.4 (RFC 9438 4.1.2, 5), and alpha_cubic 3*(1-0.7)/(1+0.7) = 9/17 (4.3).
	betaNum, betaDen   = 7, 10
	alphaNum, alphaDen = 9, 17

	// fractions of an octet W_est is counted in.
	fractions = 1 << 10
)

// NewCubic returns a controller for segments of mss octets that begins with the given window, usually [InitialWindow].
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
		// A window nobody fills proves nothing. The epoch moves on, so that time without data is no growth
		// (RFC 9438 5.8).
		if c.epoch != 0 {
			c.epoch += idle
		}
		return
	}
	c.avoid(a, acked)
}

// avoid is congestion avoidance (RFC 9438 4.2 to 4.5).
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
	// Where the curve will be a round trip from now, but no more than half the window more.
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

// estimate moves W_est: slower than Reno's segment per window as the reductions are smaller, until it is back at where
// the last one was (RFC 9438 4.3).
func (c *Cubic) estimate(acked int64) {
	grow := MulDiv(c.mss*fractions*alphaNum, acked, c.window*alphaDen)
	if c.reno >= c.prior*fractions {
		grow = MulDiv(c.mss*fractions, acked, c.window)
	}
	c.reno = min(c.reno+grow, MaxWindow*fractions)
}

// The curve is computed in units of 1/1024 s.
const unit = time.Second / 1024

// curve is W_cubic(t), at least one segment.
func (c *Cubic) curve(t time.Duration) int64 {
	d := int64((t - c.k) / unit)
	const far = 1 << 17 // two minutes from the middle the window is beyond any bound
	d = max(-far, min(d, far))
	cube := (d * d >> 4) * d >> 16 // 2^-10 cubic seconds
	return max(c.mss, min(c.wMax+MulDiv(cube, 2*c.mss, 5<<10), MaxWindow))
}

// inflection is K: the time the curve takes over a distance, (distance/(C*mss))^(1/3).
func inflection(distance, mss int64) time.Duration {
	hi, lo := bits.Mul64(uint64(distance)*5, 1<<30)
	den := uint64(2 * mss)
	if hi >= den {
		hi, lo = den-1, 1<<63
	}
	cube, _ := bits.Div64(hi, lo, den)
	return time.Duration(cubeRoot(cube)) * unit
}

// cubeRoot is the largest r whose cube is not more than x.
func cubeRoot(x uint64) uint64 {
	var r uint64
	for bit := uint64(1) << 20; bit > 0; bit >>= 1 {
		if try := r | bit; try*try*try <= x {
			r = try
		}
	}
	return r
}

// MulDiv returns a*b/den for positive b and den. Where the result would exceed MaxWindow, it returns MaxWindow.
func MulDiv(a, b, den int64) int64 {
	negative := a < 0
	if negative {
		a = -a
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if den <= 0 || hi >= uint64(den) {
		return MaxWindow
	}
	q, _ := bits.Div64(hi, lo, uint64(den))
	q = min(q, MaxWindow)
	if negative {
		return -int64(q)
	}
	return int64(q)
}

// OnLoss implements [Controller]: multiplicative decrease and fast convergence (RFC 9438 4.6, 4.7).
func (c *Cubic) OnLoss(l Loss) {
	window := c.window
	c.reduce(l)
	c.window = c.ssthresh
	if l.ECN {
		c.window = min(c.window, window) // the least threshold is more than the least window
	}
}

// OnTimeout implements [Controller] (RFC 9438 4.8): one segment, beside what is not taken for lost (RFC 8985 6.3).
func (c *Cubic) OnTimeout(l Loss) {
	if !l.Again {
		c.reduce(l)
		c.wMax = 0 // the next epoch begins at its middle: K is 0
	}
	c.window = min(l.Pipe+c.mss, MaxWindow)
}

func (c *Cubic) reduce(l Loss) {
	c.before = undo{true, c.window, c.ssthresh, c.wMax, c.prior, c.k, c.epoch, c.credit, c.reno, c.hystart.over}
	c.hystart.end()
	if !l.Full {
		c.window = min(c.window, max(l.InFlight, InitialWindow(int(c.mss))))
	}
	c.prior = c.window
	if c.window < c.wMax {
		c.wMax = c.window * (betaDen + betaNum) / (2 * betaDen) // make room for a newcomer
	} else {
		c.wMax = c.window
	}
	num, den := int64(betaNum), int64(betaDen)
	if l.ECN {
		num, den = 85, 100 // ABE: a mark comes from a short queue (RFC 8511 3.1)
	}
	// Of the window and not of what is in flight, which RFC 9438 4.6 permits where a window nobody fills does not grow, and
	// does not count here (RFC 7661).
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

// OnIdle implements [Controller]: the initial window, and slow start up to near where it was; the curve begins anew.
func (c *Cubic) OnIdle() {
	c.ssthresh = max(c.ssthresh, c.window*3/4)
	c.window = min(c.window, InitialWindow(int(c.mss)))
	c.epoch = 0
}

// Resume implements [Controller]: the curve begins where slow start ends.
func (c *Cubic) Resume(threshold int64) {
	c.ssthresh = threshold
	c.hystart.over = threshold < MaxWindow // what had ended slow start has found the threshold
}

// SetMSS implements [Controller].
func (c *Cubic) SetMSS(mss int) {
	c.mss = int64(mss)
	c.window = max(c.window, c.mss)
}
