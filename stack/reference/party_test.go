package reference

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"minitcp/conn"
	"minitcp/scripts/netstack"
	"minitcp/stack"
)

// party is one end of a connection, of either stack. Its calls block.
type party interface {
	io.ReadWriteCloser
	CloseWrite() error
	Abort() error // closes with a RST
	State() conn.State
	SetReadBuffer(size int) error
	Name() string
}

// miniParty is an end of minitcp.
type miniParty struct{ *stack.Conn }

func (miniParty) Name() string { return "minitcp" }

func (p miniParty) Abort() error {
	if err := p.SetLinger(0); err != nil {
		return err
	}
	return p.Close()
}

// gvisParty is an end of gVisor.
type gvisParty struct {
	w        *world
	endpoint tcpip.Endpoint
}

func (*gvisParty) Name() string { return "gVisor" }

// gvisErrors maps errors of gVisor to those of package net.
func gvisError(err tcpip.Error) error {
	switch err.(type) {
	case nil:
		return nil
	case *tcpip.ErrClosedForReceive:
		return io.EOF
	case *tcpip.ErrClosedForSend:
		return syscall.EPIPE
	case *tcpip.ErrConnectionReset:
		return syscall.ECONNRESET
	case *tcpip.ErrConnectionRefused:
		return syscall.ECONNREFUSED
	case *tcpip.ErrConnectionAborted:
		return syscall.ECONNABORTED
	case *tcpip.ErrTimeout:
		return syscall.ETIMEDOUT
	}
	return fmt.Errorf("gVisor: %v", err)
}

func wouldBlock(err tcpip.Error) bool {
	_, ok := err.(*tcpip.ErrWouldBlock)
	return ok
}

func (p *gvisParty) Read(b []byte) (n int, err error) {
	ended := p.w.await(func() bool {
		to := tcpip.SliceWriter(b)
		r, e := p.endpoint.Read(&to, tcpip.ReadOptions{})
		if wouldBlock(e) {
			return false
		}
		n, err = r.Count, gvisError(e)
		return true
	})
	if ended != nil {
		return n, ended
	}
	return n, err
}

func (p *gvisParty) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		ended := p.w.await(func() bool {
			m, e := p.endpoint.Write(bytes.NewReader(b[n:]), tcpip.WriteOptions{})
			n += int(m)
			if wouldBlock(e) {
				return m > 0
			}
			err = gvisError(e)
			return true
		})
		if ended != nil {
			return n, ended
		}
	}
	return n, err
}

// do performs a call that does not block.
func (p *gvisParty) do(f func() tcpip.Error) (err error) {
	if err := p.w.await(func() bool { err = gvisError(f()); return true }); err != nil {
		return err
	}
	return err
}

func (p *gvisParty) CloseWrite() error {
	return p.do(func() tcpip.Error { return p.endpoint.Shutdown(tcpip.ShutdownWrite) })
}

func (p *gvisParty) Close() error {
	return p.do(func() tcpip.Error { p.endpoint.Close(); return nil })
}

func (p *gvisParty) Abort() error {
	p.endpoint.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: true})
	return p.Close()
}

func (p *gvisParty) SetReadBuffer(size int) error {
	return p.do(func() tcpip.Error {
		p.endpoint.SocketOptions().SetReceiveBufferSize(int64(size), true)
		return nil
	})
}

func (p *gvisParty) State() conn.State { return netstack.State(p.endpoint) }

// role is the stack that makes the active open.
type role int

const (
	miniClient role = iota
	gvisClient
)

func (r role) String() string { return [...]string{"minitcp dials", "gVisor dials"}[r] }

const port80 = 80

// connect opens a connection, and returns the client and the server.
func (w *world) connect(r role, f family) (client, server party) {
	w.t.Helper()
	if r == miniClient {
		l := w.listenGvis(f)
		defer l.Close()
		client = w.dialMini(f)
		return client, l.accept()
	}
	l, err := w.mini.ListenTCP("tcp", fmt.Sprint(":", port80))
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	client = w.dialGvis(f)
	c, err := l.AcceptTCP()
	if err != nil {
		w.t.Fatal(err)
	}
	return client, miniParty{c}
}

func (w *world) dialMini(f family) party {
	w.t.Helper()
	p, err := w.tryDialMini(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) tryDialMini(f family) (party, error) {
	c, err := w.mini.DialTCP(context.Background(), netip.AddrPort{}, netip.AddrPortFrom(f.address(gvisAddresses), port80))
	return miniParty{c}, err
}

func (w *world) dialGvis(f family) party {
	w.t.Helper()
	p, err := w.tryDialGvis(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// newEndpoint returns an endpoint for addresses of the family, and the address of minitcp.
func (w *world) newEndpoint(f family) (*gvisParty, tcpip.Address) {
	w.t.Helper()
	protocol, remote := netstack.Address(f.address(miniAddresses))
	e, err := w.g.Stack.NewEndpoint(tcp.ProtocolNumber, protocol, new(waiter.Queue))
	if err != nil {
		w.t.Fatal(err)
	}
	return &gvisParty{w, e}, remote
}

func (w *world) tryDialGvis(f family) (*gvisParty, error) {
	p, remote := w.newEndpoint(f)
	err := p.do(func() tcpip.Error {
		err := p.endpoint.Connect(tcpip.FullAddress{NIC: netstack.NIC, Addr: remote, Port: port80})
		if _, ok := err.(*tcpip.ErrConnectStarted); ok {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := w.await(func() bool { s := p.State(); return s == conn.Established || s == conn.Closed }); err != nil {
		return nil, err
	}
	if p.State() == conn.Closed {
		err := gvisError(p.endpoint.LastError())
		p.Close()
		return nil, err
	}
	return p, nil
}

// gvisListener is a listener of gVisor.
type gvisListener struct{ *gvisParty }

func (w *world) listenGvis(f family) gvisListener {
	w.t.Helper()
	l, _ := w.newEndpoint(f)
	_, local := netstack.Address(f.address(gvisAddresses))
	err := l.do(func() tcpip.Error {
		if err := l.endpoint.Bind(tcpip.FullAddress{NIC: netstack.NIC, Addr: local, Port: port80}); err != nil {
			return err
		}
		return l.endpoint.Listen(1000)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return gvisListener{l}
}

func (l gvisListener) accept() party {
	var p *gvisParty
	var err error
	ended := l.w.await(func() bool {
		e, _, terr := l.endpoint.Accept(nil)
		if wouldBlock(terr) {
			return false
		}
		p, err = &gvisParty{l.w, e}, gvisError(terr)
		return true
	})
	if ended != nil || err != nil {
		l.w.t.Fatal(ended, err)
	}
	return p
}

// history is the sequence of states of a connection. States are sampled when all events of an instant are processed.
type history struct {
	of     party
	states []conn.State
}

// watch starts to record the history of a party.
func (w *world) watch(p party) *history {
	h := &history{of: p, states: []conn.State{p.State()}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched = append(w.watched, h)
	return h
}

func (h *history) look() {
	if s := h.of.State(); s != h.states[len(h.states)-1] {
		h.states = append(h.states, s)
	}
}

// want checks the history of a connection that has ended.
func (h *history) want(w *world, states ...conn.State) {
	w.t.Helper()
	err := w.await(func() bool { return h.states[len(h.states)-1] == conn.Closed })
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || !slices.Equal(h.states, states) {
		w.t.Errorf("%s: states %v, want %v", h.of.Name(), names(h.states), names(states))
	}
}

func names(states []conn.State) string {
	s := make([]string, len(states))
	for i := range states {
		s[i] = states[i].String()
	}
	return strings.Join(s, " ")
}
