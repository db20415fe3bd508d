package conn

import (
	"time"

	"minitcp/conn/accecn"
	"minitcp/conn/buffer"
	"minitcp/conn/bulk"
	"minitcp/conn/cc"
	"minitcp/conn/challenge"
	"minitcp/conn/chrono"
	"minitcp/conn/delack"
	"minitcp/conn/fastopen"
	"minitcp/conn/pmtu"
	"minitcp/conn/rtt"
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
	"minitcp/conn/timestamps"
	"minitcp/conn/wire"
)

// Conn is one TCP connection from the state SYN-SENT of an active OPEN, or from SYN-RECEIVED when a [Handshake]
// completes. It is pure data: the driver supplies the time, the locking and the network. See the package comment for
// the contract.
//
// The fields outside active are valid for the life of the connection.
type Conn struct {
	active *active // nil while the connection is idle; see idle.go
	cfg    *Config
	snd    sendSpace
	rcv    receiveSpace
	rtt    rtt.Estimator
	stats  Counts
	path   pmtu.Path

	ack          ackState
	challenge    challenge.Limit
	deliveryRate cc.Rate // rate that Info reports: the last that measures the path, or a higher one that is limited
	restart      restart
	waited       chrono.Waited

	userLimit        time.Duration // user timeout, 0: none
	keepAlive        *KeepAlive    // the Config's settings until SetKeepAlive
	keepAliveTimer   Time          // time at which a keep-alive probe may be due
	lastSent         Time          // time of the last data sent, or 0
	lastReceived     Time          // time of the last acceptable segment
	lastDataReceived Time          // time of the last segment with data
	lastACKReceived  Time          // time of the last ACK of new data

	ts         timestamps.State
	accurate   *accecn.State // nil unless in AccECN mode
	marks      uint32        // Info.CEReceived
	reductions uint32        // Info.ECEReductions
	timeouts   uint32        // consecutive retransmission timeouts of the same segment
	resetSeq   uint32        // sequence number of the RST to send
	timestamps bool          // agreed on in the handshake
	sack       bool
	falseSACK  bool // a SACK block of data that was never sent has arrived
	ecn        ecnState

	state           State
	err             Error // cause of the end, 0 for none
	softError       Error
	algorithm       CongestionControl
	nagle           NagleMode
	keepAliveProbes uint8 // keep-alive probes sent since the peer's last segment
	resetDue        bool  // the next Transmit sends a RST, although the state is CLOSED
	resetAck        bool  // the RST carries an ACK
	orphan          bool  // the application has closed
	lingers         bool  // the application has set a linger time
	reordering      scoreboard.Reordering
	deliveryLimited bool // the application has limited deliveryRate
	errReported     bool // a call has returned err to the application
	fastOpen        fastopen.State
}

// active is the state of a connection with data in flight, unsent, unread or out of order, and of the growth of its
// windows.
type active struct {
	sent        scoreboard.Queue
	timing      rtt.Timing
	rack        scoreboard.RACK
	pacer       cc.Pacer
	rounds      scoreboard.Rounds
	tailProbe   tailProbe
	recovery    recovery
	undo        undo
	cc          cc.Controller // nil before ESTABLISHED
	timer       timers
	tsval       timestamps.Sent
	waiting     waiting
	subMSS      seq.Offset // end of the last segment sent below the MSS
	recent      buffer.Recent
	tuning      buffer.Tuning
	unpushed    int32 // bytes sent since the last PSH
	delay       delack.Delay
	reordering  uint16 // the most segments that an original has been late by
	synRepeated bool   // the SYN was sent again because the reply was an ACK of another connection
	synDue      bool   // the next Transmit sends the SYN or SYN-ACK again
	openBackoff uint8  // Estimator.Backoff when the peer's window closed
	bulk        bulk.Receiver
	urgent      urgent
	fast        *fastOpening // nil without Fast Open, and after the handshake
}

// Open holds the properties of a new connection that the driver knows.
type Open struct {
	ISS      uint32 // initial send sequence number, from [seq.ISN]
	TSOffset uint32 // timestamp offset, from [seq.ISN]
	MTU      int    // largest IP packet that the device takes
	IPHeader int    // bytes of IP header: 20 for IPv4, 40 for IPv6
	// Path is the knowledge of earlier connections to the same host (see [Conn.ReportPath]).
	Path KnownPath
	// Near marks a path that holds almost no data and is as fast as memory, such as one to a peer on the same machine.
	// Data in flight waits at one of its ends. The connection is not paced, unless it uses BBR. Pressure.Share limits its
	// send buffer, and bulk receivers share their windows; see Config.BulkReceivers.
	Near bool
	// ECN is the codepoint of the packet with the SYN, for a passive open.
	ECN wire.ECN
}

