//go:build linux

package control

import (
	"math"
	"net/netip"
	"time"

	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/stack"
)

// Connection is a connection in JSON. Its fields are those of [conn.Info], which describes them.
type Connection struct {
	Local  netip.AddrPort `json:"local"`
	Remote netip.AddrPort `json:"remote"`
	State  string         `json:"state"`
	Age    micros         `json:"age_us"`

	CAState            string `json:"ca_state"`
	CongestionControl  string `json:"congestion_control"`
	RTT                micros `json:"rtt_us"`
	RTTVar             micros `json:"rttvar_us"`
	MinRTT             micros `json:"min_rtt_us"`
	RTO                micros `json:"rto_us"`
	ReceiveRTT         micros `json:"receive_rtt_us"`
	Backoff            int    `json:"backoff"`
	MSS                int    `json:"mss_bytes"`
	AdvertisedMSS      int    `json:"advertised_mss_bytes"`
	PathMTU            int    `json:"path_mtu_bytes"`
	PathMTUSource      string `json:"path_mtu_source"`
	MTUProbes          uint32 `json:"mtu_probes"`
	MTUProbesFailed    uint32 `json:"mtu_probes_failed"`
	MTUBlackHoles      uint32 `json:"mtu_black_holes"`
	CongestionWindow   int64  `json:"congestion_window_bytes"`
	SlowStartThreshold *int64 `json:"slow_start_threshold_bytes"` // null: none
	InFlight           int64  `json:"in_flight_bytes"`
	Unacked            int    `json:"unacked_segments"`
	SACKed             int    `json:"sacked_segments"`
	Lost               int    `json:"lost_segments"`
	Resending          int    `json:"resending_segments"`
	Reordering         int    `json:"reordering_segments"`
	ReorderSeen        int    `json:"reorder_seen"`
	SendWindow         int64  `json:"send_window_bytes"`
	ReceiveWindow      int64  `json:"receive_window_bytes"`
	Unsent             int    `json:"unsent_bytes"`
	Unread             int    `json:"unread_bytes"`
	OutOfOrderBytes    int    `json:"out_of_order_bytes"`
	SendBuffer         int    `json:"send_buffer_bytes"`
	ReceiveBuffer      int    `json:"receive_buffer_bytes"`
	ReadPerRoundTrip   int64  `json:"read_per_round_trip_bytes"`
	Timestamps         bool   `json:"timestamps"`
	SACK               bool   `json:"sack"`
	ECN                bool   `json:"ecn"`
	SYNData            bool   `json:"syn_data"`
	FastOpenFailure    string `json:"fast_open_failure"`
	SendScale          uint8  `json:"send_scale"`
	ReceiveScale       uint8  `json:"receive_scale"`
	Acknowledged       int64  `json:"acknowledged_bytes"`
	Delivered          int64  `json:"delivered_bytes"`
	DeliveryRate       int64  `json:"delivery_rate_bytes_per_s"`
	DeliveryLimited    bool   `json:"delivery_rate_app_limited"`
	PacingRate         int64  `json:"pacing_rate_bytes_per_s"`
	SinceSent          micros `json:"since_sent_us"`
	SinceReceived      micros `json:"since_received_us"`
	SinceACK           micros `json:"since_acknowledged_us"`
	Busy               micros `json:"busy_us"`
	WindowLimited      micros `json:"receiver_window_limited_us"`
	BufferLimited      micros `json:"send_buffer_limited_us"`
	ConsecutiveTimeout int    `json:"consecutive_timeouts"`
	KeepAliveProbes    int    `json:"keepalive_probes"`
	SoftError          string `json:"soft_error,omitempty"`

	Sent                 uint64 `json:"sent_bytes"`
	Resent               uint64 `json:"resent_bytes"`
	Received             uint64 `json:"received_bytes"`
	SegmentsSent         uint64 `json:"sent_segments"`
	SegmentsReceived     uint64 `json:"received_segments"`
	DataSegmentsSent     uint64 `json:"data_sent_segments"`
	DataSegmentsReceived uint64 `json:"data_received_segments"`
	Retransmitted        uint64 `json:"retransmitted_segments"`
	Duplicates           uint64 `json:"duplicate_sacks"`
	Spurious             uint64 `json:"spurious_recoveries"`
	Timeouts             uint64 `json:"timeouts"`
	OutOfOrder           uint64 `json:"out_of_order_segments"`
	CEReceived           uint64 `json:"ce_received_segments"`
	ECEReductions        uint64 `json:"ece_reductions"`
	AccECN               accECN `json:"accecn"`
}

// accECN describes Accurate ECN in JSON.
type accECN struct {
	Agreed        bool   `json:"agreed"`
	Failures      string `json:"failures"`
	DeliveredCE   uint32 `json:"delivered_ce_segments"`
	DeliveredECT0 uint32 `json:"delivered_ect0_bytes"`
	DeliveredECT1 uint32 `json:"delivered_ect1_bytes"`
	DeliveredCEs  uint32 `json:"delivered_ce_bytes"`
	ReceivedECT0  uint32 `json:"received_ect0_bytes"`
	ReceivedECT1  uint32 `json:"received_ect1_bytes"`
	ReceivedCE    uint32 `json:"received_ce_bytes"`
}

func describeAccECN(a *accecn.Info) accECN {
	d, r := &a.Delivered, &a.Received
	return accECN{a.Agreed, a.Failures.String(), a.DeliveredCE, d.ECT0, d.ECT1, d.CE, r.ECT0, r.ECT1, r.CE}
}

