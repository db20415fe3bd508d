//go:build linux

// Package gateway forwards the traffic of a stack to where it is addressed: TCP connections, UDP datagrams and echo
// requests go out through sockets of the host, or through a proxy, by destination. A client sees the outcome that the
// gateway has seen: a refused connection is refused, an unreachable destination gets the ICMP message of its kind, and
// a destination that does not answer stays silent.
//
// # Files
//
//	gateway        the settings, Start and Close
//	rules, policy  the outbound of a destination; destinations that are refused or rewritten
//	outbound       the kinds of outbound; direct
//	socks, http    the client's side of SOCKS5 and of HTTP's CONNECT
//	tcp, udp, ping what the stack forwards
//	drain          the wait for connections, and for the last data of clients that have ended
//	recverr        ICMP errors about the datagrams of the host's sockets
//	dns            name servers in place of those that clients ask
//	verdict        errors as the client sees them
//	record, log    finished connections; log lines with a limit
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"minitcp/stack"
)

// Options are the settings of a gateway. The zero value sends everything directly, with the defaults.
type Options struct {
	// Rules give the outbound of each destination. Of those that contain a destination, the one with the longest prefix
	// holds. Destinations without a rule go out directly.
	Rules []Rule
	// DialTimeout is the time in which a connection must be established, with the proxy's part of it. Default 30 s. The
	// client gets no answer after it.
	DialTimeout time.Duration
	// UDPTimeout is the time after which a UDP flow without datagrams ends. Default 5 minutes [RFC 4787 REQ-5].
	UDPTimeout time.Duration
	// MaxConnections is the largest number of TCP connections, and that of UDP flows. MaxPerHost is the same for one
	// host: an IPv4 address or an IPv6 network of 64 bits. Defaults 16384 and 4096.
	MaxConnections, MaxPerHost int
	// AcceptFirst is that of [stack.ForwardConfig]: from that number of handshakes in progress on, connections are
	// accepted before their destination is dialed. Default: never.
	AcceptFirst int
	// DNS, if valid, is the name server that gets all datagrams and connections to port 53, whatever their destination.
	DNS netip.AddrPort
	// Control is called for each socket that the gateway opens, as that of [net.Dialer] is. It may be nil.
	Control func(network, address string, c syscall.RawConn) error
	// Rewrite returns the destination in place of another, and whether it has changed it. A destination that Rewrite has
	// changed is not refused. It may be nil.
	Rewrite func(netip.AddrPort) (netip.AddrPort, bool)
	// Refuse reports whether a destination is prohibited, in addition to those that always are: loopback, link-local,
	// multicast and unspecified addresses, and the networks of the stack's addresses. It may be nil.
	Refuse func(netip.AddrPort) bool
	// Dialed is called with the time in which a connection was established, a proxy's part included. It may be nil.
	Dialed func(took time.Duration)
	// Log gets refused flows as warnings, at a limited rate, and finished connections at debug level. Default: none.
	Log *slog.Logger
}

// Gateway forwards the traffic of a stack. See [Start].
type Gateway struct {
	stack *stack.Stack
	o     Options
	dial  net.Dialer // for all sockets
	rules rules
	log   limitedLog

	tcp  *stack.Forwarder
	udp  *stack.UDPForwarder
	ping *stack.PingForwarder

	context  context.Context // ends with Close
	cancel   context.CancelFunc
	starting sync.RWMutex // held to read while a task is started
	tasks    sync.WaitGroup

	connections counter
	pairs       pairs
	beginning   atomic.Int32 // UDP flows that have not forwarded their first datagram
	pings       pings
}

// keepAlive finds peers that have vanished without a word. It also keeps the state of NATs on the way.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: 15 * time.Second, Count: 9}

// Start forwards the traffic of s to addresses that are not its own. The error is one of [stack.Stack.ForwardTCP],
// [stack.Stack.ForwardUDP] or [stack.Stack.ForwardPing], or names an option that is out of range.
func Start(s *stack.Stack, o Options) (*Gateway, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	g := &Gateway{stack: s, o: o, rules: newRules(o.Rules)}
	g.context, g.cancel = context.WithCancel(context.Background())
	g.dial = net.Dialer{Control: bindLate(o.Control), KeepAliveConfig: keepAlive}
	plain := g.dial
	g.dial.Resolver = &net.Resolver{PreferGo: true, Dial: plain.DialContext}
	g.log.log = g.o.Log
	g.connections.max, g.connections.maxPerHost = o.MaxConnections, o.MaxPerHost
	g.pings.gateway = g
	if err := g.forward(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// complete sets the defaults and returns an error for a value that is out of range.
func (o *Options) complete() error {
	for _, v := range []struct {
		name    string
		value   int64
		instead func()
	}{
		{"DialTimeout", int64(o.DialTimeout), func() { o.DialTimeout = 30 * time.Second }},
		{"UDPTimeout", int64(o.UDPTimeout), func() { o.UDPTimeout = 5 * time.Minute }},
		{"MaxConnections", int64(o.MaxConnections), func() { o.MaxConnections = 16384 }},
		{"MaxPerHost", int64(o.MaxPerHost), func() { o.MaxPerHost = 4096 }},
		{"AcceptFirst", int64(o.AcceptFirst), func() {}},
	} {
		if v.value < 0 {
			return fmt.Errorf("gateway: %s is negative: %w", v.name, syscall.EINVAL)
		}
		if v.value == 0 {
			v.instead()
		}
	}
	if o.Dialed == nil {
		o.Dialed = func(time.Duration) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// forward starts the stack's forwarders.
func (g *Gateway) forward() (err error) {
	tcp := stack.ForwardConfig{MaxPending: g.o.MaxConnections, MaxPendingPerSource: g.o.MaxPerHost, AcceptFirst: g.o.AcceptFirst}
	if g.tcp, err = g.stack.ForwardTCP(tcp, g.takeTCP); err != nil {
		return err
	}
	udp := stack.ForwardUDPConfig{Timeout: g.o.UDPTimeout, DNSTimeout: min(30*time.Second, g.o.UDPTimeout),
		MaxFlows: g.o.MaxConnections, MaxFlowsPerSource: g.o.MaxPerHost}
	if g.udp, err = g.stack.ForwardUDP(udp, g.takeUDP); err != nil {
		return err
	}
	g.ping, err = g.stack.ForwardPing(nil, g.pings.take)
	return err
}

// Close stops forwarding, resets the connections, and returns when the gateway has no goroutine left. The stack stays.
// Further calls do nothing.
func (g *Gateway) Close() error {
	g.starting.Lock()
	closed := g.context.Err() != nil
	g.cancel()
	g.starting.Unlock()
	if closed {
		return nil
	}
	errs := []error{g.closeTCP()}
	g.pairs.reset()
	if g.udp != nil {
		errs = append(errs, g.udp.Close())
	}
	if g.ping != nil {
		errs = append(errs, g.ping.Close())
	}
	g.tasks.Wait()
	g.log.flush()
	return errors.Join(errs...)
}

// closeTCP stops forwarding new connections.
func (g *Gateway) closeTCP() error {
	if g.tcp == nil {
		return nil
	}
	err := g.tcp.Close()
	g.tcp = nil
	return err
}
