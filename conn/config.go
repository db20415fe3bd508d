package conn

import (
	"time"

	"minitcp/conn/buffer"
)

// Config holds TCP's settings. One Config may serve many connections; they only read it. The zero value of every field
// means its default. [Config.WithDefaults] puts the defaults in. [Dial] and [NewHandshake] call it on a copy of a Config that does
// not come from it, one for each connection.
type Config struct {
	// ReceiveBuffer is the most octets held for an application that does not read, and so the largest receive window, in
	// the beginning. Default 1 MiB, at least 2048, at most 1 GiB.
	ReceiveBuffer int
	// MaxReceiveBuffer is how far that grows where the application reads as fast as data comes, with what comes in a round
	// trip. Default: ReceiveBuffer if that is set, so that it does not grow; else 16 MiB, for 670 Mbit/s at 200 ms.
	// Where the path is near ([Open]) it is less while other connections receive bulk data; see BulkReceivers.
	MaxReceiveBuffer int
	// SendBuffer is the most octets held until the peer acknowledges them, in the beginning. Default 128 KiB, at least 2048,
	// at most 1 GiB.
	SendBuffer int
	// MaxSendBuffer is how far that grows, to two congestion windows. Default: SendBuffer if that is set, else 16 MiB.
	// Where the path is near ([Open]) it is less while other connections hold much.
	MaxSendBuffer int

	// DelayedACK is how long an ACK may wait for company. Default 40 ms; below 500 ms (RFC 9293 3.8.6.3, MUST-40).
	DelayedACK time.Duration

	// InitialRTO is the retransmission timeout before the first measurement. Default 1 s (RFC 6298 2.1).
	InitialRTO time.Duration
	// MinRTO is the shortest retransmission timeout. Default 200 ms.
	// Deviation: RFC 6298 2.4 says 1 s, chosen for clocks that ticked in half seconds; 200 ms is what Linux uses.
	MinRTO time.Duration
	// MaxRTO is the longest. Default 120 s, at least 60 s by RFC 6298 2.4.
	MaxRTO time.Duration

	// R1 is the number of retransmissions of one segment after which the connection is reported as in trouble.
	// Default 3 (RFC 9293 3.8.3, SHLD-10).
	R1 int
	// R2 is how long a segment may go unacknowledged before the connection ends with [ErrTimeout].
	// Default 15 min (RFC 9293 3.8.3, MUST-20, MUST-21; at least 100 s by SHLD-11).
	R2 time.Duration
	// SYNTimeout is R2 for a SYN or SYN-ACK. Default 3 min (MUST-23).
	SYNTimeout time.Duration
	// UserTimeout, when positive, replaces R2 and also ends a connection whose peer acknowledges probes but keeps its
	// window closed for that long (RFC 9293 3.9.1.1; Linux's TCP_USER_TIMEOUT). Default: none.
	UserTimeout time.Duration

	// TimeWait is how long TIME-WAIT lasts: 2 MSL. Default 60 s, as everywhere, for an MSL of 30 s (RFC 9293 3.4.2 says 2 min).
	TimeWait time.Duration
	// FinWait2Timeout ends FIN-WAIT-2 of a connection whose application has closed it and whose peer never sends FIN.
	// Default 60 s.
	FinWait2Timeout time.Duration

	// KeepAlive is what a new connection begins with. Default: off (MUST-25). Package stack turns it on.
	KeepAlive KeepAlive

	// Nagle says when small segments wait. Default [NoDelay], as Go programs are used to from package net.
	Nagle NagleMode

	// CongestionControl decides how much may be in flight. Default [CUBIC].
	CongestionControl CongestionControl

	// Pacing spreads what is sent over the round trip, where that is long enough for timers: 2 ms, and the path is not near
	// ([Open]). Disabled, what the
	// window lets go leaves at once, but for BBR, which is nothing without pacing.
	Pacing Feature

	// ECN lets routers mark packets instead of dropping them (RFC 3168). Default [ECNPassive].
	ECN ECNMode

	// Features that can be left out of the handshake.
	Timestamps, SACK, WindowScale Feature

	// Pool allocates the memory of the buffers. Default: the garbage collector.
	Pool buffer.Pool
	// Pressure limits that memory. Default: there is no limit.
	Pressure buffer.Pressure
	// BulkReceivers counts the connections that receive bulk data, for all connections of a stack. While n > 1 of them do so
	// over a near path, the receive window of each is at most 4 MiB/n, and 128 KiB at least: 512 KiB for 8, 128 KiB for 32
	// and more. Default: none, the windows do not depend on each other.
	BulkReceivers Counter

	complete bool // WithDefaults has made this Config
}

// Feature says whether something is done; an option: whether it is offered and accepted in the handshake.
type Feature uint8

const (
	// Enabled is the default.
	Enabled Feature = iota
	Disabled
)

var featureNames = [...]string{Enabled: "enabled", Disabled: "disabled"}

// String returns "enabled" or "disabled".
func (f Feature) String() string { return nameOf(featureNames[:], f) }

// NagleMode says whether a small segment waits while data is unacknowledged (RFC 9293 3.7.4, SHLD-7, MUST-17).
type NagleMode uint8

const (
	// NoDelay sends at once. It is the default.
	NoDelay NagleMode = iota
	// Nagle holds a segment smaller than the MSS until everything sent is acknowledged.
	Nagle
)

var nagleNames = [...]string{NoDelay: "no delay", Nagle: "Nagle"}

// String returns "no delay" or "Nagle".
func (m NagleMode) String() string { return nameOf(nagleNames[:], m) }

// KeepAlive is the probing of an idle peer (RFC 9293 3.8.4).
type KeepAlive struct {
	Enable bool
	// Idle is how long nothing must have been heard before the first probe. Default 2 h (MUST-28).
	Idle time.Duration
	// Interval is the time between probes. Default 75 s.
	Interval time.Duration
	// Count is how many unanswered probes end the connection. Default 9 (more than one: MUST-29).
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
	// defaultSendBuffer is two superframes, one on its way and one to follow, or four initial windows.
	defaultSendBuffer = 128 << 10
	// defaultMaxBuffer is the largest that a window scale of 8 lets be offered: 16 MiB, but for 256 octets.
	defaultMaxBuffer = maxWindowField << 8
	minBuffer        = 2048
	maxBuffer        = 1 << 30
)

// WithDefaults returns the Config with every unset field at its default and every other within its range.
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
		cfg.BulkReceivers = noCounter{}
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

// defaultBuffers settles a buffer's size in the beginning, which is first unless it is set, and its largest.
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
