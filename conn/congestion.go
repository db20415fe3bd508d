package conn

import (
	"minitcp/conn/cc"
	"minitcp/conn/cc/bbr"
	"minitcp/conn/names"
)

// CongestionControl is an algorithm that limits the data in flight.
type CongestionControl uint8

const (
	// CUBIC is RFC 9438, with HyStart++ (RFC 9406). It is the default.
	CUBIC CongestionControl = iota
	// Reno is RFC 5681. It is slower than CUBIC on long fast paths.
	Reno
	// BBR is draft-ietf-ccwg-bbr. It measures the bandwidth and RTT of the path, and tolerates a loss rate of 2 %.
	BBR
)

var controlNames = [...]string{CUBIC: "cubic", Reno: "reno", BBR: "bbr"}

// String returns Linux's name: "cubic", "reno" or "bbr".
func (a CongestionControl) String() string { return names.Of(controlNames[:], a) }

// MarshalText implements encoding.TextMarshaler with the names of String.
func (a CongestionControl) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (a *CongestionControl) UnmarshalText(text []byte) error {
	return names.Parse(controlNames[:], text, "congestion control", a)
}

// newController returns the connection's controller, with an initial window in bytes.
func (c *Conn) newController(window int64) cc.Controller {
	mss := c.fullSize()
	switch c.algorithm {
	case Reno:
		return cc.NewReno(mss, window)
	case BBR:
		// The initial sequence number is as hard to guess as the driver has made it (RFC 6528).
		return bbr.New(bbr.Config{MSS: mss, Window: window, NoSACK: !c.sack, Seed: uint64(c.snd.iss)})
	}
	return cc.NewCubic(mss, window)
}

// CongestionControl returns the algorithm in use.
func (c *Conn) CongestionControl() CongestionControl { return c.algorithm }

// SetCongestionControl changes the algorithm. The new one begins with the window of the old one. A spurious reduction
// by the old one is not undone.
func (c *Conn) SetCongestionControl(a CongestionControl) {
	if a == c.algorithm || int(a) >= len(controlNames) {
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
