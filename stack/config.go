package stack

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"minitcp/conn"
)

// Config says how a stack is to be. Addresses must be set; every other field's zero value is its default.
type Config struct {
	// Addresses are the stack's own, IPv4 and IPv6, each with the length of its network's prefix.
	Addresses []netip.Prefix
	// Conn holds TCP's settings for every connection.
	Conn conn.Config
	// Memory is the budget for the buffers of all connections, in bytes. When three quarters of it are in use, buffers
	// stop growing: they are filled to at most 64 KiB each, and data that arrives beyond a gap is dropped. When the budget
	// is exhausted, data in order is dropped as well on connections that hold 64 KiB of unread data. The peer sends it
	// again. So every connection goes on, and the budget is exceeded by at most 160 KiB for each.
	//
	// Data beyond a gap may take a quarter of the budget, and a sixteenth while three quarters are in use. When it takes
	// more, the data of the connections that have held the most of it for the longest time is discarded.
	//
	// Default 512 MiB, which is 32 connections whose largest window is full and whose application does not read. The
	// machine's memory is not taken into account. Not used if Conn.Pool is set.
	Memory int64
	// HopLimit is the TTL or hop limit of what is sent. Default 64 (RFC 9293 3.9.1.7, MUST-49).
	HopLimit uint8
	// Backlog is, for each listener, the most connections that wait to be accepted, and the most whose handshake has
	// not completed; of these, the oldest makes way. Default 4096, which is package net's on Linux.
	Backlog int
	// MaxTimeWait is the most connections in TIME-WAIT. When there are more, those that entered it first end, within a few
	// milliseconds, and are counted in Stats as time-wait-evicted. Default 262144, at 256 bytes each 64 MiB.
	MaxTimeWait int
	// MaxOrphans is the most orphans: connections that the application has closed and whose end the peer has not
	// acknowledged, or that wait for the peer's FIN. When there are as many, a connection that Close would make one is reset,
	// and counted in Stats as orphans-reset. Default 65536.
	MaxOrphans int
	// KeepAlive and KeepAliveConfig are as in [net.Dialer] and [net.ListenConfig], for connections of both kinds. Keep-alive
	// is on with an idle time of 15 s, an interval of 15 s and 9 probes by default. A negative KeepAlive turns it off, a
	// positive one is the idle time. KeepAliveConfig replaces KeepAlive if it is enabled; a negative field of it is RFC
	// 9293's default (see [conn.KeepAlive]). Neither is used if Conn.KeepAlive is enabled.
	//
	// Deviation: RFC 9293 3.8.4 has it off (MUST-25), and an idle time of 2 hours (MUST-28). Programs that are written for
	// package net depend on its default.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig
	// EphemeralPorts are the first and the last port to choose from when the application names none. Default 32768
	// to 60999.
	EphemeralPorts [2]uint16
	// ResetOnBadHeader answers a segment with a malformed TCP header on an open connection with a RST and ends the
	// connection, as some implementations do. Default: the segment is dropped and counted.
	ResetOnBadHeader bool
	// Secret keys initial sequence numbers and the choice of ports (RFC 6528, RFC 6056). A stack must not reuse the Secret
	// of an earlier one: the clock in the sequence numbers starts at 0 with each stack, so they would repeat. Default:
	// random.
	Secret [32]byte
	// ICMPRate is the most ICMP messages per second that are sent to one IPv4 address or IPv6 network of 64 bits. Ten times
	// as many RSTs for no connection may be sent to it besides. The limit is applied to periods of about a tenth of a second
	// and varies at random, from three quarters of it up. Default 1000 (RFC 4443 2.4 (f), RFC 1812 4.3.2.8).
	ICMPRate int
	// Near are the prefixes of the peers that are near: they are on this machine, or reached over a link on which a round
	// trip takes less than a millisecond and which is never the bottleneck. The stack looks at it once for each connection,
	// when it begins. What is sent to a near peer is not paced, unless by BBR. Over IPv4 it leaves in superframes larger than
	// 64 KiB (BIG TCP) if the device takes them. Buffers stay smaller when there are many connections: a send buffer holds at
	// most half of the unused part of 8 MiB, or 128 KiB if that is more, and bulk receivers share 4 MiB of window (see
	// [conn.Config]). A wrong entry makes a connection slower, but breaks nothing.
	//
	// Default (nil): those that the device names if it is a [NearReporter], as *tun.Device does, else none. A list that is
	// empty and not nil says that no peer is near. New returns an error for a prefix that is not valid, and for one of IPv4
	// in IPv6 form.
	Near []netip.Prefix
	// Nameservers are the servers that DialContext asks for the addresses of host names, over the stack. Default: none, and host
	// names are refused. See [Stack.Resolver].
	Nameservers []netip.AddrPort
	// Trace, if set, is called for every segment that arrives or leaves, on the goroutine that handles it and while the
	// connection is locked. It must not block, call the stack, or keep the event.
	Trace func(*TraceEvent)
	// Tap, if set, is called for every frame that arrives or leaves, under the same conditions as Trace. Neither the
	// Frame nor its octets may be kept or changed. With a Tap, no frame is larger than an IP packet can be.
	Tap func(*Frame)
}