// newConn returns a connection in the state CLOSED.
func newConn(now Time, cfg *Config, o Open) *Conn {
	c := &Conn{
		active:         &active{timer: noTimers},
		cfg:            cfg,
		path:           pmtu.New(o.MTU, o.IPHeader),
		ts:             timestamps.State{Offset: o.TSOffset},
		nagle:          cfg.Nagle,
		algorithm:      cfg.CongestionControl,
		userLimit:      cfg.UserTimeout,
		keepAlive:      &cfg.KeepAlive,
		keepAliveTimer: Never,
		lastReceived:   now,
	}
	c.path.Start(now, cfg.MTUProbing, o.Path.Known)
	c.ecn.After(o.Path.ECNFailed)
	c.snd.near = o.Near
	c.snd.iss = o.ISS
	c.snd.bufferLimit = int32(cfg.SendBuffer)
	c.snd.buf = buffer.SendAt(1)
	c.rcv.bufferLimit = cfg.ReceiveBuffer
	c.rcv.finAt = never
	return c
}

// Dial returns a connection in SYN-SENT. The first Transmit sends the SYN (RFC 9293 3.10.1). The time limit of the
// handshake begins now, also if the driver cannot send for a while.
func Dial(now Time, cfg *Config, o Open) *Conn {
	cfg = cfg.completed()
	c := newConn(now, cfg, o)
	c.setState(SynSent)
	c.timestamps = cfg.Timestamps == Enabled
	c.sack = cfg.SACK == Enabled
	if cfg.WindowScale == Enabled {
		c.rcv.scale = wire.WindowScaleFor(cfg.MaxReceiveBuffer)
	}
	c.armGiveUp(now)
	return c
}

// State returns the connection's state. In TIME-WAIT the driver replaces the Conn with [Conn.TimeWait].
func (c *Conn) State() State { return c.state }

// Err returns the reason why the connection has ended, nil while it is open and after a normal close.
func (c *Conn) Err() error {
	if c.err == 0 {
		return nil
	}
	return c.err
}

// FINReceived reports whether the peer's FIN and all data before it have arrived.
func (c *Conn) FINReceived() bool { return c.rcv.finDone }

// ISS returns the initial send sequence number.
func (c *Conn) ISS() uint32 { return c.snd.iss }

// IRS returns the initial receive sequence number, 0 before the peer's SYN.
func (c *Conn) IRS() uint32 { return c.rcv.irs }

// establish enters ESTABLISHED, as both ends' sequence numbers are known. A close before that takes effect now.
func (c *Conn) establish(now Time) {
	c.setState(Established)
	c.active.timer.retransmit, c.active.timer.giveUp = Never, Never
	switch {
	case c.timeouts > 0:
		c.active.cc = c.newController(int64(c.fullSize())) // the SYN was lost: one segment (RFC 5681 3.1)
		c.rtt.SYNLost()
		c.timeouts = 0 // the SYN's timeouts are no sign of trouble for the data
	case c.active.cc == nil: // Fast Open may have sent data before
		c.active.cc = c.newController(cc.InitialWindow(c.fullSize()))
	}
	c.lastDataReceived = now
	c.armKeepAlive(now)
	if c.snd.finQueued {
		c.setState(FinWait1)
	}
}

// fail ends the connection with an error. Unread data remains readable, unsent data is discarded.
func (c *Conn) fail(err Error) {
	c.err = err
	c.close()
}

// close enters CLOSED and discards everything except unread data.
func (c *Conn) close() {
	if c.state != Closed {
		c.fastOpenEnds()
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

// stopTimers stops all timers and discards the records of the data in flight.
func (c *Conn) stopTimers() {
	c.keepAliveTimer = Never
	if c.active != nil {
		c.active.timer = noTimers
		c.active.sent.Clear()
	}
}

// abort ends the connection with an error and sends a RST.
//
// Deviation: a RST is also sent in CLOSING and LAST-ACK, where RFC 9293 3.10.5 deletes the connection silently. Data
// before our FIN may not have been delivered, and the peer would wait for it.
func (c *Conn) abort(err Error) {
	switch c.state {
	case SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck:
		c.queueReset(seq.Wire(c.snd.iss, c.resetPosition()), true)
	}
	c.fail(err)
}

// resetPosition returns the position of the RST of an abort: the byte that the peer expects next if all data has
// arrived. A FIN that had to be sent again is taken for lost. If it has arrived after all, peers accept a RST in its
// place (see resetFits); a RST behind a lost FIN would only cause a challenge ACK (RFC 5961 3.2).
func (c *Conn) resetPosition() seq.Offset {
	at := c.snd.next()
	if !c.snd.finQueued || at <= c.snd.buf.End() || c.active == nil || c.active.sent.Empty() {
		return at
	}
	if fin := c.active.sent.Last(); fin.State() == scoreboard.Lost || fin.Retransmitted() {
		return c.snd.buf.End()
	}
	return at
}

// queueReset makes the next Transmit send a RST.
func (c *Conn) queueReset(number uint32, ack bool) {
	c.resetDue, c.resetSeq, c.resetAck = true, number, ack
}

// timeoutError returns the error of a connection that has timed out: the last ICMP error, if there was one, otherwise
// ErrTimeout (RFC 9293 3.9.2.2, SHLD-25).
func (c *Conn) timeoutError() Error {
	if c.softError != 0 {
		return c.softError
	}
	return ErrTimeout
}
