package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/bulk"
	"minitcp/conn/names"
	"minitcp/conn/rtt"
	"minitcp/conn/window"
)

// Config holds TCP's settings. Several connections may share one Config, which they only read. The zero value of each
// field selects its default, which [Config.WithDefaults] fills in, and so does a negative value. WithDefaults replaces
// a value outside its range by the nearest one inside. [Dial] and [NewHandshake] call WithDefaults on a copy for each
// connection if the caller has not.
type Config struct {
	// ReceiveBuffer is the initial limit of unread data in bytes, and so of the receive window. Default 1 MiB, at least
	// 2048, at most 1 GiB.
	ReceiveBuffer int
	// MaxReceiveBuffer is the size in bytes to which the limit grows if the application reads as fast as data arrives.
	// Default: ReceiveBuffer if that is set, so that it does not grow; otherwise 16 MiB, for 670 Mbit/s at 200 ms. On a
	// near path ([Open]) the limit is lower while other connections receive bulk data; see BulkReceivers.
	MaxReceiveBuffer int
	// SendBuffer is the initial limit of unacknowledged and unsent data in bytes. Default 128 KiB, at least 2048, at most
	// 1 GiB.
	SendBuffer int
	// MaxSendBuffer is the size in bytes to which the limit grows, as two congestion windows. Default: SendBuffer if that
	// is set, otherwise 16 MiB. On a near path ([Open]) the limit is lower while other connections hold much data.
	MaxSendBuffer int

	// DelayedACK is the least delay of an ACK that waits for the application's reply. On a path with a longer RTT the
	// delay grows up to the RTT, at most 200 ms. ACKs for which the peer may be waiting are not delayed, or by 1 ms.
	// Default 40 ms, at most 499 ms (RFC 9293 3.8.6.3, MUST-40).
	DelayedACK time.Duration

	// InitialRTO is the retransmission timeout before the first measurement. Default 1 s (RFC 6298 2.1).
	InitialRTO time.Duration
	// MinRTO is the shortest retransmission timeout. Default 200 ms.
	//
	// Deviation: RFC 6298 2.4 requires 1 s, for clocks with ticks of half a second. Linux uses 200 ms.
	MinRTO time.Duration
	// MaxRTO is the longest retransmission timeout. Default 120 s; RFC 6298 2.4 requires at least 60 s.
	MaxRTO time.Duration

	// R1 is the number of retransmissions of one segment after which the connection reports trouble (see [ReadyTrouble]).
	// Default 3 (RFC 9293 3.8.3, SHLD-10).
	R1 int
	// R2 is the time for which a segment may be unacknowledged before the connection ends with [ErrTimeout]. Default 15
	// min (RFC 9293 3.8.3, MUST-20, MUST-21; SHLD-11 requires at least 100 s).
	R2 time.Duration
	// SYNTimeout is R2 for a SYN or SYN-ACK. Default 3 min (MUST-23).
	SYNTimeout time.Duration
	// UserTimeout replaces R2 if it is positive. It also ends a connection whose peer acknowledges window probes but keeps
	// its window closed for that time (RFC 9293 3.9.1.1; Linux's TCP_USER_TIMEOUT). Default: none.
	UserTimeout time.Duration

	// TimeWait is the duration of TIME-WAIT, 2 MSL. Default 60 s, as in other systems, for an MSL of 30 s. (RFC 9293 3.4.2
	// has 2 min.)
	TimeWait time.Duration
	// FinWait2Timeout is the longest time in FIN-WAIT-2 after the application has closed the connection. Default 60 s.
	FinWait2Timeout time.Duration

	// KeepAlive is the initial setting of a connection. Default: off (MUST-25). Package stack turns it on.
	KeepAlive KeepAlive

	// Nagle selects whether small segments wait. Default [NoDelay], as in package net.
	Nagle NagleMode

	// CongestionControl selects the algorithm that limits the data in flight. Default [CUBIC].
	CongestionControl CongestionControl

	// Pacing spreads segments over the round-trip time, if that is at least 2 ms and the path is not near ([Open]). If
	// Disabled, segments are sent as soon as the window permits. BBR always paces. Default [Enabled].
	Pacing Feature

	// ECN permits routers to mark packets instead of dropping them (RFC 3168, RFC 9768). Default [ECNPassive].
	ECN ECNMode

	// MTUProbing finds the largest packet that the path carries where routers do not report it (RFC 4821, RFC 8899).
	// Probes need SACK. Default [MTUProbingAuto].
	MTUProbing MTUProbing

	// Timestamps, SACK and WindowScale select options of the handshake. Default [Enabled].
	Timestamps, SACK, WindowScale Feature

	// Pool allocates the memory of the buffers. Default: the garbage collector.
	Pool buffer.Pool
	// Pressure limits that memory. Default: no limit.
	Pressure buffer.Pressure
	// BulkReceivers counts the connections of a stack that receive bulk data. While n > 1 of them do so over a near path,
	// the receive window of each is at most 4 MiB/n, and at least 128 KiB: 512 KiB for 8, 128 KiB for 32 and more.
	// Default: no counter, with which the windows do not depend on each other.
	BulkReceivers bulk.Counter

	complete bool // WithDefaults has returned this Config
}

