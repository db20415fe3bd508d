//go:build linux

package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/stack"
)

// pings forwards echo requests with ICMP sockets, which Linux gives to the groups of net.ipv4.ping_group_range. They
// go out directly. Destinations whose rule is a proxy are prohibited, because no proxy carries ICMP.
type pings struct {
	gateway *Gateway

	mu       sync.Mutex
	sessions map[pingKey]*pingSession
}

// pingKey is a client's ping process: its address and the identifier of its requests.
type pingKey struct {
	client netip.Addr
	id     uint16
}

// pingSession is an ICMP socket with the requests that wait for a reply.
type pingSession struct {
	socket *directSocket

	sending sync.Mutex // held while a request is sent with its hop limit

	mu      sync.Mutex
	waiting map[pingRequest]*stack.EchoRequest
	order   []pingRequest // of waiting, the oldest first; some may have got their reply
}

type pingRequest struct {
	to       netip.Addr
	sequence uint16
}

const (
	maxPingSessions = 1024
	maxWaiting      = 64 // requests of a session
	// pingTimeout is the time after which an idle session ends.
	pingTimeout = 60 * time.Second
	icmpHeader  = 8
)

// take handles an echo request.
func (p *pings) take(r *stack.EchoRequest) {
	g := p.gateway
	client, dst := netip.AddrPortFrom(r.Source(), 0), netip.AddrPortFrom(r.Destination(), 0)
	to, err := g.target(dst)
	out := g.rules.outbound(to.Addr())
	if err == nil && out != Direct {
		err = fmt.Errorf("%w: %v carries no ICMP", errProhibited, out)
	}
	if err == nil {
		err = p.send(r, to.Addr())
	}
	if err == nil {
		return
	}
	if reason, ok := reasons[verdictOf(err)]; ok {
		r.Unreachable(reason)
	}
	g.logRefused("icmp", client, dst, out.String(), err)
}

// send sends a request from its session's socket.
func (p *pings) send(r *stack.EchoRequest, to netip.Addr) error {
	m := r.Message()
	k := pingKey{r.Source(), binary.BigEndian.Uint16(m[4:])}
	s, err := p.session(k, to)
	if err != nil {
		return err
	}
	s.expect(pingRequest{to, binary.BigEndian.Uint16(m[6:])}, r)
	s.socket.c.SetReadDeadline(time.Now().Add(pingTimeout))
	s.sending.Lock()
	defer s.sending.Unlock()
	s.socket.limitHops(r.HopLimit())
	// The kernel sets the identifier.
	request := []stack.Datagram{{Buffer: m, N: len(m), Remote: netip.AddrPortFrom(to, 0)}}
	if _, err = s.socket.send(request); err != nil {
		_, err = s.socket.send(request) // an error that was pending is that of an earlier request
	}
	return err
}

// session returns the session of a client, which may be new.
func (p *pings) session(k pingKey, to netip.Addr) (*pingSession, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[k]; s != nil {
		return s, nil
	}
	if len(p.sessions) >= maxPingSessions {
		return nil, fmt.Errorf("%w: there are too many pings", errProhibited)
	}
	c, err := p.open(to)
	if err != nil {
		return nil, err
	}
	s := &pingSession{socket: newDirectSocket(c), waiting: make(map[pingRequest]*stack.EchoRequest)}
	if !p.gateway.spawn(func() { p.serve(k, s) }) {
		c.Close()
		return nil, net.ErrClosed
	}
	if p.sessions == nil {
		p.sessions = make(map[pingKey]*pingSession)
	}
	p.sessions[k] = s
	return s, nil
}

// open opens an ICMP socket of the family of an address.
func (p *pings) open(to netip.Addr) (*net.UDPConn, error) {
	family, protocol, network := unix.AF_INET, unix.IPPROTO_ICMP, "udp4"
	if to.Is6() {
		family, protocol, network = unix.AF_INET6, unix.IPPROTO_ICMPV6, "udp6"
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("no ICMP socket: %w; permit it with: sysctl -w net.ipv4.ping_group_range='0 2147483647'", err)
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer f.Close() // FilePacketConn duplicates it
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	u := c.(*net.UDPConn)
	raw, err := u.SyscallConn()
	if err == nil && p.gateway.o.Control != nil {
		err = p.gateway.o.Control(network, "", raw)
	}
	if err == nil {
		err = reportErrors(network, raw)
	}
	if err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

// serve answers the client until the session has been idle for long, or the gateway is closed.
func (p *pings) serve(k pingKey, s *pingSession) {
	stop := p.gateway.afterClose(s.socket.close)
	defer stop()
	s.socket.receive(s.arrived, s.failed)
	s.socket.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, k)
}

// expect notes a request that waits for its reply.
func (s *pingSession) expect(k pingRequest, r *stack.EchoRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) == maxWaiting {
		delete(s.waiting, s.order[0])
		s.order = append(s.order[:0], s.order[1:]...)
	}
	s.order = append(s.order, k)
	s.waiting[k] = r
}

// answered returns the request that a message of its destination belongs to.
func (s *pingSession) answered(from netip.Addr, message []byte) *stack.EchoRequest {
	if len(message) < icmpHeader {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := pingRequest{from, binary.BigEndian.Uint16(message[6:])}
	r := s.waiting[k]
	delete(s.waiting, k)
	return r
}

// arrived takes replies.
func (s *pingSession) arrived(list []stack.Datagram) {
	for _, d := range list {
		reply := d.Buffer[:d.N]
		if r := s.answered(d.Remote.Addr(), reply); r != nil && bytes.Equal(r.Message()[icmpHeader:], reply[icmpHeader:]) {
			r.Reply()
		}
	}
}

// failed takes an ICMP error. The quoted message is the request.
func (s *pingSession) failed(e socketError) {
	if r := s.answered(e.to.Addr(), e.quoted); r != nil {
		if e.router.IsValid() {
			r.TimeExceeded(e.router)
		} else if reason, ok := reasons[e.verdict]; ok {
			r.Unreachable(reason)
		}
	}
}