// micros is a time in microseconds.
type micros int64

func microsOf(d time.Duration) micros {
	if d < 0 {
		return -1
	}
	return micros(d / time.Microsecond)
}

func (m micros) duration() time.Duration { return time.Duration(m) * time.Microsecond }

// describe returns the JSON form of a connection.
func describe(c *stack.ConnInfo) Connection {
	d := Connection{Local: c.Local, Remote: c.Remote, Age: microsOf(c.Age)}
	d.set(&c.Info)
	return d
}

// set sets the fields that come from an Info.
func (d *Connection) set(i *conn.Info) {
	d.State, d.CAState, d.CongestionControl = i.State.String(), i.CAState.String(), i.CongestionControl.String()
	d.RTT, d.RTTVar, d.MinRTT, d.RTO = microsOf(i.RTT), microsOf(i.RTTVar), microsOf(i.MinRTT), microsOf(i.RTO)
	d.ReceiveRTT, d.Backoff = microsOf(i.ReceiveRTT), i.Backoff
	d.MSS, d.AdvertisedMSS, d.PathMTU = i.MSS, i.AdvertisedMSS, i.PathMTU
	d.PathMTUSource = i.PathMTUSource.String()
	d.MTUProbes, d.MTUProbesFailed, d.MTUBlackHoles = i.PathEvents.Probes, i.PathEvents.Failed, i.PathEvents.BlackHoles
	d.CongestionWindow = i.CongestionWindow
	if i.SlowStartThreshold != math.MaxInt64 {
		d.SlowStartThreshold = &i.SlowStartThreshold
	}
	d.InFlight, d.Unacked, d.SACKed, d.Lost, d.Resending = i.InFlight, i.Unacked, i.SACKed, i.Lost, i.Resending
	d.Reordering, d.ReorderSeen, d.SendWindow, d.ReceiveWindow = i.Reordering, i.ReorderSeen, i.SendWindow, i.ReceiveWindow
	d.Unsent, d.Unread, d.OutOfOrderBytes = i.Unsent, i.Unread, i.OutOfOrderBytes
	d.SendBuffer, d.ReceiveBuffer, d.ReadPerRoundTrip = i.SendBuffer, i.ReceiveBuffer, i.ReadPerRoundTrip
	d.SYNData, d.FastOpenFailure = i.SYNData, i.FastOpenFailure.String()
	d.Timestamps, d.SACK, d.ECN, d.SendScale, d.ReceiveScale = i.Timestamps, i.SACK, i.ECN, i.SendScale, i.ReceiveScale
	d.Acknowledged, d.Delivered = i.Acknowledged, i.Delivered
	d.DeliveryRate, d.DeliveryLimited, d.PacingRate = i.DeliveryRate, i.DeliveryLimited, i.PacingRate
	d.SinceSent, d.SinceReceived, d.SinceACK = microsOf(i.SinceSent), microsOf(i.SinceReceived), microsOf(i.SinceACK)
	d.Busy, d.WindowLimited, d.BufferLimited = microsOf(i.Busy), microsOf(i.WindowLimited), microsOf(i.BufferLimited)
	d.ConsecutiveTimeout, d.KeepAliveProbes = i.ConsecutiveTimeouts, i.KeepAliveProbes
	if i.SoftError != nil {
		d.SoftError = i.SoftError.Error()
	}
	d.setCounts(&i.Counts)
	d.CEReceived, d.ECEReductions, d.AccECN = i.CEReceived, i.ECEReductions, describeAccECN(&i.AccECN)
}

func (d *Connection) setCounts(c *conn.Counts) {
	d.Sent, d.Resent, d.Received = c.Sent, c.Resent, c.Received
	d.SegmentsSent, d.SegmentsReceived = c.SegmentsSent, c.SegmentsReceived
	d.DataSegmentsSent, d.DataSegmentsReceived = c.DataSegmentsSent, c.DataSegmentsReceived
	d.Retransmitted, d.Duplicates, d.Spurious, d.Timeouts = c.Retransmitted, c.Duplicates, c.Spurious, c.Timeouts
	d.OutOfOrder = c.OutOfOrder
}

// Daemon describes the process in JSON.
type Daemon struct {
	Command  string    `json:"command"`
	PID      int       `json:"pid"`
	Device   string    `json:"device"`
	Began    time.Time `json:"began"`
	ReadOnly bool      `json:"read_only"`
	// Own is the only connection that this page shows: the one that carries it.
	Own *Ends `json:"own,omitempty"`
}

// Ends are the two addresses of a connection.
type Ends struct {
	Local  netip.AddrPort `json:"local"`
	Remote netip.AddrPort `json:"remote"`
}

// Finished is a connection that has ended, in JSON.
type Finished struct {
	Number      uint64    `json:"number"` // counts from 1
	Began       time.Time `json:"began"`
	Ended       time.Time `json:"ended"`
	Duration    micros    `json:"duration_us"`
	By          string    `json:"ended_by"` // local, remote or none
	Cause       string    `json:"cause"`
	ResentShare float64   `json:"resent_share"` // of the bytes sent
	Connection
}

// Listener is a listener in JSON.
type Listener struct {
	Local   netip.AddrPort `json:"local"`
	Waiting int            `json:"waiting_connections"` // for Accept
	Backlog int            `json:"backlog_connections"` // limit of Waiting
}

// List is the reply to /api/connections: the connections and listeners that a filter selects.
type List struct {
	Daemon      Daemon       `json:"daemon"`
	Listeners   []Listener   `json:"listeners"`
	Connections []Connection `json:"connections"`
}
