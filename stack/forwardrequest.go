package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
)

// ForwardRequest is an attempt of a client to open a connection through the stack. The application gives one verdict:
// Accept, AcceptHandler, Reset, Unreachable or Drop. Its methods may be called on any goroutine. A request without a
// verdict stays until the client gives up. With [ForwardConfig].AcceptFirst, the client may see the connection as
// established already: it gives up by a reset then, and every refusal is one.
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
	var served *Conn
	defer func() { served.serve() }() // after the lock has been released
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := r.decide(accepted); err != nil {
		return nil, r.opError(err)
	}
	now := s.clock.Now()
	tcp := r.established(now)
	tcp.LowerMTU(now, int(s.mtu.Load()))
	c := newConn(s, e, tcp)
	e.tcp, e.user, e.request = tcp, c.user, nil
	r.forwarder.requests.Leave(e.Key.Remote.Addr())
	if open != nil {
		c.leaveTo(open)
	}
	s.charge(e, connectionMemory)
	s.trackLive(e)
	if err := s.refusal(); err != nil { // shut may have looked through the table already
		s.remove(e)
		return nil, r.opError(err)
	}
	s.totals.Count(counters.ForwardAccepted)
	s.flush(e, w)
	if tcp.State() >= conn.Established {
		served = c // data may have arrived already
	}
	return c, nil
}

// established returns the connection of the request, which it makes if the client's handshake is not complete. The
// entry's lock is held.
func (r *ForwardRequest) established(now conn.Time) *conn.Conn {
	switch tcp := r.entry.tcp.(type) {
	case *conn.Handshake:
		tcp.Release(now)
		return tcp.Establish(now)
	default:
		return tcp.(*conn.Conn) // AcceptFirst
	}
}

// Reset refuses the connection with a RST: the client gets ECONNREFUSED.
func (r *ForwardRequest) Reset() error {
	return r.refuse(reset, counters.ForwardReset, func(now conn.Time, w *writer) {
		r.sendReset(now, w)
		r.stack.remove(r.entry)
	})
}

// Unreachable refuses the connection with an ICMP message. A Linux client fails at once with the error of the reason.
// Other clients record the reason and retransmit the SYN: the first retransmission is answered with the message again,
// the next with a RST.
func (r *ForwardRequest) Unreachable(reason Unreachable) error {
	if err := reason.check(); err != nil {
		return r.opError(err)
	}
	return r.refuse(unreachable, counters.ForwardUnreachable, func(now conn.Time, w *writer) {
		r.reason = reason
		r.sendUnreachable(now, w)
	})
}

// Drop leaves the client without an answer, also when it repeats its SYN, until it has given up.
func (r *ForwardRequest) Drop() error {
	return r.refuse(dropped, counters.ForwardDropped, func(conn.Time, *writer) { r.entry.tcp.(*conn.Handshake).Silence() })
}

// refuse gives a verdict that makes no connection, and counts it. It resets a connection that is established, and calls
// act for a handshake, with the entry's lock held.
func (r *ForwardRequest) refuse(v verdict, as counters.Counter, act func(conn.Time, *writer)) error {
	s, e := r.stack, r.entry
	w := s.borrowWriter()
	defer s.returnWriter(w)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := r.decide(v); err != nil {
		return r.opError(err)
	}
	s.totals.Count(as)
	if tcp, ok := e.tcp.(*conn.Conn); ok { // AcceptFirst
		tcp.Abort()
	} else {
		act(s.clock.Now(), w)
	}
	s.flush(e, w)
	return nil
}

// decide notes the verdict. The entry's lock is held.
func (r *ForwardRequest) decide(v verdict) error {
	switch {
	case r.verdict != noVerdict:
		return errVerdictGiven
	case r.cause != nil:
		return r.cause
	}
	r.verdict = v
	r.end(errVerdictGiven)
	return nil
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
		r.stack.totals.Count(counters.ForwardAbandoned)
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