// Feature selects whether a feature is used. An option is offered and accepted in the handshake only if it is Enabled.
type Feature uint8

const (
	// Enabled is the default.
	Enabled Feature = iota
	Disabled
)

var featureNames = [...]string{Enabled: "enabled", Disabled: "disabled"}

// String returns "enabled" or "disabled".
func (f Feature) String() string { return names.Of(featureNames[:], f) }

// NagleMode selects whether a small segment waits while data is unacknowledged (RFC 9293 3.7.4, SHLD-7, MUST-17).
type NagleMode uint8

const (
	// NoDelay sends small segments at once. It is the default.
	NoDelay NagleMode = iota
	// Nagle delays a small segment until small segments before it are acknowledged.
	Nagle
)

var nagleNames = [...]string{NoDelay: "no delay", Nagle: "Nagle"}

// String returns "no delay" or "Nagle".
func (m NagleMode) String() string { return names.Of(nagleNames[:], m) }

// KeepAlive holds the settings of keep-alive probes (RFC 9293 3.8.4).
type KeepAlive struct {
	Enable bool
	// Idle is the time without a segment from the peer before the first probe. Default 2 h (MUST-28).
	Idle time.Duration
	// Interval is the time between probes. Default 75 s.
	Interval time.Duration
	// Count is the number of unanswered probes that end the connection. Default 9; MUST-29 requires more than one.
	Count int
}

func (k KeepAlive) withDefaults() KeepAlive {
	setDefault(&k.Idle, 2*time.Hour)
	setDefault(&k.Interval, 75*time.Second)
	setDefault(&k.Count, 9)
	return k
}

const (
	defaultReceiveBuffer = 1 << 20
	// defaultSendBuffer is the size of two GSO packets, one in flight and one to follow, or four initial windows.
	defaultSendBuffer = 128 << 10
	// defaultMaxBuffer is the largest window with a scale of 8: 16 MiB less 256 bytes.
	defaultMaxBuffer = window.MaxField << 8
	minBuffer        = 2048
	maxBuffer        = 1 << 30
)

// WithDefaults returns the Config with defaults in all unset fields, and all other fields within their ranges.
func (cfg Config) WithDefaults() Config {
	cfg.complete = true
	defaultBuffers(&cfg.ReceiveBuffer, &cfg.MaxReceiveBuffer, defaultReceiveBuffer)
	defaultBuffers(&cfg.SendBuffer, &cfg.MaxSendBuffer, defaultSendBuffer)
	setDefault(&cfg.DelayedACK, 40*time.Millisecond)
	cfg.DelayedACK = min(cfg.DelayedACK, 499*time.Millisecond)
	setDefault(&cfg.InitialRTO, time.Second)
	setDefault(&cfg.MinRTO, 200*time.Millisecond)
	setDefault(&cfg.MaxRTO, 120*time.Second)
	setDefault(&cfg.R1, 3)
	setDefault(&cfg.R2, 15*time.Minute)
	setDefault(&cfg.SYNTimeout, 3*time.Minute)
	setDefault(&cfg.TimeWait, 60*time.Second)
	setDefault(&cfg.FinWait2Timeout, 60*time.Second)
	cfg.KeepAlive = cfg.KeepAlive.withDefaults()
	if cfg.Pool == nil {
		cfg.Pool = buffer.Heap{}
	}
	if cfg.Pressure == nil {
		cfg.Pressure = buffer.Heap{}
	}
	if cfg.BulkReceivers == nil {
		cfg.BulkReceivers = bulk.None{}
	}
	return cfg
}

// completed returns cfg, or a copy with defaults if WithDefaults has not made it.
func (cfg *Config) completed() *Config {
	if cfg.complete {
		return cfg
	}
	c := cfg.WithDefaults()
	return &c
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// defaultBuffers completes a buffer's initial and largest sizes. The initial size is first unless it is set.
func defaultBuffers(size, largest *int, first int) {
	if *size > 0 {
		setDefault(largest, *size)
	}
	setDefault(size, first)
	setDefault(largest, defaultMaxBuffer)
	*size = clampBuffer(*size)
	*largest = max(clampBuffer(*largest), *size)
}

func clampBuffer(n int) int { return min(max(n, minBuffer), maxBuffer) }

func (c *Config) rtoLimits() rtt.Limits {
	return rtt.Limits{Initial: c.InitialRTO, Min: c.MinRTO, Max: c.MaxRTO}
}
