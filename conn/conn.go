package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/cc"
	"minitcp/conn/rtt"
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// Conn is one TCP connection from the moment it has a state of its own: SYN-SENT of an active OPEN, or SYN-RECEIVED
// when an [Handshake]'s handshake completes. It is data and functions; whoever drives it brings the clock, the lock and
// the network. See the package comment for the contract.
//
// The fields outside active hold for the life of the connection.
type Conn struct {
	active *active // nil while the connection is idle; see idle.go
	cfg    *Config
	snd    sendSpace
	rcv    receiveSpace
	rtt    rtt.Estimator
	stats  Counts
	path   path

	ack          ackState
	challenge    challengeLimit
	deliveryRate cc.Rate // that Info reports: the last that measures the path, or a higher one that is limited
	restart      restart
	waited       [accounts]time.Duration // time the sender has spent waiting, without the current account's; see chrono

	userLimit        time.Duration // user timeout, 0: none
	keepAlive        *KeepAlive    // the Config's until SetKeepAlive
	keepAliveTimer   Time          // when the connection may have been idle for long enough
	lastSent         Time          // time of the last data sent, or 0
	lastReceived     Time          // when the last acceptable segment came
	lastDataReceived Time          // when the last with data came
	lastACKReceived  Time          // when the last came that acknowledged something

	tsRecentAt Time
	tsRecent   uint32 // TS.Recent (RFC 7323 4.3)
	tsOffset   uint32 // added to our clock (RFC 7323 7.1)
	timeouts   uint32 // retransmission timeouts of the same segment in a row
	resetSeq   uint32 // sequence number of the RST that is to be sent
	timestamps bool   // agreed on in the handshake
	sack       bool
	ecn        ecn

	state           State
	err             Error // why it ended, 0: it has not, or in good order
	softError       Error
	algorithm       CongestionControl
	nagle           NagleMode
	keepAliveProbes uint8 // keep-alive probes sent since the peer was last heard
	keepAliveDue    bool  // one is to be sent
	resetDue        bool  // a RST is to be sent although the state is CLOSED already
	resetAck        bool  // the RST carries an ACK
	orphan          bool  // the application has closed
	lingers         bool  // it has set a time by which the connection ends
	reordering      reordering
	deliveryLimited bool // the application has limited deliveryRate
	errReported     bool // the application has been told err
}

// active is the part of a connection's state that describes data in flight, unsent, unread or out of order, and the
// window's growth.
type active struct {
	sent        scoreboard.Queue
	timing      rtt.Timing
	rack        rack
	pacer       pacer
	rounds      rounds
	tailProbe   tailProbe
	recovery    recovery
	undo        undo
	cc          cc.Controller // nil before ESTABLISHED
	timer       timers
	stamp       tsval
	chrono      chrono
	small       seq.Offset // one past the last segment sent that was not full
	recent      recent
	tuning      receiveTuning
	synRepeated bool // the SYN was sent again because another connection's ACK had come in answer
	// bulkSince is the end of the last round trip with bulk data, 0: the connection is not counted in Config.BulkReceivers.
	bulkSince Time
	urgent    urgent
}

// Open is what the driver knows when a connection begins.
type Open struct {
	ISS      uint32 // initial send sequence number, from [seq.ISN]
	TSOffset uint32 // timestamp offset, from [seq.ISN]
	MTU      int    // largest IP packet the device takes
	IPHeader int    // octets of IP header: 20 for IPv4, 40 for IPv6
	// Near says that the path holds next to no data and is as fast as memory, as to a peer on the same machine: data in
	// flight waits at one of its ends. What the connection sends is not paced, unless by BBR. Its send buffer may hold what
	// Pressure.Share returns, and bulk receivers share their windows; see Config.BulkReceivers.
	Near bool
}

