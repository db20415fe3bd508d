package conn

import (
	"math"
	"time"

	"minitcp/conn/cc"
)

// Counts are totals since the connection began. In brackets, the members of Linux's struct tcp_info that mean the same,
// without their tcpi_.
type Counts struct {
	Sent                 uint64 // octets of data sent for the first time (bytes_sent less bytes_retrans)
	Resent               uint64 // octets of data sent again (bytes_retrans)
	Received             uint64 // octets of data received in order (bytes_received)
	SegmentsSent         uint64 // (segs_out)
	SegmentsReceived     uint64 // acceptable ones (segs_in)
	DataSegmentsSent     uint64 // with data (data_segs_out)
	DataSegmentsReceived uint64 // (data_segs_in)
	Retransmitted        uint64 // segments sent again (total_retrans)
	Duplicates           uint64 // reports by the peer that something came twice (dsack_dups)
	Spurious             uint64 // episodes of loss recovery that turned out to be for nothing
	Timeouts             uint64 // times the retransmission timer ran out (total_rto)
	OutOfOrder           uint64 // segments (superframes) that came early (rcv_ooopack)
	CEReceived           uint64 // segments (superframes) of data that a router had marked
	ECEReductions        uint64 // times the window came down because the peer had got marks
}

// Acknowledged reports whether what was sent has been acknowledged, but perhaps for so little that its ACK may be delayed:
// less than two segments.
func (c *Conn) Acknowledged() bool {
	return int64(c.snd.max-c.snd.una) < 2*int64(c.fullSize())
}

// CAState is how the sender fares (tcpi_ca_state).
type CAState uint8

// The states, with Linux's numbers.
const (
	CAOpen     CAState = iota // nothing is amiss
	CADisorder                // something has come out of order, or was lost; nobody can tell yet
	CACWR                     // the window comes down because of a mark (ECN)
	CARecovery                // something was lost, and is being sent again
	CALoss                    // the retransmission timer has run out
)

var caStateNames = [...]string{"open", "disorder", "CWR", "recovery", "loss"}

// String is Linux's name for it.
func (s CAState) String() string { return nameOf(caStateNames[:], s) }

// Info is a snapshot of a connection for people and metrics. Sizes are in octets, unless they are said to be in segments.
// In brackets, the members of Linux's struct tcp_info that mean the same, without their tcpi_.
type Info struct {
	State   State   // (state)
	CAState CAState // (ca_state)

	RTT, RTTVar, MinRTT time.Duration // smoothed, its variance, the least seen; 0: not measured yet (rtt, rttvar, min_rtt)
	RTO                 time.Duration // retransmission timeout, with backoff (rto)
	ReceiveRTT          time.Duration // how long one takes as the receiver sees it; 0: not measured yet (rcv_rtt)
	Backoff             int           // how often the timeout has been doubled since there was progress (backoff)

	MSS                int // data in a full segment (snd_mss)
	AdvertisedMSS      int // what we said we take (advmss)
	PathMTU            int // largest IP packet (pmtu)
	CongestionControl  CongestionControl
	CongestionWindow   int64 // 0 before ESTABLISHED (snd_cwnd, in segments of MSS)
	SlowStartThreshold int64 // math.MaxInt64: none yet (snd_ssthresh, in segments of MSS)
	InFlight           int64 // sent and not acknowledged
	Unacked            int   // the same in segments (unacked)
	SACKed             int   // of these, segments that have arrived out of order (sacked)
	Lost               int   // of these, segments taken for lost and not sent again yet (lost)
	Resending          int   // of these, segments sent again (retrans)
	Reordered          bool  // segments have arrived in another order than they were sent in (reord_seen)
	SendWindow         int64 // what the peer last offered (snd_wnd)
	ReceiveWindow      int64 // what we last offered and is unused (rcv_wnd)
	Unsent             int   // written, not yet sent (notsent_bytes)
	Unread             int   // received, not yet read
	OutOfOrderBytes    int   // received beyond a gap
	SendBuffer         int   // most octets to hold until they are acknowledged, at the moment
	ReceiveBuffer      int   // most octets to hold until they are read, at the moment
	ReadPerRoundTrip   int64 // octets the application read in a round trip, when last measured (rcv_space)

	Timestamps, SACK        bool  // agreed on in the handshake (options)
	ECN                     bool  // so was this: routers may mark what we send (options)
	SendScale, ReceiveScale uint8 // (snd_wscale, rcv_wscale)

	Acknowledged    int64 // octets of data the peer has acknowledged in order (bytes_acked less SYN and FIN)
	Delivered       int64 // octets known to have arrived, in order or not (delivered, in segments)
	DeliveryRate    int64 // octets per second, as last measured; 0: not yet (delivery_rate)
	DeliveryLimited bool  // then the application, not the path, had set the pace (delivery_rate_app_limited)
	PacingRate      int64 // octets per second at which is sent; 0: as fast as the window lets (pacing_rate)

	// Since data was last sent, data last came, and something was last acknowledged; -1: never (last_data_sent,
	// last_data_recv, last_ack_recv).
	SinceSent, SinceReceived, SinceAcknowledged time.Duration

	// Busy is for how long something was unacknowledged; of this, WindowLimited for how long the peer's window, and
	// BufferLimited for how long a full send buffer, was what more had to wait for (busy_time, rwnd_limited,
	// sndbuf_limited).
	Busy, WindowLimited, BufferLimited time.Duration

	ConsecutiveTimeouts int // of the same segment (retransmits)
	KeepAliveProbes     int // probes that were not answered yet (probes)

	SoftError error // what ICMP last said, nil: nothing (SHLD-25)

	Counts
}

