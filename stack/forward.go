package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/ref"
)

// ForwardConfig holds the settings of [Stack.ForwardTCP]. The zero value is ready for use.
type ForwardConfig struct {
	// Prefixes are the destinations whose connections are forwarded. Default: all addresses.
	Prefixes []netip.Prefix
	// MaxPending is the number of requests without a connection, and MaxPendingPerSource that of requests from one
	// source: an IPv4 address or an IPv6 network of 64 bits. A request with the verdict Drop or Unreachable counts
	// until its client has given up. A SYN beyond them is dropped and counted in Stats as forward-limited. The client
	// repeats it. Defaults 16384 and 2048.
	MaxPending          int
	MaxPendingPerSource int
	// MSS is an upper bound in bytes for the segments of forwarded connections, in both directions. 0 means the
	// device's MTU.
	MSS int
}

// Forwarder takes TCP connections to addresses that are not the stack's. See [Stack.ForwardTCP].
type Forwarder struct {
	stack  *Stack
	cfg    ForwardConfig
	handle func(*ForwardRequest)

	mu      sync.Mutex
	pending int
	sources map[netip.Addr]int // pending, by source
}

// Unreachable is the reason that [ForwardRequest.Unreachable] gives the client.
type Unreachable uint8

const (
	NetUnreachable  Unreachable = iota // Linux clients get ENETUNREACH.
	HostUnreachable                    // Linux clients get EHOSTUNREACH.
	PortUnreachable                    // Linux clients get ECONNREFUSED.
	AdminProhibited                    // Linux clients get EHOSTUNREACH over IPv4, EACCES over IPv6.
)

// String returns the reason in words.
func (u Unreachable) String() string {
	names := [...]string{"net unreachable", "host unreachable", "port unreachable", "administratively prohibited"}
	if int(u) < len(names) {
		return names[u]
	}
	return fmt.Sprintf("unreachable(%d)", uint8(u))
}

// unreachableCodes are the ICMP codes of the reasons [RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1].
var unreachableCodes = [...]struct{ v4, v6 uint8 }{
	NetUnreachable:  {wire.ICMPv4NetUnreachable, wire.ICMPv6NoRoute},
	HostUnreachable: {wire.ICMPv4HostUnreachable, wire.ICMPv6AddressUnreachable},
	PortUnreachable: {wire.ICMPv4PortUnreachable, wire.ICMPv6PortUnreachable},
	AdminProhibited: {wire.ICMPv4AdminProhibited, wire.ICMPv6AdminProhibited},
}

// ForwardTCP makes the stack take TCP connections to the addresses of cfg.Prefixes, whatever their port. It calls
// handle with a request for each new connection before anything is sent to the client. Connections to listeners are
// not forwarded. A listener at all addresses is one at all addresses of the stack.
//
// Handle is called on the goroutine that reads the device and must not block: to dial, start a goroutine. A request
// needs a few hundred bytes and no goroutine until its verdict. A request whose SYN is repeated stays one request.
//
// A packet to a forwarded address whose TTL or hop limit ends here gets an ICMP Time Exceeded. A stack has one TCP
// forwarder at a time: the error is for which errors.Is finds syscall.EADDRINUSE, or syscall.EINVAL, which names the
// setting, or what [Stack.Err] returns.
func (s *Stack) ForwardTCP(cfg ForwardConfig, handle func(*ForwardRequest)) (*Forwarder, error) {
	switch {
	case handle == nil:
		return nil, fmt.Errorf("stack: ForwardTCP: handle is nil: %w", syscall.EINVAL)
	case cfg.MSS != 0 && cfg.MSS < leastForwardMSS:
		return nil, fmt.Errorf("stack: ForwardTCP: an MSS of %d bytes is below %d: %w", cfg.MSS, leastForwardMSS, syscall.EINVAL)
	}
	if err := checkForwardPrefixes(cfg.Prefixes); err != nil {
		return nil, fmt.Errorf("stack: ForwardTCP: %w", err)
	}
	if cfg.MaxPending <= 0 {
		cfg.MaxPending = 16384
	}
	if cfg.MaxPendingPerSource <= 0 {
		cfg.MaxPendingPerSource = 2048
	}
	cfg.Prefixes = slices.Clone(cfg.Prefixes)
	f := &Forwarder{stack: s, cfg: cfg, handle: handle, sources: make(map[netip.Addr]int)}
	if err := s.refusal(); err != nil {
		return nil, err
	}
	if !s.forwarder.CompareAndSwap(nil, f) {
		return nil, fmt.Errorf("stack: there is a TCP forwarder already: %w", syscall.EADDRINUSE)
	}
	return f, nil
}

