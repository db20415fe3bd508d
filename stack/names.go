package stack

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// Resolver returns Go's resolver, with queries that go over the stack to the name servers given: over UDP, and over
// TCP when an answer is truncated. A server that does not answer is passed over from then on, in turn. The files of
// the host, such as /etc/hosts and the search list of /etc/resolv.conf, are used as by any [net.Resolver] with
// PreferGo.
//
// Without servers, every lookup fails.
func (s *Stack) Resolver(servers ...netip.AddrPort) *net.Resolver {
	n := &nameservers{stack: s, list: slices.Clone(servers)}
	return &net.Resolver{PreferGo: true, Dial: n.dial}
}

// nameservers chooses the server that queries go to.
type nameservers struct {
	stack   *Stack
	list    []netip.AddrPort
	current atomic.Uint32 // an index into list, modulo its length
}

// dial connects to the current server, instead of the one in address, which is the host's.
func (n *nameservers) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if len(n.list) == 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no name server is configured"}}
	}
	at := n.current.Load()
	server := n.list[at%uint32(len(n.list))]
	if isUDP(network) {
		c, err := n.stack.DialUDP(netip.AddrPort{}, server)
		if err != nil {
			n.failed(at)
			return nil, err
		}
		return &queryUDP{UDPConn: c, servers: n, at: at}, nil
	}
	c, err := n.stack.DialTCP(ctx, netip.AddrPort{}, server)
	if err != nil {
		n.failed(at)
		return nil, err
	}
	return c, nil
}

// failed passes over the server with an index, unless that has been done.
func (n *nameservers) failed(at uint32) { n.current.CompareAndSwap(at, at+1) }

// queryUDP is a query's socket. It notes that the server does not answer.
type queryUDP struct {
	*UDPConn
	servers *nameservers
	at      uint32
}

func (q *queryUDP) Read(p []byte) (int, error) {
	n, err := q.UDPConn.Read(p)
	if err != nil {
		q.servers.failed(q.at)
	}
	return n, err
}

// attemptDelay is the time after which a connection attempt to the next address begins beside those that have not
// succeeded [RFC 8305 5].
const attemptDelay = 250 * time.Millisecond

// dialName is DialContext for a host name.
func (s *Stack) dialName(ctx context.Context, network, host string, port uint16) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: network, Err: err} }
	addresses, err := s.resolver.LookupNetIP(ctx, "ip"+network[len("tcp"):], host)
	if err != nil {
		return fail(err)
	}
	remotes := s.sortAddresses(addresses, port)
	if len(remotes) == 0 {
		return fail(&net.AddrError{Err: "no suitable address found", Addr: host})
	}
	if isUDP(network) {
		c, err := s.dialUDP(network, netip.AddrPort{}, remotes[0])
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	c, err := s.dialAny(ctx, network, remotes)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// sortAddresses returns the addresses that the stack can reach with the families in turn, IPv6 first [RFC 8305 4].
func (s *Stack) sortAddresses(addresses []netip.Addr, port uint16) []netip.AddrPort {
	var families [2][]netip.AddrPort
	for _, a := range addresses {
		a = a.Unmap().WithZone("")
		if !s.own().HasFamily(a.Is4()) {
			continue
		}
		family := 0
		if a.Is4() {
			family = 1
		}
		families[family] = append(families[family], netip.AddrPortFrom(a, port))
	}
	var list []netip.AddrPort
	for i := range max(len(families[0]), len(families[1])) {
		for _, f := range families {
			if i < len(f) {
				list = append(list, f[i])
			}
		}
	}
	return list
}

// dialAny connects to the first of remotes that accepts. An attempt begins when the one before has failed, or has not
// succeeded after attemptDelay [RFC 8305 5]. The error is that of the first attempt that failed.
func (s *Stack) dialAny(ctx context.Context, network string, remotes []netip.AddrPort) (*Conn, error) {
	type outcome struct {
		conn *Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan outcome)
	attempt := func(remote netip.AddrPort) {
		c, err := s.dial(ctx, network, netip.AddrPort{}, remote)
		select {
		case outcomes <- outcome{c, err}:
		case <-ctx.Done(): // another attempt has succeeded, or the caller's context has ended
			if c != nil {
				c.Close()
			}
		}
	}
	var first error
	delay := time.NewTimer(0)
	defer delay.Stop()
	for next, pending := 0, 0; ; {
		select {
		case <-delay.C:
			if next < len(remotes) {
				go attempt(remotes[next])
				next++
				pending++
				delay.Reset(attemptDelay)
			}
		case o := <-outcomes:
			if o.err == nil {
				return o.conn, nil
			}
			if first == nil {
				first = o.err
			}
			if pending--; next < len(remotes) {
				delay.Reset(0)
			} else if pending == 0 {
				return nil, first
			}
		case <-ctx.Done():
			return nil, dialError(network, netip.AddrPort{}, remotes[0], contextError(ctx.Err()))
		}
	}
}
