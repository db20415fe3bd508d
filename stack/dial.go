package stack

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"

	"minitcp/conn"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/hostport"
	"minitcp/stack/internal/neterr"
)

// Dial connects to an address. Network is "tcp", "tcp4" or "tcp6", for which the net.Conn is a [*Conn], or "udp",
// "udp4" or "udp6", for which it is a [*UDPConn]. Address is "host:port". The host is a literal IP address, or a name
// if Config.Nameservers has servers: then the connection is the first that succeeds to one of the name's addresses,
// tried as RFC 8305 describes.
//
// Errors are *net.OpError; errors.Is finds syscall.ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL
// and the error of [Stack.Err].
func (s *Stack) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

// DialContext acts like Dial, but gives up when ctx ends. Then errors.Is finds [context.Canceled], or
// [context.DeadlineExceeded] and [os.ErrDeadlineExceeded].
func (s *Stack) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return s.dialAddress(ctx, network, address, (*Stack).connectPlain)
}

// mssKey is the key of the value of WithMSS.
type mssKey struct{}

// WithMSS returns a context for DialContext, DialTCP and DialFastOpen with an upper bound in bytes for the MSS option
// and the segments of the connection, as TCP_MAXSEG before connect and in addition to Config.MSS. 0 means no bound. For
// other values below 496 the error of the dial is syscall.EINVAL. Info.AdvertisedMSS has the option's value.
func WithMSS(ctx context.Context, bytes int) context.Context {
	return context.WithValue(ctx, mssKey{}, bytes)
}

// dialFunc makes the connection of package conn for an active OPEN.
type dialFunc func(s *Stack, now conn.Time, e *entry, o conn.Open) *conn.Conn

// connectPlain returns the connection of an ordinary active OPEN.
func (s *Stack) connectPlain(now conn.Time, _ *entry, o conn.Open) *conn.Conn {
	return conn.Dial(now, &s.cfg.Conn, o)
}

