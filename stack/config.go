package stack

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/addresses"
	"minitcp/stack/internal/memory"
)

// Config holds the settings of a stack. Addresses must be set. The zero value of every other field selects its default.
// [New] returns an error that names the value if one is invalid.
type Config struct {
	// Addresses are the stack's own addresses, IPv4 and IPv6, each with the length of its network's prefix.
	Addresses []netip.Prefix
	// Conn holds the TCP settings of every connection.
	Conn conn.Config
	// Memory is the budget in bytes for connections and their buffers, datagrams that wait to be read, fragments,
	// handshakes and TIME-WAIT. Stats has its use as memory-used. Limits apply in this order as memory is used:
	//
	//   - A buffer whose consumer lets data wait, or has not taken much yet, may hold a 64th of the unused part of three
	//     eighths of the budget, or 14 KiB before a peer stalls and 4 KiB afterwards if that is more. The consumer of a
	//     send buffer is the peer, that of a receive buffer the application. Datagrams that are not read have the same
	//     limit. Any other buffer may hold an eighth of the unused part of three quarters of the budget, or a 32nd of the
	//     unused part of fifteen sixteenths, or 64 KiB, whichever is most.
	//   - Connections in TIME-WAIT may take a quarter, and fragments a sixteenth, at most 4 MiB. The oldest end or are
	//     discarded.
	//   - Data beyond a gap may take a quarter of the budget, and a sixteenth while three quarters are in use. When it
	//     takes more, the stack discards that of the connections that have held the most of it for the longest time.
	//   - When three quarters are in use, received data is dropped that exceeds the connection's limit at that time, 4
	//     KiB at least, even within its window. The peer retransmits it. Connections whose peer has stalled for 3 s are
	//     reset, or 30 s if the peer has acknowledged 32 KiB before, those that have stalled for the longest time first,
	//     and counted in Stats as stalled-reset. Writes fail with syscall.ETIMEDOUT [RFC 6429 4].
	//   - When fifteen sixteenths are in use, the limits are a 32nd of the unused part of the budget, 4 KiB at least and
	//     14 KiB at most, and data beyond a gap is dropped. Every connection therefore makes progress.
	//   - When the budget is in use, no connection begins: SYNs are dropped, and counted in Stats as
	//     connections-no-memory. Connections that began before may exceed the budget by their 4 KiB, in pages of 8 KiB.
	//
	// Windows are not in the budget: in all they may permit more than it, as most connections use little of theirs. Linux
	// does the same. A window shrinks with the limit of its connection as data arrives, but its edge never moves back.
	//
	// The default is 512 MiB, which is the memory of 32 connections whose largest window is full and unread. The size of
	// the machine's memory has no influence. Memory is not used if Conn.Pool is set. An open connection counts with 1 KiB,
	// so half a million connections without data need 512 MiB. Its state of a transfer takes 0.8 KiB more, which is not
	// counted.
	Memory int64
	// HopLimit is the TTL or hop limit of outgoing packets. Default 64 [RFC 9293 3.9.1.7, MUST-49].
	HopLimit uint8
	// Backlog is the limit of two queues of each listener: connections that wait for Accept, and handshakes in progress.
	// While the first is full, SYNs are dropped, and the final ACKs of handshakes have no effect; peers send both again.
	// While the second is full, listeners reply with SYN cookies. Default 4096, as package net's on Linux.
	Backlog int
	// SYNCookies selects when listeners reply with SYN cookies. Default [SYNCookiesAuto].
	SYNCookies SYNCookies
	// MaxTimeWait is the largest number of connections in TIME-WAIT. When there are more, those that entered it first end
	// within a few milliseconds, and are counted in Stats as time-wait-evicted. Default 262144, at 320 bytes each 80 MiB;
	// at most a quarter of Memory.
	MaxTimeWait int
	// MaxOrphans is the largest number of orphans: connections that the application has closed and that still wait for the
	// peer's acknowledgment or FIN. A Close beyond it resets the connection, and is counted in Stats as orphans-reset.
	// Default 65536.
	MaxOrphans int
	// MaxConnections is the largest number of connections that peers have opened, to listeners and forwarders, and
	// MaxPerHost that with one host: an IPv4 address or an IPv6 network of 64 bits. Handshakes to listeners do not count,
	// nor do connections in TIME-WAIT. SYNs beyond them are dropped, final ACKs have no effect, and both are counted in
	// Stats as connections-limited. The peer sends them again, and is accepted when another connection has ended.
	// Default: no limits.
	MaxConnections, MaxPerHost int
	// MSS is the largest MSS option sent, and the largest segment, in bytes of TCP options and data, for paths through
	// links with a smaller MTU than the device's. At least 496. Default: that of the MTU. [Listener.SetMSS] and [WithMSS]
	// are for single listeners and connections.
	MSS int
	// KeepAlive and KeepAliveConfig are those of [net.Dialer] and [net.ListenConfig], for connections of both kinds. By
	// default, keep-alive is on with an idle time of 15 s, an interval of 15 s and 9 probes. A negative KeepAlive turns it
	// off, a positive one is the idle time. KeepAliveConfig replaces KeepAlive if it is enabled; a negative field of it
	// selects RFC 9293's default (see [conn.KeepAlive]). Neither is used if Conn.KeepAlive is enabled.
	//
	// Deviation: by RFC 9293 3.8.4, keep-alive is off by default (MUST-25) and has an idle time of 2 hours (MUST-28).
	// Programs that are written for package net depend on its default.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig
	// EphemeralPorts are the first and the last port of the range from which the stack chooses when the application names
	// no port. The first must not be 0 or above the last. Default 32768 to 60999.
	EphemeralPorts [2]uint16
	// ResetOnBadHeader makes a segment with a malformed TCP header reset the open connection that it belongs to, as some
	// implementations do. By default, the segment is dropped and counted.
	ResetOnBadHeader bool
	// Secret is the key of initial sequence numbers, timestamps and the choice of ports. The sequence numbers and
	// timestamps of a stack with the Secret of an earlier one continue those of the earlier one by the wall clock, so a
	// peer in TIME-WAIT accepts a new connection. Default: random [RFC 6528, RFC 7323 7.1, RFC 6056].
	Secret [32]byte
	// FastOpenKeys are the primary key of TCP Fast Open's cookies and, optionally, a backup key, whose cookies are
	// accepted and replaced. Servers behind a load balancer share their keys. To change the key, set the new one with the
	// old one as backup. Default: keys that depend on Secret and change every day. See [Listener.SetFastOpen].
	FastOpenKeys [][16]byte
	// ICMPRate is the largest number of ICMP messages per second to one IPv4 address or IPv6 network of 64 bits. RSTs for
	// segments without a connection have a limit of their own, ten times as high. A limit applies to periods of about 0.1
	// s and varies at random between three quarters and all of it. Default 1000 [RFC 4443 2.4 (f), RFC 1812 4.3.2.8].
	ICMPRate int
	// Near are the prefixes of near peers. A near peer is on this machine, or behind a link that has a round-trip time
	// below 1 ms and is never the bottleneck. The stack consults Near once for each connection, when the connection
	// begins. Segments to a near peer are not paced, except by BBR. Over IPv4 they leave in superframes larger than 64
	// KiB (BIG TCP) if the device takes them. Buffers are smaller when there are many connections: a send buffer holds at
	// most half of the unused part of 8 MiB, or 128 KiB if that is more, and bulk receivers share 4 MiB of window (see
	// [conn.Config]). A wrong entry makes a connection slower, but breaks nothing.
	//
	// The default (nil) is the device's prefixes if it is a [NearReporter], as *tun.Device is, and otherwise none. With an
	// empty list that is not nil, no peer is near. New returns an error for a prefix that is invalid or that is an IPv4
	// prefix in IPv6 form.
	Near []netip.Prefix
	// Nameservers are the DNS servers that DialContext asks, over the stack, for the addresses of host names. Default:
	// none, and dialing a host name fails. See [Stack.Resolver].
	Nameservers []netip.AddrPort
	// Trace, if set, is the Segment of an Observer for the whole life of the stack; see [Stack.Observe].
	Trace func(*TraceEvent)
	// Tap, if set, is the Frame of an Observer for the whole life of the stack.
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
	if err := cfg.check(); err != nil {
		return cfg, err
	}
	if cfg.HopLimit == 0 {
		cfg.HopLimit = 64
	}
	if cfg.Backlog == 0 {
		cfg.Backlog = 4096
	}
	if cfg.MaxTimeWait == 0 {
		cfg.MaxTimeWait = 256 << 10
	}
	if cfg.MaxOrphans == 0 {
		cfg.MaxOrphans = 64 << 10
	}
	if cfg.EphemeralPorts == [2]uint16{} {
		cfg.EphemeralPorts = [2]uint16{32768, 60999}
	}
	if first, last := cfg.EphemeralPorts[0], cfg.EphemeralPorts[1]; first == 0 || last < first {
		return cfg, fmt.Errorf("stack: invalid range of ephemeral ports: %d to %d", first, last)
	}
	if !cfg.Conn.KeepAlive.Enable {
		cfg.Conn.KeepAlive = cfg.keepAlive()
	}
	if cfg.ICMPRate == 0 {
		cfg.ICMPRate = 1000
	}
	if cfg.Secret == [32]byte{} {
		rand.Read(cfg.Secret[:])
	}
	if cfg.Conn.Pool == nil {
		if cfg.Memory == 0 {
			cfg.Memory = 512 << 20
		}
		pool := memory.NewPool(cfg.Memory)
		cfg.Conn.Pool, cfg.Conn.Pressure = pool, pool
		cfg.MaxTimeWait = int(min(int64(cfg.MaxTimeWait), max(1, cfg.Memory/4/int64(timeWaitMemory))))
	}
	if cfg.Conn.BulkReceivers == nil {
		cfg.Conn.BulkReceivers = new(bulkCount)
	}
	cfg.Conn = cfg.Conn.WithDefaults()
	return cfg, nil
}

