package stack

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/nat"
	"minitcp/stack/internal/timing"
)

// NATBehavior is the part of a datagram's remote end that mapping or filtering depends on [RFC 4787 4.1, 5].
type NATBehavior uint8

const (
	EndpointIndependent NATBehavior = iota
	AddressDependent
	AddressAndPortDependent
)

// String returns the name that RFC 4787 gives the behavior.
func (b NATBehavior) String() string {
	names := [...]string{"endpoint-independent", "address-dependent", "address and port-dependent"}
	if int(b) < len(names) {
		return names[b]
	}
	return fmt.Sprintf("NAT behavior %d", uint8(b))
}

// ForwardUDPConfig holds the settings of [Stack.ForwardUDP]. The zero value is ready for use.
type ForwardUDPConfig struct {
	// Prefixes are the destinations whose datagrams are forwarded. Default: all addresses.
	Prefixes []netip.Prefix
	// Mapping decides which datagrams of a client's port are one flow. By default all of them are, whatever their
	// destination, which games, telephony and connections that migrate depend on [RFC 4787 REQ-1].
	Mapping NATBehavior
	// Filtering decides from which remote ends datagrams reach the client: by default from all, otherwise from those the
	// client has sent a datagram to, of which a flow remembers the last 128 [RFC 4787 REQ-8].
	Filtering NATBehavior
	// Timeout is the time after which a flow without datagrams ends, default 5 minutes [RFC 4787 REQ-5]. DNSTimeout is the
	// same after an answer from port 53, default 30 seconds.
	Timeout, DNSTimeout time.Duration
	// MaxFlows is the number of flows, default 16384, and MaxFlowsPerSource the number of those of one source, an IPv4
	// address or an IPv6 network of 64 bits, default 4096. A new flow beyond them ends the flow that has been idle for
	// the longest time: of all, or of the source.
	MaxFlows          int
	MaxFlowsPerSource int
}

// UDPForwarder takes the datagrams to its prefixes that no socket takes. See [Stack.ForwardUDP].
type UDPForwarder struct {
	stack  *Stack
	cfg    ForwardUDPConfig
	handle func(*UDPFlow)

	mu     sync.Mutex
	closed bool
	flows  *nat.Table[UDPFlow]
	alarm  timing.Alarm // for the flow that ends next
}

// ForwardUDP makes the stack take datagrams to the addresses of cfg.Prefixes, whatever their port. It calls handle for
// each new flow, whose first datagram is ready to be read. Datagrams to sockets are not forwarded, those to other
// ports of the stack's own addresses are. A socket of all addresses is one of all addresses of the stack. Handle is
// called on the goroutine that reads the device and must not block.
//
// A stack has one UDP forwarder at a time: the error is one for which errors.Is finds syscall.EADDRINUSE, or
// syscall.EINVAL, or the error of [Stack.Err].
func (s *Stack) ForwardUDP(cfg ForwardUDPConfig, handle func(*UDPFlow)) (*UDPForwarder, error) {
	if handle == nil {
		return nil, errNoHandle("ForwardUDP")
	}
	if err := checkPrefixes("ForwardUDP", cfg.Prefixes); err != nil {
		return nil, err
	}
	for _, b := range []NATBehavior{cfg.Mapping, cfg.Filtering} {
		if b > AddressAndPortDependent {
			return nil, fmt.Errorf("stack: ForwardUDP: unknown %v: %w", b, syscall.EINVAL)
		}
	}
	if err := checkNotNegative("ForwardUDP: ", []setting{
		{"Timeout", int64(cfg.Timeout)}, {"DNSTimeout", int64(cfg.DNSTimeout)},
		{"MaxFlows", int64(cfg.MaxFlows)}, {"MaxFlowsPerSource", int64(cfg.MaxFlowsPerSource)},
	}); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Minute
	}
	if cfg.DNSTimeout == 0 {
		cfg.DNSTimeout = 30 * time.Second
	}
	if cfg.MaxFlows == 0 {
		cfg.MaxFlows = 16384
	}
	if cfg.MaxFlowsPerSource == 0 {
		cfg.MaxFlowsPerSource = 4096
	}
	cfg.Prefixes = slices.Clone(cfg.Prefixes)
	limits := nat.Limits{Flows: cfg.MaxFlows, FlowsPerSource: cfg.MaxFlowsPerSource}
	limits.Timeouts[nat.Idle], limits.Timeouts[nat.DNS] = cfg.Timeout, cfg.DNSTimeout
	f := &UDPForwarder{stack: s, cfg: cfg, handle: handle, flows: nat.NewTable[UDPFlow](limits)}
	f.alarm = timing.NewAlarm(f.expire)
	return install(s, &s.udpForwarder, f, "UDP")
}