// leastForwardMSS is the smallest MSS that can be set, as IPv6 links carry packets of 1280 bytes and IPv4's of 576.
const leastForwardMSS = 536 - 40

// Close stops forwarding new connections. Requests without a verdict may still get theirs.
func (f *Forwarder) Close() error {
	if !f.stack.forwarder.CompareAndSwap(f, nil) {
		return fmt.Errorf("stack: the forwarder is closed: %w", syscall.EINVAL)
	}
	return nil
}

// takes reports whether connections to dst are forwarded. It may be called with nil.
func (f *Forwarder) takes(dst netip.Addr) bool { return f != nil && covers(f.cfg.Prefixes, dst) }

// enter counts a request from source, or reports false if there are too many.
func (f *Forwarder) enter(source netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending >= f.cfg.MaxPending || f.sources[source] >= f.cfg.MaxPendingPerSource {
		return false
	}
	f.pending++
	f.sources[source]++
	return true
}

// waiting returns the number of requests that are pending. It may be called with nil.
func (f *Forwarder) waiting() int {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pending
}

// leave undoes enter.
func (f *Forwarder) leave(source netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending--
	if f.sources[source]--; f.sources[source] == 0 {
		delete(f.sources, source)
	}
}

// ForwardRequest is a connection that a client wants to open through the stack. The application gives one verdict:
// Accept, AcceptHandler, Reset, Unreachable or Drop. Its methods may be called on any goroutine. A request without a
// verdict stays until the client gives up.
type ForwardRequest struct {
	stack     *Stack
	forwarder *Forwarder
	entry     *entry

	// Guarded by the entry's lock.
	verdict verdict
	repeats int // SYNs after the verdict Unreachable
	reason  Unreachable
	ctx     context.Context // nil until Context is called
	cancel  context.CancelCauseFunc
	cause   error // the context's; nil while the request waits
}

type verdict uint8

const (
	noVerdict verdict = iota
	accepted
	reset
	unreachable
	dropped
)

var (
	errVerdictGiven = errors.New("the request has got its verdict")
	errClientGone   = fmt.Errorf("the client has given up the connection: %w", syscall.ECONNABORTED)
)

// Source returns the client's address and port.
func (r *ForwardRequest) Source() netip.AddrPort { return r.entry.Key.RemoteAddr() }

// Destination returns the address and port that the client connects to.
func (r *ForwardRequest) Destination() netip.AddrPort { return r.entry.Key.LocalAddr() }

// Context returns a context that ends when the request does: when the client has given up, after the verdict, or when
// the stack ends. The client has given up when it resets the connection, when it no longer has it, which is noticed
// within a second, or when it does not repeat its SYN for longer than its retransmissions can take.
func (r *ForwardRequest) Context() context.Context {
	r.entry.mu.Lock()
	defer r.entry.mu.Unlock()
	if r.ctx == nil {
		r.ctx, r.cancel = context.WithCancelCause(context.Background())
		if r.cause != nil {
			r.cancel(r.cause)
		}
	}
	return r.ctx
}

// Accept answers the client's SYN and returns the connection. It does not wait for the client: Read does, and Write
// until the send buffer is full. If the client has given up meanwhile, the error is a *net.OpError for which errors.Is
// finds syscall.ECONNABORTED.
func (r *ForwardRequest) Accept() (*Conn, error) { return r.accept(nil) }

// AcceptHandler acts like Accept but serves the connection with a [Handler], as [Stack.Handle] does.
func (r *ForwardRequest) AcceptHandler(open func(*Conn) Handler) error {
	if open == nil {
		return r.opError(fmt.Errorf("AcceptHandler: open is nil: %w", syscall.EINVAL))
	}
	_, err := r.accept(open)
	return err
}

