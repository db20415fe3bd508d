package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"

	"minitcp/conn"
	"minitcp/stack/internal/addresses"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/quota"
)

// ForwardConfig holds the settings of [Stack.ForwardTCP]. The zero value is ready for use.
type ForwardConfig struct {
	// Prefixes are the destinations whose connections are forwarded. Default: all addresses.
	Prefixes []netip.Prefix
	// MaxPending is the largest number of requests without a connection, and MaxPendingPerSource that of requests from one
	// source: an IPv4 address or an IPv6 network of 64 bits. A request with the verdict Drop or Unreachable counts
	// until its client has given up. A SYN beyond them is dropped and counted in Stats as forward-limited. The client
	// repeats it. Defaults 16384 and 2048.
	MaxPending          int
	MaxPendingPerSource int
	// AcceptFirst is the number of handshakes in progress, with and without a verdict, from which the stack completes the
	// handshakes of the next 10 seconds itself, with SYN cookies (see [SYNCookies], which need not be on). It then makes a
	// request of a connection that is established. This protects the application from floods of SYNs from forged
	// addresses. Default 0, which means never.
	//
	// The connect of such a client has succeeded before the verdict: Reset, Unreachable and Drop reset the connection.
	// Data that arrives before the verdict waits in the receive buffer. MaxPending and MaxPendingPerSource hold for these
	// requests, too: beyond them, the final ACK of a handshake has no effect. While cookies may be valid, for about two
	// minutes after the last, ACKs that belong to no connection get no RST.
	AcceptFirst int
	// MSS is an upper bound in bytes for the segments of forwarded connections, in both directions. At least 496. Default:
	// that of the device's MTU.
	MSS int
}

// Forwarder takes the TCP connections to its prefixes that no listener takes. See [Stack.ForwardTCP].
type Forwarder struct {
	stack  *Stack
	cfg    ForwardConfig
	handle func(*ForwardRequest)

	acceptFirst acceptFirst
	requests    *quota.Quota // without a connection, by source
}

// ForwardTCP makes the stack take TCP connections to the addresses of cfg.Prefixes, whatever their port. It calls
// handle with a request for each new connection before anything is sent to the client, except under a flood with
// AcceptFirst. Connections to listeners are not forwarded, those to other ports of the stack's own addresses are. A
// listener at all addresses is one at all addresses of the stack.
//
// Handle is called on the goroutine that reads the device and must not block: to dial, start a goroutine. A request
// needs a few hundred bytes and no goroutine until its verdict. A request whose SYN is repeated stays one request.
//
// A packet to a forwarded address whose TTL or hop limit ends here gets an ICMP Time Exceeded. A stack has one TCP
// forwarder at a time: the error is one for which errors.Is finds syscall.EADDRINUSE, or syscall.EINVAL, which names
// the setting, or the error of [Stack.Err].
func (s *Stack) ForwardTCP(cfg ForwardConfig, handle func(*ForwardRequest)) (*Forwarder, error) {
	if handle == nil {
		return nil, errNoHandle("ForwardTCP")
	}
	if err := checkMSS(cfg.MSS); err != nil {
		return nil, fmt.Errorf("stack: ForwardTCP: %w", err)
	}
	if err := checkPrefixes("ForwardTCP", cfg.Prefixes); err != nil {
		return nil, err
	}
	if err := checkNotNegative("ForwardTCP: ", []setting{
		{"MaxPending", int64(cfg.MaxPending)}, {"MaxPendingPerSource", int64(cfg.MaxPendingPerSource)},
		{"AcceptFirst", int64(cfg.AcceptFirst)},
	}); err != nil {
		return nil, err
	}
	if cfg.MaxPending == 0 {
		cfg.MaxPending = 16384
	}
	if cfg.MaxPendingPerSource == 0 {
		cfg.MaxPendingPerSource = 2048
	}
	cfg.Prefixes = slices.Clone(cfg.Prefixes)
	f := &Forwarder{stack: s, cfg: cfg, handle: handle, requests: quota.New(cfg.MaxPending, cfg.MaxPendingPerSource)}
	return install(s, &s.forwarder, f, "TCP")
}