// takes reports whether datagrams to dst are forwarded. It may be called with nil.
func (f *UDPForwarder) takes(dst netip.Addr) bool { return f != nil && covers(f.cfg.Prefixes, dst) }

// Close stops forwarding and ends all flows.
func (f *UDPForwarder) Close() error {
	if err := uninstall(&f.stack.udpForwarder, f, "UDP"); err != nil {
		return err
	}
	f.end(net.ErrClosed)
	return nil
}

// end ends all flows with a cause. No flow begins afterwards.
func (f *UDPForwarder) end(cause error) {
	f.mu.Lock()
	f.closed = true
	ended := f.flows.Clear()
	f.alarm.Stop()
	f.mu.Unlock()
	for _, flow := range ended {
		flow.Owner.close(cause)
	}
}

// count returns the number of flows. It may be called with nil.
func (f *UDPForwarder) count() int {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flows.Len()
}

// reduce returns as much of a remote end as b depends on.
func reduce(b NATBehavior, remote netip.AddrPort) netip.AddrPort {
	switch b {
	case AddressDependent:
		return netip.AddrPortFrom(remote.Addr(), 0)
	case AddressAndPortDependent:
		return remote
	}
	return netip.AddrPort{}
}

// flow returns the flow for a datagram from client to remote, which may be new. It is nil when the forwarder has ended.
func (f *UDPForwarder) flow(now conn.Time, client, remote netip.AddrPort) (flow *UDPFlow, isNew bool) {
	k := nat.Key{Client: client, Remote: reduce(f.cfg.Mapping, remote)}
	f.mu.Lock()
	var evicted *nat.Flow[UDPFlow]
	switch place := f.flows.Find(k); {
	case place != nil:
		flow = place.Owner
	case !f.closed:
		flow, isNew = newUDPFlow(f, k), true
		evicted = f.flows.Add(&flow.place)
	}
	if flow != nil {
		f.note(now, flow, nat.Idle)
		if b := f.cfg.Filtering; b != EndpointIndependent {
			flow.contacts.Add(reduce(b, remote))
		}
	}
	f.mu.Unlock()
	if evicted != nil {
		f.stack.totals.Count(counters.FlowsEvicted)
		evicted.Owner.close(net.ErrClosed)
	}
	return flow, isNew
}

// note records a datagram of the flow, which from now on ends after the timeout given. The lock is held.
func (f *UDPForwarder) note(now conn.Time, flow *UDPFlow, timeout nat.Timeout) {
	f.flows.Touch(now, &flow.place, timeout)
	if d := f.flows.Deadline(); d < f.alarm.At() {
		f.alarm.Set(now, d)
	}
}

// expire ends flows that have been idle.
func (f *UDPForwarder) expire() {
	now := f.stack.clock.Now()
	f.mu.Lock()
	ended := f.flows.Expire(now)
	f.alarm.Set(now, f.flows.Deadline())
	f.mu.Unlock()
	for _, flow := range ended {
		f.stack.totals.Count(counters.FlowsExpired)
		flow.Owner.close(net.ErrClosed)
	}
}
