// Package resolver makes a [net.Resolver] whose queries go to given name servers.
package resolver

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

// PacketConn is a socket for one server. The resolver frames queries on any other [net.Conn] as on TCP.
type PacketConn interface {
	net.Conn
	net.PacketConn
}

// Dial connects to a server.
type Dial struct {
	UDP func(server netip.AddrPort) (PacketConn, error)
	TCP func(ctx context.Context, server netip.AddrPort) (net.Conn, error)
}

// New returns Go's resolver with queries to the servers. A server that does not answer is passed over from then on, in
// turn. Without servers, every lookup fails.
func New(dial Dial, servers []netip.AddrPort) *net.Resolver {
	n := &nameservers{dial: dial, list: slices.Clone(servers)}
	return &net.Resolver{PreferGo: true, Dial: n.connect}
}

// nameservers chooses the server that queries go to.
type nameservers struct {
	dial    Dial
	list    []netip.AddrPort
	current atomic.Uint32 // an index into list, modulo its length
}

// connect connects to the current server, instead of the one in address, which is the host's.
func (n *nameservers) connect(ctx context.Context, network, _ string) (net.Conn, error) {
	if len(n.list) == 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no name server is configured"}}
	}
	at := n.current.Load()
	server := n.list[at%uint32(len(n.list))]
	if !strings.HasPrefix(network, "udp") {
		c, err := n.dial.TCP(ctx, server)
		if err != nil {
			n.failed(at)
		}
		return c, err
	}
	c, err := n.dial.UDP(server)
	if err != nil {
		n.failed(at)
		return nil, err
	}
	return &query{PacketConn: c, servers: n, at: at}, nil
}

// failed passes over the server with an index, unless that has been done.
func (n *nameservers) failed(at uint32) { n.current.CompareAndSwap(at, at+1) }

// query is a query's socket. It notes that the server does not answer.
type query struct {
	PacketConn
	servers *nameservers
	at      uint32
}

func (q *query) Read(p []byte) (int, error) {
	n, err := q.PacketConn.Read(p)
	if err != nil {
		q.servers.failed(q.at)
	}
	return n, err
}