func errNoHandle(call string) error {
	return fmt.Errorf("stack: %s: handle is nil: %w", call, syscall.EINVAL)
}

// checkPrefixes returns the error of a call that is given prefixes.
func checkPrefixes(call string, prefixes []netip.Prefix) error {
	if err := addresses.CheckPrefixes(prefixes); err != nil {
		return fmt.Errorf("stack: %s: %w: %w", call, err, syscall.EINVAL)
	}
	return nil
}

// install makes f the stack's forwarder of a kind.
func install[F any](s *Stack, place *atomic.Pointer[F], f *F, kind string) (*F, error) {
	if err := s.refusal(); err != nil {
		return nil, err
	}
	if !place.CompareAndSwap(nil, f) {
		return nil, fmt.Errorf("stack: there is a %s forwarder already: %w", kind, syscall.EADDRINUSE)
	}
	return f, nil
}

// uninstall undoes install.
func uninstall[F any](place *atomic.Pointer[F], f *F, kind string) error {
	if !place.CompareAndSwap(f, nil) {
		return fmt.Errorf("stack: the %s forwarder is closed: %w", kind, syscall.EINVAL)
	}
	return nil
}

// Close stops forwarding new connections. Requests without a verdict may still get theirs.
func (f *Forwarder) Close() error {
	return uninstall(&f.stack.forwarder, f, "TCP")
}

// takes reports whether connections to dst are forwarded. It may be called with nil.
func (f *Forwarder) takes(dst netip.Addr) bool { return f != nil && covers(f.cfg.Prefixes, dst) }

// waiting returns the number of requests that are pending. It may be called with nil.
func (f *Forwarder) waiting() int {
	if f == nil {
		return 0
	}
	return f.requests.Count()
}

// forward makes a request of a SYN to a forwarded address.
func (q *queue) forward(now conn.Time, k flow.Key, f *Forwarder, old *conn.TimeWaitConn) {
	s := q.stack
	if s.spent() {
		q.dropNoConnection(now, conn.Listen, counters.NoMemory)
		return
	}
	if f.acceptsFirst(now) {
		if s.quota.Full(q.ip.Src) {
			q.dropNoConnection(now, conn.Listen, counters.QuotaFull)
			return
		}
		q.sendCookie(now, &k, f.cfg.MSS, &f.acceptFirst.cookies)
		return
	}
	source := q.ip.Src
	if !f.requests.Enter(source) {
		q.dropNoConnection(now, conn.Listen, counters.DropForwardLimited)
		return
	}
	e, handshake := q.newHandshake(now, k, f.cfg.MSS, old)
	r := &ForwardRequest{stack: s, forwarder: f, entry: e}
	e.request = r
	e.mu.Lock()
	if !s.enterQuota(e) {
		e.mu.Unlock()
		f.requests.Leave(source)
		q.dropNoConnection(now, conn.Listen, counters.QuotaFull)
		return
	}
	handshake.Hold(now)
	if !s.table.Insert(&e.Node) {
		s.leaveQuota(e)
		e.mu.Unlock()
		f.requests.Leave(source)
		return // an application has dialed from this very port meanwhile; the SYN will come again
	}
	s.charge(e, handshakeMemory)
	s.trackOpening(e)
	s.totals.Count(counters.ForwardRequests)
	q.traceIn(now, e, conn.Listen, "", false)
	s.flush(e, q.writer) // arms the timer
	e.mu.Unlock()
	f.handle(r)
}

// covers reports whether a is in one of the prefixes, or there are none.
func covers(prefixes []netip.Prefix, a netip.Addr) bool {
	return len(prefixes) == 0 || addresses.InAny(prefixes, a)
}