var errNoAddresses = errors.New("stack: Config.Addresses is empty")

func (cfg Config) withDefaults() (Config, error) {
	if len(cfg.Addresses) == 0 {
		return cfg, errNoAddresses
	}
	for _, p := range cfg.Addresses {
		if err := checkAddress(p); err != nil {
			return cfg, err
		}
	}
	if cfg.HopLimit == 0 {
		cfg.HopLimit = 64
	}
	if cfg.Backlog <= 0 {
		cfg.Backlog = 4096
	}
	if cfg.MaxTimeWait <= 0 {
		cfg.MaxTimeWait = 256 << 10
	}
	if cfg.MaxOrphans <= 0 {
		cfg.MaxOrphans = 64 << 10
	}
	if cfg.EphemeralPorts == [2]uint16{} {
		cfg.EphemeralPorts = [2]uint16{32768, 60999}
	}
	if first, last := cfg.EphemeralPorts[0], cfg.EphemeralPorts[1]; first == 0 || last < first {
		return cfg, fmt.Errorf("stack: ephemeral ports %d to %d are no range", first, last)
	}
	if !cfg.Conn.KeepAlive.Enable {
		cfg.Conn.KeepAlive = cfg.keepAlive()
	}
	if cfg.ICMPRate <= 0 {
		cfg.ICMPRate = 1000
	}
	if cfg.Secret == [32]byte{} {
		rand.Read(cfg.Secret[:])
	}
	if cfg.Conn.Pool == nil {
		if cfg.Memory <= 0 {
			cfg.Memory = 512 << 20
		}
		pool := newPagePool(cfg.Memory)
		cfg.Conn.Pool, cfg.Conn.Pressure = pool, pool
	}
	if cfg.Conn.BulkReceivers == nil {
		cfg.Conn.BulkReceivers = new(bulkCount)
	}
	cfg.Conn = cfg.Conn.WithDefaults()
	return cfg, nil
}

// keepAlive returns the settings that KeepAlive and KeepAliveConfig stand for.
func (cfg *Config) keepAlive() conn.KeepAlive {
	k := cfg.KeepAliveConfig
	if !k.Enable {
		if cfg.KeepAlive < 0 {
			return conn.KeepAlive{}
		}
		k = net.KeepAliveConfig{Enable: true, Idle: cfg.KeepAlive}
	}
	return changeKeepAlive(conn.KeepAlive{}, k)
}

// changeKeepAlive returns k with the fields of config that are not negative. Zero fields of config are package net's
// defaults.
func changeKeepAlive(k conn.KeepAlive, config net.KeepAliveConfig) conn.KeepAlive {
	k.Enable = config.Enable
	if config.Idle >= 0 {
		k.Idle = cmp.Or(config.Idle, 15*time.Second)
	}
	if config.Interval >= 0 {
		k.Interval = cmp.Or(config.Interval, 15*time.Second)
	}
	if config.Count >= 0 {
		k.Count = cmp.Or(config.Count, 9)
	}
	return k
}

// checkMTU returns an error if the MTU is too small for IP with the given addresses (RFC 8200 5, RFC 791 3.2).
func checkMTU(mtu int, own *ownAddresses) error {
	least := 576
	if own.hasFamily(false) {
		least = 1280
	}
	if mtu < least {
		return fmt.Errorf("stack: the device's MTU is %d; it must be at least %d", mtu, least)
	}
	return nil
}
