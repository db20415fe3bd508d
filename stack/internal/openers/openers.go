// Package openers remembers the results of active opens with TCP Fast Open: servers' cookies, failures and black holes
// [RFC 7413 4.1.3].
package openers

import (
	"net/netip"
	"time"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
)

// Destination is a server, as an address of the client reaches it. Cookies do not depend on the port, but Fast Open is
// a property of a service [RFC 7413 4.1.3].
type Destination struct {
	Client netip.Addr
	Server netip.AddrPort
}

// Client is the knowledge of a client about servers. Its zero value is empty.
type Client struct {
	servers map[Destination]*server
	order   []Destination // those in servers; next is the place of the next one
	next    int

	disabledUntil conn.Time
	blackHoles    int // since Fast Open has worked
}

// server is the knowledge about a Destination.
type server struct {
	offer    fastopen.Offer
	failures int // since the server accepted data
	until    conn.Time
}

const (
	// MaxServers is the largest number of servers that a Client knows. When there are more, it forgets the one that it
	// has known for the longest time.
	MaxServers = 1024

	// leastPause and maxDoubling limit the time without Fast Open after failures with a server: 2 minutes to about one
	// hour.
	leastPause  = 2 * time.Minute
	maxDoubling = 5

	// holePause and maxHoleDoubling limit the time without Fast Open to any server after a black hole, as Linux's
	// tcp_fastopen_blackhole_timeout does: 1 hour to 64 hours.
	holePause       = time.Hour
	maxHoleDoubling = 6
)

// Begin returns the offer for a connection to a server.
func (c *Client) Begin(now conn.Time, d Destination) fastopen.Offer {
	request := fastopen.Offer{Option: wire.FastOpen{Kind: wire.FastOpenStandard}}
	switch s := c.servers[d]; {
	case c.Disabled(now), s != nil && now < s.until:
		return fastopen.Offer{}
	case s == nil || s.offer.Option.Kind == wire.FastOpenNone:
		return request
	default:
		return s.offer
	}
}

// Take takes the results of a connection to a server.
func (c *Client) Take(now conn.Time, d Destination, r *fastopen.Report) {
	if r.Learned.Option.Len > 0 {
		c.learn(d, r.Learned)
	}
	if r.Works {
		c.works()
	}
	if r.Accepted {
		c.accepted(d)
	}
	if r.Failed {
		c.failed(now, d)
	}
	if r.BlackHole {
		c.blackHole(now)
	}
}

// learn takes the cookie and the MSS option of a server's SYN-ACK.
func (c *Client) learn(d Destination, o fastopen.Offer) { c.server(d).offer = o }

// accepted notes that a server has accepted data in a SYN.
func (c *Client) accepted(d Destination) {
	if s := c.servers[d]; s != nil {
		s.failures, s.until = 0, 0
	}
}

// failed notes that a server has not accepted data in a SYN, or that the SYN had to be sent again. The client does not
// use Fast Open with the server for a time that doubles with each failure [RFC 7413 4.1.3.1].
func (c *Client) failed(now conn.Time, d Destination) {
	s := c.server(d)
	s.until = now.Add(leastPause << min(s.failures, maxDoubling))
	s.failures++
}

// Disabled reports whether the client uses Fast Open with no server, because of a black hole.
func (c *Client) Disabled(now conn.Time) bool { return now < c.disabledUntil }

// blackHole notes that a path has lost the segments after a SYN with the option. Since the cause is often close to the
// client, it does not use Fast Open with any server for a time that doubles with each black hole.
func (c *Client) blackHole(now conn.Time) {
	c.disabledUntil = now.Add(holePause << min(c.blackHoles, maxHoleDoubling))
	c.blackHoles++
}

// works notes that data has arrived on a connection whose SYN had the option. The next black hole is the first one
// again.
func (c *Client) works() { c.blackHoles = 0 }

// server returns the record of a destination, a new one if there is none.
func (c *Client) server(d Destination) *server {
	if s := c.servers[d]; s != nil {
		return s
	}
	if c.servers == nil {
		c.servers = make(map[Destination]*server)
	}
	s := new(server)
	c.servers[d] = s
	if len(c.order) < MaxServers {
		c.order = append(c.order, d)
		return s
	}
	delete(c.servers, c.order[c.next])
	c.order[c.next] = d
	c.next = (c.next + 1) % MaxServers
	return s
}