func (r *ForwardRequest) accept(open func(*Conn) Handler) (*Conn, error) {
	s, e := r.stack, r.entry
	w := s.borrowWriter()
	defer s.returnWriter(w)
	e.mu.Lock()
	defer e.mu.Unlock()
	handshake, err := r.decide(accepted)
	if err != nil {
		return nil, r.opError(err)
	}
	now := s.clock.Now()
	handshake.Release(now)
	tcp := handshake.Establish(now)
	tcp.LowerMTU(now, int(s.mtu.Load()))
	c := newConn(s, e, tcp)
	e.tcp, e.user, e.request = tcp, ref.Weak(c), nil
	r.forwarder.leave(wire.Source(e.Key.Remote.Addr()))
	if open != nil {
		c.handling = &handlerState{open: open}
		e.user = ref.Strong(c)
	}
	s.trackLive(e)
	if err := s.refusal(); err != nil { // shut may have looked through the table already
		s.remove(e)
		return nil, r.opError(err)
	}
	s.totals.count(countForwardAccepted)
	s.flush(e, w)
	return c, nil
}

// Reset refuses the connection with a RST: the client gets ECONNREFUSED.
func (r *ForwardRequest) Reset() error {
	return r.refuse(reset, func(now conn.Time, w *writer) {
		r.stack.totals.count(countForwardReset)
		r.sendReset(now, w)
		r.stack.remove(r.entry)
	})
}

// Unreachable refuses the connection with an ICMP message. A Linux client fails at once with the error of the reason.
// Other clients record the reason and retransmit the SYN: the first retransmission is answered with the message again,
// the next with a RST.
func (r *ForwardRequest) Unreachable(reason Unreachable) error {
	if int(reason) >= len(unreachableCodes) {
		return r.opError(fmt.Errorf("%v is not a reason: %w", reason, syscall.EINVAL))
	}
	return r.refuse(unreachable, func(now conn.Time, w *writer) {
		r.stack.totals.count(countForwardUnreachable)
		r.reason = reason
		r.sendUnreachable(now, w)
	})
}

// Drop leaves the client without an answer, also when it repeats its SYN, until it has given up.
func (r *ForwardRequest) Drop() error {
	return r.refuse(dropped, func(conn.Time, *writer) { r.stack.totals.count(countForwardDropped) })
}

// refuse gives a verdict that makes no connection, and calls act with the entry's lock held.
func (r *ForwardRequest) refuse(v verdict, act func(conn.Time, *writer)) error {
	s, e := r.stack, r.entry
	w := s.borrowWriter()
	defer s.returnWriter(w)
	e.mu.Lock()
	defer e.mu.Unlock()
	handshake, err := r.decide(v)
	if err != nil {
		return r.opError(err)
	}
	if v == dropped {
		handshake.Silence()
	}
	act(s.clock.Now(), w)
	s.flush(e, w)
	return nil
}

// decide notes the verdict and returns the client's Handshake. The entry's lock is held.
func (r *ForwardRequest) decide(v verdict) (*conn.Handshake, error) {
	switch {
	case r.verdict != noVerdict:
		return nil, errVerdictGiven
	case r.cause != nil:
		return nil, r.cause
	}
	r.verdict = v
	r.end(errVerdictGiven)
	return r.entry.tcp.(*conn.Handshake), nil
}

// end ends the request's context. The entry's lock is held.
func (r *ForwardRequest) end(cause error) {
	if r.cause != nil {
		return
	}
	r.cause = cause
	if r.cancel != nil {
		r.cancel(cause)
	}
}

// gone is called when the entry is dropped, or becomes a connection. The entry's lock is held.
func (r *ForwardRequest) gone() {
	if r.verdict == noVerdict && r.cause == nil {
		cause := errClientGone
		if err := r.stack.Err(); err != nil {
			cause = err
		}
		r.stack.totals.count(countForwardAbandoned)
		r.end(cause)
	}
}

func (r *ForwardRequest) opError(err error) error {
	return opError("accept", net.TCPAddrFromAddrPort(r.Destination()), net.TCPAddrFromAddrPort(r.Source()), err)
}

