package stack

import (
	"fmt"
	"net/netip"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/icmp"
)

// Unreachable is the reason that [ForwardRequest.Unreachable] gives the client.
type Unreachable uint8

const (
	NetUnreachable  Unreachable = iota // Linux clients get ENETUNREACH.
	HostUnreachable                    // Linux clients get EHOSTUNREACH.
	PortUnreachable                    // Linux clients get ECONNREFUSED.
	AdminProhibited                    // Linux clients get EHOSTUNREACH over IPv4, EACCES over IPv6.
)

// String returns the reason in words.
func (u Unreachable) String() string { return icmp.Unreachable(u).String() }

// check returns an error if u is none of the reasons.
func (u Unreachable) check() error {
	if !icmp.Unreachable(u).Valid() {
		return fmt.Errorf("%v is not a reason: %w", u, syscall.EINVAL)
	}
	return nil
}

// sendUnreachable sends the source of a packet, of which it quotes the header and the start of the payload, an ICMP
// message from its destination.
func (s *Stack) sendUnreachable(now conn.Time, w *writer, queue uint8, reason Unreachable, ip *wire.IP, payload []byte) {
	m := icmp.Unreachable(reason).Message(ip.Is4(), s.quoted(ip, payload))
	s.sendICMP(now, w, queue, ip.Dst, ip.Src, &m)
}

// sendTimeExceeded sends the source of a packet, as sendUnreachable does, the message of a router at which the hop
// limit of the packet has ended. The error is syscall.EINVAL if router is not the address of one host, of the packet's
// family.
func (s *Stack) sendTimeExceeded(now conn.Time, w *writer, queue uint8, router netip.Addr, ip *wire.IP, payload []byte) error {
	if !router.IsValid() || router.Is4() != ip.Is4() || s.own().IsGroup(router) || router.IsUnspecified() {
		return fmt.Errorf("stack: %v is not the address of a router: %w", router, syscall.EINVAL)
	}
	m := icmp.TimeExceeded(ip.Is4(), icmp.HopLimit, s.quoted(ip, payload))
	s.sendICMP(now, w, queue, router, ip.Src, &m)
	return nil
}

// quoted returns the packet that an ICMP error quotes.
func (s *Stack) quoted(ip *wire.IP, payload []byte) []byte {
	b := make([]byte, wire.IPv6HeaderLen+len(payload))
	ip.HopLimit = s.cfg.HopLimit
	ipLen := wire.PutIP(b, ip, len(payload))
	return b[:ipLen+copy(b[ipLen:], payload)]
}