// Info returns a snapshot.
func (c *Conn) Info(now Time) Info {
	i := Info{
		State:               c.state,
		ReceiveRTT:          c.rcv.rtt,
		Backoff:             int(c.rtt.Backoff),
		AdvertisedMSS:       int(c.path.announcedMSS()),
		Reordered:           c.reordering.reordered,
		Acknowledged:        max(0, int64(min(c.snd.una, c.snd.buf.End()))-1),
		SinceSent:           since(c.lastSent, now),
		SinceReceived:       since(c.lastDataReceived, now),
		SinceAcknowledged:   since(c.lastACKReceived, now),
		WindowLimited:       c.timeSpent(onWindow, now),
		BufferLimited:       c.timeSpent(onBuffer, now),
		RTT:                 c.rtt.SRTT,
		RTTVar:              c.rtt.RTTVar,
		MinRTT:              c.rtt.Min,
		RTO:                 c.rto(),
		MSS:                 c.fullSize(),
		PathMTU:             int(c.path.mtu),
		CongestionControl:   c.algorithm,
		InFlight:            int64(c.snd.max - c.snd.una),
		SendWindow:          int64(c.snd.window),
		ReceiveWindow:       max(0, int64(c.rcv.edge-c.rcv.nxt())),
		Unsent:              max(0, int(c.snd.buf.End()-c.snd.nxt)),
		Unread:              c.rcv.buf.Readable(),
		SendBuffer:          int(c.snd.bufferLimit),
		ReceiveBuffer:       c.rcv.bufferLimit,
		Timestamps:          c.timestamps,
		SACK:                c.sack,
		ECN:                 c.ecn.agreed(),
		SendScale:           c.snd.scale,
		ReceiveScale:        c.rcv.scale,
		ConsecutiveTimeouts: int(c.timeouts),
		KeepAliveProbes:     int(c.keepAliveProbes),
		DeliveryRate:        int64(c.deliveryRate),
		DeliveryLimited:     c.deliveryLimited,
		Counts:              c.stats,
	}
	if c.active != nil {
		c.infoActive(&i)
	} else {
		i.CongestionWindow, i.SlowStartThreshold = c.restart.window, c.restart.threshold
		i.Delivered = i.Acknowledged
	}
	if i.SlowStartThreshold >= cc.NoThreshold {
		i.SlowStartThreshold = math.MaxInt64
	}
	for _, r := range c.rcv.buf.OutOfOrder() {
		i.OutOfOrderBytes += int(r.Size())
	}
	if c.softError != 0 {
		i.SoftError = c.softError
	}
	i.Busy = c.timeSpent(onBusy, now) + i.WindowLimited + i.BufferLimited
	return i
}

// infoActive adds the fields of i that describe what active does.
func (c *Conn) infoActive(i *Info) {
	i.CAState = c.caState()
	i.Delivered = c.active.sent.Delivered()
	i.ReadPerRoundTrip = c.active.tuning.read
	c.countSegments(i)
	if c.active.cc == nil {
		return
	}
	i.CongestionWindow, i.SlowStartThreshold = c.active.cc.Window(), c.active.cc.SlowStartThreshold()
	i.PacingRate = int64(c.pacingRate())
}

// countSegments says in segments what is in flight.
func (c *Conn) countSegments(i *Info) {
	size := int64(max(1, i.MSS))
	count := func(octets int64) int { return int((octets + size - 1) / size) }
	i.Unacked, i.SACKed, i.Lost = count(i.InFlight), count(c.active.sent.SACKed()), count(c.active.sent.Lost())
	i.Resending = count(c.active.sent.Retransmitted())
}

func (c *Conn) caState() CAState {
	switch r := &c.active.recovery; {
	case r.phase == timeoutRecovery, c.timeouts > 0:
		return CALoss
	case r.phase == fastRecovery:
		return CARecovery
	case r.reducing:
		return CACWR
	case c.active.sent.SACKed() > 0 || r.duplicates > 0:
		return CADisorder
	}
	return CAOpen
}

func since(then, now Time) time.Duration {
	if then == 0 {
		return -1
	}
	return now.Sub(then)
}

// Arrived is the number of bytes that have arrived in order.
func (c *Conn) Arrived() uint64 { return c.stats.Received }
