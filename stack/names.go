package stack

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"minitcp/stack/internal/eyeballs"
	"minitcp/stack/internal/neterr"
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

// dialName is DialContext for a host name.
func (s *Stack) dialName(ctx context.Context, network, host string, port uint16, dial dialFunc) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: network, Err: err} }
	addresses, err := s.resolver.LookupNetIP(ctx, "ip"+network[len("tcp"):], host)
	if err != nil {
		return fail(err)
	}
	remotes := eyeballs.Sort(addresses, port, s.own().HasFamily)
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
	c, err := eyeballs.First(ctx, remotes, func(ctx context.Context, remote netip.AddrPort) (*Conn, error) {
		return s.dial(ctx, network, netip.AddrPort{}, remote, dial)
	})
	switch {
	case err != nil && err == ctx.Err():
		return nil, dialError(network, netip.AddrPort{}, remotes[0], neterr.FromContext(err))
	case err != nil:
		return nil, err
	}
	return c, nil
}
