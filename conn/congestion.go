package conn

import (
	"minitcp/conn/cc"
	"minitcp/conn/cc/algorithm"
	"minitcp/conn/cc/bbr"
)

// CongestionControl is an algorithm that limits the data in flight.
type CongestionControl = algorithm.Algorithm

// The algorithms of package algorithm.
const (
	CUBIC = algorithm.CUBIC // RFC 9438 and RFC 9406; the default
	Reno  = algorithm.Reno  // RFC 5681
	BBR   = algorithm.BBR   // draft-ietf-ccwg-bbr
)

// newController returns the connection's controller, with an initial window in bytes.
func (c *Conn) newController(window int64) cc.Controller {
	// The initial sequence number is as hard to guess as the driver has made it (RFC 6528).
	return c.algorithm.New(bbr.Config{MSS: c.fullSize(), Window: window, NoSACK: !c.sack, Seed: uint64(c.snd.iss)})
}

// CongestionControl returns the algorithm in use.
func (c *Conn) CongestionControl() CongestionControl { return c.algorithm }

// SetCongestionControl changes the algorithm. The new one begins with the window of the old one. A spurious reduction
// by the old one is not undone.
func (c *Conn) SetCongestionControl(a CongestionControl) {
	if a == c.algorithm || !a.Valid() {
		return
	}
	c.algorithm = a
	if c.active == nil || c.active.cc == nil {
		return
	}
	window := c.congestionWindow()
	c.active.cc = c.newController(window)
	c.active.undo.Armed = false
	c.active.recovery.reducing = false
	if c.active.recovery.phase == fastRecovery {
		c.active.cc.OnLoss(cc.Loss{InFlight: window, Pipe: c.pipe()})
		c.active.recovery.prr = cc.NewPRR(c.pipe()+c.active.sent.Lost(), c.active.cc.Window())
		c.active.recovery.prr.SetWindow(c.pipe() + int64(c.fullSize()))
	}
}
