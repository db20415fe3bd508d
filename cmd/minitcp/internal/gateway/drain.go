//go:build linux

package gateway

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/conn"
	"minitcp/stack"
	"minitcp/stack/relay"
)

// pairs are the connections that the gateway relays.
type pairs struct {
	mu     sync.Mutex
	all    map[*pair]struct{}
	closed bool // no pair is added any more
}

// add adds a pair. It returns false after reset.
func (ps *pairs) add(p *pair) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return false
	}
	if ps.all == nil {
		ps.all = make(map[*pair]struct{})
	}
	ps.all[p] = struct{}{}
	return true
}

func (ps *pairs) remove(p *pair) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.all, p)
}

// reset resets the connections of all pairs, for good.
func (ps *pairs) reset() {
	ps.mu.Lock()
	ps.closed = true
	all := slices.Collect(maps.Keys(ps.all))
	ps.mu.Unlock()
	for _, p := range all {
		p.reset()
	}
}

// pair is a connection of the stack, and the one of the host's kernel to which it is relayed.
type pair struct {
	inside  *stack.Conn
	outside *net.TCPConn
}

// reset ends both connections with a RST.
func (p *pair) reset() {
	reset(p.inside)
	reset(p.outside)
}

// Relay relays between a connection of the stack and one of the host's kernel, as [relay.Relay] does. [Gateway.Drain]
// waits for it.
func (g *Gateway) Relay(inside *stack.Conn, outside *net.TCPConn) (relay.Result, error) {
	return g.relay(&pair{inside, outside}, nil)
}

// relay relays between the connections of a pair, early data from outside first.
func (g *Gateway) relay(p *pair, early []byte) (relay.Result, error) {
	if !g.pairs.add(p) {
		p.reset()
		return relay.Result{}, net.ErrClosed
	}
	defer g.pairs.remove(p)
	if len(early) > 0 {
		p.inside.Write(early) // an error is the relay's first, too
	}
	result, err := relayQuietly(p.inside, p.outside)
	result.Received += int64(len(early))
	return result, err
}

// relayQuietly relays for as long as both ends exist: keep-alive finds those that have vanished, and no timeout ends a
// connection without data [RFC 5382 REQ-5].
func relayQuietly(inside *stack.Conn, outside relay.Conn) (relay.Result, error) {
	inside.SetKeepAliveConfig(keepAlive)
	return relay.Relay(inside, outside, relay.Config{})
}

// Drain waits until all data of the clients has arrived at the other ends of their connections and the first datagrams
// of UDP flows have left, or ctx ends. It is for clients that have ended: they send a FIN on each connection, which
// Drain waits for, too.
func (g *Gateway) Drain(ctx context.Context) {
	g.await(ctx, func() bool { return g.beginning.Load() == 0 && !g.pairs.busy() })
}

// Shutdown stops forwarding new connections, waits until those that are open have ended, or ctx ends, and returns the
// error of ctx then. New connections get no answer, so that their clients try again, and may reach the next gateway.
// UDP and pings are forwarded until Close.
func (g *Gateway) Shutdown(ctx context.Context) error {
	return errors.Join(g.closeTCP(), g.await(ctx, g.connections.none))
}

// await waits until done returns true, the stack has ended, or ctx ends. It returns the error of ctx.
func (g *Gateway) await(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-g.stack.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// busy reports whether there is a pair whose data from inside has not all arrived outside.
func (ps *pairs) busy() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for p := range ps.all {
		if p.busy() {
			return true
		}
	}
	return false
}

func (p *pair) busy() bool {
	info := p.inside.Info()
	switch info.State {
	case conn.CloseWait, conn.Closing, conn.LastAck, conn.TimeWait, conn.Closed: // the FIN has arrived
		return info.Unread > 0 || unacknowledged(p.outside) > 0
	}
	return true
}

// unacknowledged returns the number of bytes that a socket still holds for its peer, 0 if it is closed.
func unacknowledged(c *net.TCPConn) (n int) {
	raw, err := c.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
	return n
}
