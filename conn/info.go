package conn

import "time"

// Counts are totals since the connection began.
type Counts struct {
	Sent          uint64 // octets of data sent for the first time
	Received      uint64 // octets of data received in order
	Retransmitted uint64 // segments sent again
	Spurious      uint64 // episodes of loss recovery that turned out to be for nothing
	Timeouts      uint64 // times the retransmission timer ran out
	OutOfOrder    uint64 // segments (superframes) that came early
	CEReceived    uint64 // segments (superframes) of data that a router had marked
	ECEReductions uint64 // times the window came down because the peer had got marks
}

// Info is a snapshot of a connection for people and metrics. Sizes are in octets.
type Info struct {
	State State

	RTT, RTTVar, MinRTT time.Duration // smoothed, its variance, the least seen; 0: not measured yet
	RTO                 time.Duration // retransmission timeout, with backoff

	MSS                int // data in a full segment
	PathMTU            int // largest IP packet
	CongestionControl  CongestionControl
	CongestionWindow   int64 // 0 before ESTABLISHED
	SlowStartThreshold int64
	InFlight           int64 // sent and not acknowledged
	SendWindow         int64 // what the peer last offered
	ReceiveWindow      int64 // what we last offered and is unused
	Unsent             int   // written, not yet sent
	Unread             int   // received, not yet read
	Early              int   // octets received beyond a gap
	SendBuffer         int   // most octets to hold until they are acknowledged, at the moment
	ReceiveBuffer      int   // most octets to hold until they are read, at the moment

	Timestamps, SACK        bool // agreed on in the handshake
	ECN                     bool // so was this: routers may mark what we send
	SendScale, ReceiveScale uint8
	Delivered               int64 // octets known to have arrived, in order or not
	DeliveryRate            int64 // octets per second, as last measured; 0: not yet
	DeliveryLimited         bool  // then the application, not the path, had set the pace
	PacingRate              int64 // octets per second at which is sent; 0: as fast as the window lets

	ConsecutiveTimeouts, Probing int
	SoftError                    error // what ICMP last said, nil: nothing (SHLD-25)

	Counts
}

// Info returns a snapshot.
func (c *Conn) Info() Info {
	i := Info{
		State:               c.state,
		RTT:                 c.rtt.srtt,
		RTTVar:              c.rtt.rttvar,
		MinRTT:              c.rtt.minimum,
		RTO:                 c.rtt.timeout(c.cfg),
		MSS:                 c.fullSize(),
		PathMTU:             c.path.mtu,
		CongestionControl:   c.control,
		InFlight:            int64(c.snd.max - c.snd.una),
		SendWindow:          c.snd.window,
		ReceiveWindow:       max(0, int64(c.rcv.edge-c.rcv.nxt())),
		Unsent:              max(0, int(c.snd.buf.end-c.snd.nxt)),
		Unread:              c.rcv.buf.readable(),
		SendBuffer:          c.snd.limit,
		ReceiveBuffer:       c.rcv.limit,
		Timestamps:          c.timestamps,
		SACK:                c.sack,
		ECN:                 c.ecn.agreed(),
		SendScale:           c.snd.scale,
		ReceiveScale:        c.rcv.scale,
		ConsecutiveTimeouts: c.recovery.timeouts,
		Probing:             c.probes,
		Delivered:           c.rate.delivered,
		DeliveryRate:        int64(c.rate.last),
		DeliveryLimited:     c.rate.lastLimited,
		Counts:              c.stats,
	}
	if c.cc != nil {
		i.CongestionWindow = c.cc.Window()
		i.SlowStartThreshold = c.cc.SlowStartThreshold()
		i.PacingRate = int64(c.pacingRate())
	}
	for _, r := range c.rcv.buf.ahead {
		i.Early += int(r.size())
	}
	if c.softError != 0 {
		i.SoftError = c.softError
	}
	return i
}