// check returns an error for a field that has no valid value.
func (cfg *Config) check() error {
	if err := checkMSS(cfg.MSS); err != nil {
		return fmt.Errorf("stack: Config.MSS: %w", err)
	}
	if n := len(cfg.FastOpenKeys); n > 2 {
		return fmt.Errorf("stack: Config.FastOpenKeys has %d keys, at most 2 are possible", n)
	}
	if cfg.SYNCookies > SYNCookiesOff {
		return fmt.Errorf("stack: Config.SYNCookies: unknown mode %d: %w", uint8(cfg.SYNCookies), syscall.EINVAL)
	}
	for _, server := range cfg.Nameservers {
		if !server.IsValid() || server.Port() == 0 {
			return fmt.Errorf("stack: Config.Nameservers: %v is not an address with a port: %w", server, syscall.EINVAL)
		}
	}
	return checkNotNegative("Config.", []setting{
		{"Memory", cfg.Memory}, {"Backlog", int64(cfg.Backlog)}, {"MaxTimeWait", int64(cfg.MaxTimeWait)},
		{"MaxOrphans", int64(cfg.MaxOrphans)}, {"MaxConnections", int64(cfg.MaxConnections)},
		{"MaxPerHost", int64(cfg.MaxPerHost)}, {"ICMPRate", int64(cfg.ICMPRate)},
	})
}