// dialAddress implements DialContext and DialFastOpen.
func (s *Stack) dialAddress(ctx context.Context, network, address string, dial dialFunc) (net.Conn, error) {
	if s.resolver != nil && (hostport.IsUDP(network) || hostport.IsTCP(network)) {
		if host, port, ok := hostport.Name(ctx, network, address); ok {
			return s.dialName(ctx, network, host, port, dial)
		}
	}
	if hostport.IsUDP(network) {
		return s.dialUDPContext(ctx, network, address)
	}
	remote, err := hostport.ParseTCP(ctx, network, address)
	if err != nil {
		return nil, dialError(network, netip.AddrPort{}, netip.AddrPort{}, err)
	}
	c, err := s.dial(ctx, network, netip.AddrPort{}, remote, dial)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialTCP connects from local to remote. If the address of local is invalid or unspecified, the stack chooses it. If
// its port is 0, the stack chooses that as well.
func (s *Stack) DialTCP(ctx context.Context, local, remote netip.AddrPort) (*Conn, error) {
	return s.dial(ctx, "tcp", hostport.Unmapped(local), hostport.Unmapped(remote), (*Stack).connectPlain)
}

func (s *Stack) dial(ctx context.Context, network string, local, remote netip.AddrPort, dial dialFunc) (*Conn, error) {
	c, err := s.open(ctx, local, remote, dial)
	if err != nil {
		return nil, dialError(network, local, remote, err)
	}
	return c, nil
}

// open performs an active OPEN, and returns when the connection is established, or waits for data to send in its SYN
// [RFC 9293 3.9.1.1].
func (s *Stack) open(ctx context.Context, local, remote netip.AddrPort, dial dialFunc) (*Conn, error) {
	if ctx.Err() != nil {
		return nil, neterr.FromContext(ctx.Err())
	}
	local, err := s.source(local, remote)
	if err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	mss, _ := ctx.Value(mssKey{}).(int)
	if err := checkMSS(mss); err != nil {
		return nil, err
	}
	c, err := s.connect(local, remote, mss, dial)
	if err != nil {
		return nil, err
	}
	if err := c.waitConnected(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// source checks the addresses of an active OPEN, and chooses the local address if none was given [RFC 9293 3.9.2.3,
// MUST-44, MUST-46].
func (s *Stack) source(local, remote netip.AddrPort) (netip.AddrPort, error) {
	to := remote.Addr()
	switch {
	case !to.IsValid(), s.own().IsGroup(to), to.IsLoopback(), remote.Port() == 0:
		return local, syscall.ENETUNREACH
	case s.withoutDevice() && !s.own().Contains(to):
		return local, syscall.ENETUNREACH
	}
	from := local.Addr()
	if !from.IsValid() || from.IsUnspecified() {
		chosen, ok := s.own().SourceFor(to)
		if !ok {
			return local, syscall.ENETUNREACH
		}
		return netip.AddrPortFrom(chosen, local.Port()), nil
	}
	if !s.own().Contains(from) || from.Is4() != to.Is4() {
		return local, syscall.EADDRNOTAVAIL
	}
	return local, nil
}

// connect begins an active OPEN with an MSS of at most mss bytes, unless that is 0, and returns when the SYN has been
// sent. Only the caller knows the Conn at that time.
func (s *Stack) connect(local, remote netip.AddrPort, mss int, dial dialFunc) (*Conn, error) {
	s.abandoned.close()
	w := s.borrowWriter()
	defer s.returnWriter(w)
	now := s.clock.Now()
	e := s.newEntry(now, flow.KeyOf(local.Addr(), remote.Addr(), local.Port(), remote.Port()), s.queueFor(remote.Addr(), s.dials.Add(1)))
	e.mu.Lock() // a goroutine that finds e in the table waits until e is complete
	defer e.mu.Unlock()
	if err := s.reserve(e, local, remote); err != nil {
		return nil, err
	}
	o := s.openFor(now, &e.Key, e.near)
	limitMSS(&o, mss)
	tcp := dial(s, now, e, o)
	c := newConn(s, e, tcp)
	e.iss = o.ISS
	e.tcp, e.user = tcp, c.user
	s.charge(e, connectionMemory)
	s.trackLive(e)
	err := s.refusal() // shut, Shutdown or RemoveAddress may have looked through the table already
	if err == nil && !s.own().Contains(local.Addr()) {
		err = os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)
	}
	if err != nil {
		c.markClosed()
		s.remove(e)
		return nil, err
	}
	s.totals.Count(counters.Dialed)
	s.flush(e, w)
	return c, nil
}

// queueFor returns the queue of the nth active OPEN, which is to an address. The arithmetic is unsigned, because an int
// of 32 bits would be negative from the 2^31st OPEN on.
func (s *Stack) queueFor(to netip.Addr, n uint32) uint8 {
	if s.own().Contains(to) {
		return s.loop.number
	}
	return uint8(n % uint32(s.loop.number))
}

// reserve inserts e into the table, under a port that is free for remote.
func (s *Stack) reserve(e *entry, local, remote netip.AddrPort) error {
	if local.Port() != 0 {
		if local != remote && s.table.Insert(&e.Node) {
			return nil
		}
		return os.NewSyscallError("connect", syscall.EADDRINUSE)
	}
	offset := s.ephemeral.Offset(local.Addr(), remote)
	for range s.ephemeral.Count() {
		port := s.ephemeral.Candidate(offset)
		if s.listeners.UsesPort(port) || netip.AddrPortFrom(local.Addr(), port) == remote {
			continue
		}
		e.Key = flow.KeyOf(local.Addr(), remote.Addr(), port, remote.Port())
		if s.table.Insert(&e.Node) {
			return nil
		}
	}
	return os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)
}

// waitConnected waits for the handshake. If the handshake fails, waitConnected closes the connection and returns the
// error.
func (c *Conn) waitConnected(ctx context.Context) error {
	e := c.entry
	defer context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		c.wr.Wake()
	})()
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.tcp.AwaitsData() {
		return nil
	}
	for c.tcp.Ready()&conn.ReadyConnected == 0 && ctx.Err() == nil {
		c.wr.Wait(&e.mu)
	}
	switch {
	case c.closed:
		return c.ended() // closed by the end of the stack
	case c.tcp.Ready()&conn.ReadyConnected == 0:
		c.markClosed()
		c.tcp.Abort()
		c.afterCall()
		return neterr.FromContext(ctx.Err())
	case c.tcp.State() == conn.Closed && c.tcp.Err() != nil:
		c.markClosed()
		return neterr.FromCall("connect", c.tcp.Err())
	}
	return nil
}