// repeated answers a repetition of the SYN after the verdict Unreachable. The entry's lock is held.
func (r *ForwardRequest) repeated(now conn.Time, w *writer) {
	if r.verdict != unreachable {
		return
	}
	if r.repeats++; r.repeats == 1 {
		r.sendUnreachable(now, w)
		return
	}
	r.sendReset(now, w)
	r.stack.remove(r.entry)
}

// sendReset answers the SYN with a RST.
func (r *ForwardRequest) sendReset(now conn.Time, w *writer) {
	e := r.entry
	conn.Reset(&wire.TCP{Flags: wire.SYN, Seq: e.irs}, 0, &w.out)
	w.ip = wire.IP{Src: e.Key.Local.Addr(), Dst: e.Key.Remote.Addr(), Protocol: wire.ProtocolTCP, HopLimit: e.hopLimit}
	w.out.TCP.SrcPort, w.out.TCP.DstPort = e.Key.LocalPort(), e.Key.RemotePort()
	r.stack.writeSegment(w, e.queue, conn.Closed)
	r.stack.traceOut(now, e, w, conn.SynReceived)
}

// sendUnreachable answers the SYN with an ICMP message that quotes its headers.
func (r *ForwardRequest) sendUnreachable(now conn.Time, w *writer) {
	k := &r.entry.Key
	var syn [20]byte
	wire.PutTCP(syn[:], &wire.TCP{SrcPort: k.RemotePort(), DstPort: k.LocalPort(), Seq: r.entry.irs, Flags: wire.SYN})
	ip := wire.IP{Src: k.Remote.Addr(), Dst: k.Local.Addr(), Protocol: wire.ProtocolTCP}
	r.stack.sendUnreachable(now, w, r.entry.queue, r.reason, &ip, syn[:])
}

// sendUnreachable sends the source of a packet, of which it quotes the header and the start of the payload, an ICMP
// message from its destination.
func (s *Stack) sendUnreachable(now conn.Time, w *writer, queue uint8, reason Unreachable, ip *wire.IP, payload []byte) {
	b := make([]byte, wire.IPv6HeaderLen+len(payload))
	ip.HopLimit = s.cfg.HopLimit
	ipLen := wire.PutIP(b, ip, len(payload))
	n := ipLen + copy(b[ipLen:], payload)
	m := wire.ICMP{Type: wire.ICMPv6Unreachable, Code: unreachableCodes[reason].v6, Body: b[:n]}
	if ip.Is4() {
		m.Type, m.Code = wire.ICMPv4Unreachable, unreachableCodes[reason].v4
	}
	s.sendICMP(now, w, queue, ip.Dst, ip.Src, &m)
}

// forward makes a request of a SYN to a forwarded address.
func (q *queue) forward(now conn.Time, k flow.Key, f *Forwarder, old *conn.TimeWaitConn) {
	s := q.stack
	source := wire.Source(q.ip.Src)
	if !f.enter(source) {
		q.dropNoConnection(now, conn.Listen, dropForwardLimited)
		return
	}
	e := s.newEntry(k, q.number)
	o := s.openFor(now, &e.Key, e.near)
	if old != nil {
		o.ISS = old.ISN(o.ISS)
	}
	if f.cfg.MSS != 0 {
		o.MTU = min(o.MTU, f.cfg.MSS+o.IPHeader+20)
	}
	e.iss, e.irs, e.irsKnown = o.ISS, q.segment.TCP.Seq, true
	r := &ForwardRequest{stack: s, forwarder: f, entry: e}
	e.mu.Lock()
	handshake := conn.NewHandshake(now, &s.cfg.Conn, o, &q.segment.TCP)
	handshake.Hold(now)
	e.tcp, e.request = handshake, r
	if !s.table.Insert(&e.Node) {
		e.mu.Unlock()
		f.leave(source)
		return // an application has dialed from this very port meanwhile; the SYN will come again
	}
	s.totals.count(countForwardRequests)
	q.traceIn(now, e, conn.Listen, "", false)
	s.flush(e, q.writer) // arms the timer
	e.mu.Unlock()
	f.handle(r)
}
