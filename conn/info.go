package conn

import (
	"math"
	"time"

	"minitcp/conn/accecn"
	"minitcp/conn/cc"
	"minitcp/conn/chrono"
	"minitcp/conn/fastopen"
	"minitcp/conn/names"
)

// Counts holds totals since the connection began. The corresponding members of Linux's struct tcp_info are in brackets,
// without the prefix tcpi_.
type Counts struct {
	Sent                 uint64 // data bytes, without retransmissions (bytes_sent less bytes_retrans)
	Resent               uint64 // data bytes retransmitted (bytes_retrans)
	Received             uint64 // data bytes received in order (bytes_received)
	SegmentsSent         uint64 // segments (segs_out)
	SegmentsReceived     uint64 // acceptable segments (segs_in)
	DataSegmentsSent     uint64 // segments with data (data_segs_out)
	DataSegmentsReceived uint64 // acceptable segments with data (data_segs_in)
	Retransmitted        uint64 // segments retransmitted (total_retrans)
	Duplicates           uint64 // D-SACKs received (dsack_dups)
	Spurious             uint64 // spurious episodes of loss recovery
	Timeouts             uint64 // retransmission timeouts (total_rto)
	OutOfOrder           uint64 // segments or GSO packets received out of order (rcv_ooopack)
}

// Acknowledged reports whether less than two full segments are unacknowledged. The peer may delay the ACK of that much
// data.
func (c *Conn) Acknowledged() bool {
	return int64(c.snd.max-c.snd.una) < 2*int64(c.fullSize())
}

// CAState is the state of congestion control (tcpi_ca_state).
type CAState uint8

// The states, with Linux's values.
const (
	CAOpen     CAState = iota // normal
	CADisorder                // segments have arrived out of order or were lost; not known which
	CACWR                     // the window is being reduced because of an ECN mark
	CARecovery                // lost segments are being retransmitted
	CALoss                    // the retransmission timer has expired
)

var caStateNames = [...]string{"open", "disorder", "CWR", "recovery", "loss"}

// String returns Linux's name, such as "recovery".
func (s CAState) String() string { return names.Of(caStateNames[:], s) }

// Info is a snapshot of a connection. Sizes are in bytes unless they are in segments. The corresponding members of
// Linux's struct tcp_info are in brackets, without the prefix tcpi_.
type Info struct {
	State   State   // (state)
	CAState CAState // (ca_state)

	RTT, RTTVar, MinRTT time.Duration // smoothed, mean deviation, least; 0 before the first sample (rtt, rttvar, min_rtt)
	RTO                 time.Duration // retransmission timeout, with backoff (rto)
	ReceiveRTT          time.Duration // RTT measured by the receiver; 0 before the first measurement (rcv_rtt)
	Backoff             int           // number of times that the timeout has doubled since the last progress (backoff)

	MSS                int // data bytes in a full segment (snd_mss)
	AdvertisedMSS      int // MSS option sent (advmss)
	PathMTU            int // largest IP packet, except for probes (pmtu)
	PathMTUSource      PathMTUSource
	CongestionControl  CongestionControl
	CongestionWindow   int64 // PRR's during a reduction, 0 before ESTABLISHED (snd_cwnd, in segments of MSS)
	SlowStartThreshold int64 // math.MaxInt64 for none (snd_ssthresh, in segments of MSS)
	InFlight           int64 // sent and not acknowledged
	Unacked            int   // InFlight in segments (unacked)
	SACKed             int   // of Unacked, segments received out of order (sacked)
	Lost               int   // of Unacked, segments taken for lost, retransmitted or not (lost)
	Resending          int   // of Unacked, segments retransmitted (retrans)
	Reordering         int   // segments from the latest of the late ones to the newest before it, 3 to 300 (reordering)
	ReorderSeen        int   // times that segments have arrived in a different order, at most 255 (reord_seen)
	SendWindow         int64 // window last advertised by the peer (snd_wnd)
	ReceiveWindow      int64 // window last advertised to the peer, less the data received since (rcv_wnd)
	Unsent             int   // written, not yet sent (notsent_bytes)
	Unread             int   // received, not yet read
	OutOfOrderBytes    int   // received beyond a gap
	SendBuffer         int   // present limit of unacknowledged and unsent data
	ReceiveBuffer      int   // present limit of unread data
	ReadPerRoundTrip   int64 // data read by the application in the last measured round trip (rcv_space)

	Timestamps, SACK        bool // agreed on in the handshake (options)
	ECN                     bool // agreed on in the handshake: routers may mark packets (options)
	AccECN                  accecn.Info
	SYNData                 bool             // data of a SYN was accepted, here or by the peer: Fast Open (options)
	FastOpenFailure         fastopen.Failure // (fastopen_client_fail)
	SendScale, ReceiveScale uint8            // (snd_wscale, rcv_wscale)

	Acknowledged    int64 // data bytes acknowledged in order (bytes_acked less SYN and FIN)
	Delivered       int64 // data bytes known to have arrived, in order or not (delivered, in segments)
	DeliveryRate    int64 // last measurement in bytes per second; 0 before the first (delivery_rate)
	DeliveryLimited bool  // the application has limited DeliveryRate (delivery_rate_app_limited)
	PacingRate      int64 // bytes per second; 0 without pacing (pacing_rate)

	// SinceSent, SinceReceived and SinceACK are the times since data was last sent, since data last arrived or else the
	// handshake, and since the last ACK; -1 for never (last_data_sent, last_data_recv, last_ack_recv).
	SinceSent, SinceReceived, SinceACK time.Duration

	// Busy is the time during which data was unacknowledged. In WindowLimited of it the next segment waited for the peer's
	// window, in BufferLimited the application waited for room in the send buffer, and the congestion window had some
	// (busy_time, rwnd_limited, sndbuf_limited).
	Busy, WindowLimited, BufferLimited time.Duration

	ConsecutiveTimeouts int // timeouts of the oldest segment (retransmits)
	KeepAliveProbes     int // keep-alive probes without an answer (probes)

	SoftError error // last ICMP error since progress, or nil (SHLD-25)

	PathEvents PathEvents // totals
	Counts
	CEReceived    uint64 // packets received with CE; with classic ECN, only those with data (received_ce)
	ECEReductions uint64 // reductions of the congestion window because of reported marks
}