// setting is a field of a Config and its value.
type setting struct {
	name  string
	value int64
}

// checkNotNegative returns an error that names the first negative setting, after prefix.
func checkNotNegative(prefix string, settings []setting) error {
	for _, s := range settings {
		if s.value < 0 {
			return fmt.Errorf("stack: %s%s: %d is negative: %w", prefix, s.name, s.value, syscall.EINVAL)
		}
	}
	return nil
}

// keepAlive returns the keep-alive settings of KeepAlive and KeepAliveConfig.
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

// changeKeepAlive returns k with the fields of config that are not negative. A zero field of config selects package
// net's default.
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

// leastMSS is the smallest MSS that can be set, as IPv6 links carry packets of 1280 bytes and IPv4's of 576.
const leastMSS = 536 - 40

// checkMSS returns an error if mss cannot be set. 0 means no limit.
func checkMSS(mss int) error {
	if mss != 0 && mss < leastMSS {
		return fmt.Errorf("an MSS of %d bytes is below %d: %w", mss, leastMSS, syscall.EINVAL)
	}
	return nil
}

// limitMSS makes mss, if it is not 0, the largest MSS of a connection.
func limitMSS(o *conn.Open, mss int) {
	if mss != 0 {
		o.MTU = min(o.MTU, mss+o.IPHeader+20)
	}
}

// checkMTU returns an error if the MTU is below the minimum of IP for the stack's addresses [RFC 8200 5, RFC 791 3.2].
func checkMTU(mtu int, own *addresses.Set) error {
	least := 576
	if own.HasFamily(false) {
		least = 1280
	}
	if mtu < least {
		return fmt.Errorf("stack: the device's MTU is %d; it must be at least %d", mtu, least)
	}
	return nil
}

// bulkCount is a [bulk.Counter] that fills a cache line, because every segment reads it and it changes rarely.
type bulkCount struct {
	atomic.Int64
	_ [56]byte
}