// newConn returns a connection that has not chosen its first state yet.
func newConn(now Time, cfg *Config, o Open) *Conn {
	c := &Conn{
		active:         &active{timer: noTimers},
		cfg:            cfg,
		path:           newPath(o),
		tsOffset:       o.TSOffset,
		nagle:          cfg.Nagle,
		algorithm:      cfg.CongestionControl,
		userLimit:      cfg.UserTimeout,
		keepAlive:      &cfg.KeepAlive,
		keepAliveTimer: Never,
		lastReceived:   now,
	}
	c.snd.iss = o.ISS
	c.snd.bufferLimit = int32(cfg.SendBuffer)
	c.snd.buf = buffer.SendAt(1)
	c.rcv.bufferLimit = cfg.ReceiveBuffer
	c.rcv.finAt = never
	return c
}

// Dial begins an active OPEN: the first Transmit sends the SYN (RFC 9293 3.10.1).
func Dial(now Time, cfg *Config, o Open) *Conn {
	cfg = cfg.completed()
	c := newConn(now, cfg, o)
	c.setState(SynSent)
	c.timestamps = cfg.Timestamps == Enabled
	c.sack = cfg.SACK == Enabled
	if cfg.WindowScale == Enabled {
		c.rcv.scale = windowScale(cfg.MaxReceiveBuffer)
	}
	return c
}

// State is the connection's state. In TIME-WAIT take the [Conn.TimeWait] and let the Conn go.
func (c *Conn) State() State { return c.state }

// Err is why the connection ended, nil while it lives and after a graceful release.
func (c *Conn) Err() error {
	if c.err == 0 {
		return nil
	}
	return c.err
}

// ISS is our initial sequence number: the wire number of octet 0.
func (c *Conn) ISS() uint32 {
	return c.snd.iss
}

// IRS is the peer's, 0 while it is not known.
func (c *Conn) IRS() uint32 {
	return c.rcv.irs
}

// establish enters ESTABLISHED: both sides' numbers are known. A close asked for meanwhile takes effect now.
func (c *Conn) establish(now Time) {
	c.setState(Established)
	c.active.timer.retransmit, c.active.timer.giveUp = Never, Never
	window := cc.InitialWindow(c.fullSize())
	if c.timeouts > 0 {
		window = int64(c.fullSize()) // the SYN was lost: begin with one segment (RFC 5681 3.1)
		c.rtt.SYNLost()
		c.timeouts = 0 // the SYN's timeouts say nothing about the data
	}
	c.active.cc = c.newController(window)
	c.armKeepAlive(now)
	if c.snd.finQueued {
		c.setState(FinWait1)
	}
}

// fail ends the connection with an error. What has arrived stays readable; what was to be sent is lost.
func (c *Conn) fail(err Error) {
	c.err = err
	c.close()
}

// close enters CLOSED and discards everything except unread data.
func (c *Conn) close() {
	if c.state != Closed {
		c.setState(Closed)
	}
	c.endBulk()
	c.stopTimers()
	c.ack = ackState{}
	c.snd.buf.Discard(c.cfg.Pool)
	c.rcv.buf.DiscardOutOfOrder(c.cfg.Pool) // the gap will not be filled
	if c.orphan {
		c.rcv.buf.Discard(c.cfg.Pool)
	}
}

// stopTimers stops every timer, and forgets the data in flight that they are for.
func (c *Conn) stopTimers() {
	c.keepAliveTimer = Never
	if c.active != nil {
		c.active.timer = noTimers
		c.active.sent.Clear()
	}
}

// abort ends the connection with an error and tells the peer with a RST.
//
// Deviation: also in CLOSING and LAST-ACK, where RFC 9293 3.10.5 only forgets the connection: data before our FIN may not
// have been delivered, and the peer would wait for it.
func (c *Conn) abort(err Error) {
	switch c.state {
	case SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck:
		c.queueReset(seq.Wire(c.snd.iss, c.snd.next()), true)
	}
	c.fail(err)
}

// queueReset makes the next Transmit send a RST.
func (c *Conn) queueReset(number uint32, ack bool) {
	c.resetDue, c.resetSeq, c.resetAck = true, number, ack
}

// timeoutError is what a connection that gave up ends with: what ICMP had said meanwhile, if anything, explains more
// than a plain timeout (RFC 9293 3.9.2.2, SHLD-25).
func (c *Conn) timeoutError() Error {
	if c.softError != 0 {
		return c.softError
	}
	return ErrTimeout
}
