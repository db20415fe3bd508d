package stack

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/icmp"
)

// PingForwarder takes echo requests to addresses that are not the stack's. See [Stack.ForwardPing].
type PingForwarder struct {
	stack    *Stack
	prefixes []netip.Prefix
	handle   func(*EchoRequest)
}

// EchoRequest is an ICMP or ICMPv6 echo request to a forwarded address.
type EchoRequest struct {
	stack               *Stack
	source, destination netip.Addr
	message             wire.ICMP
	queue, hopLimit     uint8
}

// ForwardPing makes the stack take ICMP and ICMPv6 echo requests to the addresses of prefixes, or to all addresses if
// there are none. It calls handle for each, on the goroutine that reads the device, which must not block. Without a
// PingForwarder such requests are not answered. Requests to the stack's own addresses are answered by the stack.
//
// A stack has one PingForwarder at a time. The error is one for which errors.Is finds syscall.EADDRINUSE, or
// syscall.EINVAL, or the error of [Stack.Err].
func (s *Stack) ForwardPing(prefixes []netip.Prefix, handle func(*EchoRequest)) (*PingForwarder, error) {
	if handle == nil {
		return nil, errNoHandle("ForwardPing")
	}
	if err := checkPrefixes("ForwardPing", prefixes); err != nil {
		return nil, err
	}
	f := &PingForwarder{stack: s, prefixes: slices.Clone(prefixes), handle: handle}
	return install(s, &s.pingForwarder, f, "ping")
}

// Close stops forwarding.
func (f *PingForwarder) Close() error {
	return uninstall(&f.stack.pingForwarder, f, "ping")
}

// takes reports whether echo requests to dst are forwarded. It may be called with nil.
func (f *PingForwarder) takes(dst netip.Addr) bool { return f != nil && covers(f.prefixes, dst) }

// forwardEcho makes a request of the echo request at hand.
func (q *queue) forwardEcho() {
	s := q.stack
	f := s.pingForwarder.Load()
	if !f.takes(q.ip.Dst) {
		s.totals.Count(counters.ICMPIgnored)
		return
	}
	r := &EchoRequest{stack: s, source: q.ip.Src, destination: q.ip.Dst, message: q.icmp, queue: q.number, hopLimit: q.ip.HopLimit}
	r.message.Body = bytes.Clone(q.icmp.Body)
	f.handle(r)
}

// Source returns the address that the request came from.
func (r *EchoRequest) Source() netip.Addr { return r.source }

// Destination returns the address that the request is for.
func (r *EchoRequest) Destination() netip.Addr { return r.destination }

// HopLimit returns the TTL or hop limit with which the request has arrived.
func (r *EchoRequest) HopLimit() uint8 { return r.hopLimit }

// Message returns the request from its ICMP header on, as a ping socket sends it. See [PingConn].
func (r *EchoRequest) Message() []byte {
	b := make([]byte, icmp.HeaderLen+len(r.message.Body))
	return b[:wire.PutICMP(b, r.header(), &r.message)]
}

// Reply sends the echo reply, with the destination of the request as its source.
func (r *EchoRequest) Reply() {
	m := icmp.Reply(r.source.Is4(), r.message)
	w := r.stack.borrowWriter()
	defer r.stack.returnWriter(w)
	r.stack.sendICMP(r.stack.clock.Now(), w, r.queue, r.destination, r.source, &m)
}

// Unreachable answers the request with an ICMP error of the reason. The error is syscall.EINVAL for an unknown reason.
func (r *EchoRequest) Unreachable(reason Unreachable) error {
	if err := reason.check(); err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	w := r.stack.borrowWriter()
	defer r.stack.returnWriter(w)
	r.stack.sendUnreachable(r.stack.clock.Now(), w, r.queue, reason, r.header(), r.Message()[:icmp.HeaderLen])
	return nil
}

// TimeExceeded answers the request as the router at which its hop limit has ended. The error is syscall.EINVAL for an
// address that no router of the family has.
func (r *EchoRequest) TimeExceeded(router netip.Addr) error {
	w := r.stack.borrowWriter()
	defer r.stack.returnWriter(w)
	return r.stack.sendTimeExceeded(r.stack.clock.Now(), w, r.queue, router, r.header(), r.Message()[:icmp.HeaderLen])
}

// header returns the IP header of the request.
func (r *EchoRequest) header() *wire.IP {
	return &wire.IP{Src: r.source, Dst: r.destination, Protocol: icmp.Protocol(r.source.Is4())}
}
