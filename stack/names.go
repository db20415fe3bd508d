package stack

import (
	"context"
	"net"
	"net/netip"

	"minitcp/stack/internal/eyeballs"
	"minitcp/stack/internal/hostport"
	"minitcp/stack/internal/neterr"
	"minitcp/stack/internal/resolver"
)

// Resolver returns Go's resolver, with queries that go over the stack to the name servers given: over UDP, and over
// TCP when an answer is truncated. A server that does not answer is passed over from then on, in turn. The files of
// the host, such as /etc/hosts and the search list of /etc/resolv.conf, are used as by any [net.Resolver] with
// PreferGo.
//
// Without servers, every lookup fails.
func (s *Stack) Resolver(servers ...netip.AddrPort) *net.Resolver {
	return resolver.New(resolver.Dial{
		UDP: func(server netip.AddrPort) (resolver.PacketConn, error) {
			c, err := s.DialUDP(netip.AddrPort{}, server)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		TCP: func(ctx context.Context, server netip.AddrPort) (net.Conn, error) {
			c, err := s.DialTCP(ctx, netip.AddrPort{}, server)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
	}, servers)
}

// dialName implements DialContext for a host name.
func (s *Stack) dialName(ctx context.Context, network, host string, port uint16, dial dialFunc) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: network, Err: err} }
	addresses, err := s.resolver.LookupNetIP(ctx, "ip"+hostport.Families(network), host)
	if err != nil {
		return fail(err)
	}
	remotes := eyeballs.Sort(addresses, port, s.own().HasFamily)
	if len(remotes) == 0 {
		return fail(&net.AddrError{Err: "no suitable address found", Addr: host})
	}
	if hostport.IsUDP(network) {
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