// MSS returns the number of data bytes in a full segment to the peer. It is that of Info.
func (c *Conn) MSS() int { return c.fullSize() }

// Info returns a snapshot of the connection.
func (c *Conn) Info(now Time) Info {
	i := Info{
		State:               c.state,
		ReceiveRTT:          c.rcv.rtt,
		Backoff:             int(c.rtt.Backoff),
		AdvertisedMSS:       int(c.path.AnnouncedMSS()),
		Reordering:          duplicateThreshold,
		ReorderSeen:         int(c.reordering.Seen),
		Acknowledged:        max(0, int64(min(c.snd.una, c.snd.buf.End()))-1),
		SinceSent:           since(c.lastSent, now),
		SinceReceived:       since(c.lastDataReceived, now),
		SinceACK:            since(c.lastReceived, now),
		WindowLimited:       c.timeSpent(chrono.Window, now),
		BufferLimited:       c.timeSpent(chrono.Buffer, now),
		RTT:                 c.rtt.SRTT,
		RTTVar:              c.rtt.RTTVar,
		MinRTT:              c.rtt.Min,
		RTO:                 c.rto(),
		MSS:                 c.fullSize(),
		PathMTU:             c.path.MTU(),
		PathMTUSource:       c.path.Source(),
		PathEvents:          c.path.Counts(),
		CongestionControl:   c.algorithm,
		InFlight:            int64(c.snd.max - c.snd.una),
		SendWindow:          int64(c.snd.wnd.Size),
		ReceiveWindow:       max(0, int64(c.rcv.wnd.Edge-c.rcv.nxt())),
		Unsent:              max(0, int(c.snd.buf.End()-c.snd.nxt)),
		Unread:              c.rcv.buf.Readable(),
		SendBuffer:          int(c.snd.bufferLimit),
		ReceiveBuffer:       c.rcv.bufferLimit,
		Timestamps:          c.timestamps,
		SACK:                c.sack,
		ECN:                 c.ecn.Agreed(),
		SYNData:             c.fastOpen.SYNData(),
		FastOpenFailure:     c.fastOpen.Failure(),
		AccECN:              c.infoAccECN(),
		SendScale:           c.snd.scale,
		ReceiveScale:        c.rcv.scale,
		ConsecutiveTimeouts: int(c.timeouts),
		KeepAliveProbes:     int(c.keepAliveProbes),
		DeliveryRate:        int64(c.deliveryRate),
		DeliveryLimited:     c.deliveryLimited,
		Counts:              c.stats,
		CEReceived:          uint64(c.marks),
		ECEReductions:       uint64(c.reductions),
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
	i.Busy = c.timeSpent(chrono.Busy, now) + i.WindowLimited + i.BufferLimited
	return i
}

// infoActive adds the fields that depend on active.
func (c *Conn) infoActive(i *Info) {
	i.CAState = c.caState()
	i.Delivered = c.active.sent.Delivered()
	i.ReadPerRoundTrip = c.active.tuning.PerRoundTrip()
	c.countSegments(i)
	if c.active.cc == nil {
		return
	}
	i.CongestionWindow, i.SlowStartThreshold = c.congestionWindow(), c.active.cc.SlowStartThreshold()
	i.PacingRate = int64(c.pacingRate())
}

// countSegments adds the sizes in flight in segments.
func (c *Conn) countSegments(i *Info) {
	size := int64(max(1, i.MSS))
	count := func(octets int64) int { return int((octets + size - 1) / size) }
	again, probe := c.active.sent.Retransmitted(), int64(0)
	if c.active.tailProbe.repeat {
		probe = min(again, size) // not taken for lost
	}
	i.Unacked, i.SACKed, i.Lost = count(i.InFlight), count(c.active.sent.SACKed()), count(c.active.sent.Lost()+again-probe)
	i.Resending = count(again)
	i.Reordering = max(i.Reordering, int(c.active.reordering))
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

// Arrived returns the number of bytes that have arrived in order.
func (c *Conn) Arrived() uint64 { return c.stats.Received }
