//go:build linux

package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/relay"
)

// counter limits the number of connections that are open at once, of all sources and of each.
type counter struct {
	max, maxPerHost int

	mu      sync.Mutex
	all     int
	sources map[netip.Addr]int
}

// errTooMany is the error of connections beyond the limits.
var errTooMany = fmt.Errorf("%w: there are too many connections", errProhibited)

// enter counts a connection from a source. It returns false when there are as many as may be.
func (c *counter) enter(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.max || c.sources[from] >= c.maxPerHost {
		return false
	}
	if c.sources == nil {
		c.sources = make(map[netip.Addr]int)
	}
	c.all++
	c.sources[from]++
	return true
}

// leave undoes enter.
func (c *counter) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.sources[from]--; c.sources[from] == 0 {
		delete(c.sources, from)
	}
}

// none reports whether no connection is open.
func (c *counter) none() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all == 0
}

// takeTCP handles a request for a connection.
func (g *Gateway) takeTCP(r *stack.ForwardRequest) {
	to, err := g.target(r.Destination())
	if err != nil {
		g.refuseTCP(r, "", err)
		return
	}
	from := wire.Source(r.Source().Addr())
	if !g.connections.enter(from) {
		g.refuseTCP(r, "", errTooMany)
		return
	}
	leave := func() { g.connections.leave(from) }
	if !g.spawn(func() { g.connect(r, to, leave) }) {
		leave()
	}
}

// connect dials for a request, and starts the relay on a goroutine of its own: the stack of this one grows in some
// dials, and would stay as large for as long as the connection. It calls leave at the end.
func (g *Gateway) connect(r *stack.ForwardRequest, to netip.AddrPort, leave func()) {
	f := &forwarding{gateway: g, request: r, out: g.rules.outbound(to.Addr()), started: time.Now(), leave: leave}
	if !f.open(to) {
		leave()
	} else if !g.spawn(f.relay) {
		f.pair.reset()
		leave()
	}
}

// forwarding is a connection that is forwarded.
type forwarding struct {
	gateway *Gateway
	request *stack.ForwardRequest
	out     Outbound
	started time.Time
	pair    pair   // set by open
	early   []byte // data of the server's
	leave   func()
}

// open connects to the server and accepts the client's connection. It returns false if one of them has failed.
func (f *forwarding) open(to netip.AddrPort) bool {
	g, r := f.gateway, f.request
	ctx, cancel := context.WithTimeout(r.Context(), g.o.DialTimeout)
	defer cancel()
	defer g.afterClose(cancel)()
	server, early, err := f.out.dialTCP(ctx, &g.dial, to)
	if err != nil {
		if r.Context().Err() == nil && g.context.Err() == nil { // the client still waits
			g.refuseTCP(r, f.out.String(), err)
		}
		return false
	}
	cancel()
	g.o.Dialed(time.Since(f.started))
	client, err := r.Accept()
	if err != nil { // the client has given up
		reset(server)
		return false
	}
	f.pair, f.early = pair{client, server}, early
	return true
}

// relay relays until the connection ends.
func (f *forwarding) relay() {
	defer f.leave()
	result, err := f.gateway.relay(&f.pair, f.early)
	f.gateway.logFinished(f.request, f.out, f.pair.inside, f.started, result, err)
}

// reset ends a connection with a RST.
func reset(c relay.Conn) {
	c.SetLinger(0)
	c.Close()
}

// refuseTCP gives the client of a request the verdict of an error, and logs it.
func (g *Gateway) refuseTCP(r *stack.ForwardRequest, out string, err error) {
	v := verdictOf(err)
	v.refuse(r)
	g.logRefused("tcp", r.Source(), r.Destination(), out, err)
}

// spawn runs f on a goroutine that Close waits for. It returns false after Close.
func (g *Gateway) spawn(f func()) bool {
	g.starting.RLock()
	defer g.starting.RUnlock()
	if g.context.Err() != nil {
		return false
	}
	g.tasks.Go(f)
	return true
}

// afterClose calls f when Close is called, on a goroutine of its own. The function that it returns undoes this.
func (g *Gateway) afterClose(f func()) (stop func() bool) { return context.AfterFunc(g.context, f) }
