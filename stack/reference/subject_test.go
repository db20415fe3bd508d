package reference

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"minitcp/conn/wire"
	"minitcp/scripts/netstack"
	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// subject is a TCP stack that receives single segments from a script, its peer, and calls of an application.
type subject interface {
	listen()
	connect()       // active open to the peer
	closeWrite()    // of the present connection, accepted or not
	deliver([]byte) // a packet
	wait(time.Duration)
	take() [][]byte // packets sent since the last call
}

var (
	peerAddress = netip.MustParseAddr("10.77.0.9")
	subjectPort = uint16(port80) // port of its listener
)

const peerPort = 5000

// sent collects the packets of a subject.
type sent struct {
	mu      sync.Mutex
	packets [][]byte
}

func (s *sent) add(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets = append(s.packets, slices.Clone(p))
}

func (s *sent) take() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.packets
	s.packets = nil
	return p
}

// miniSubject is minitcp in a bubble.
type miniSubject struct {
	sent
	t      *testing.T
	s      *stack.Stack
	device *stacktest.Device
	l      *stack.Listener
	c      *stack.Conn
}

func newMiniSubject(t *testing.T) *miniSubject {
	m := &miniSubject{t: t}
	m.device, _ = stacktest.New(stacktest.Config{MTU: mtu, Offload: stacktest.Plain})
	m.device.SetHook(func(frame []byte) stacktest.Fate {
		m.add(frame[wire.VirtioHeaderLen:])
		return stacktest.Drop
	})
	var err error
	if m.s, err = stack.New(m.device, stack.Config{Addresses: miniAddresses}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.s.Close() })
	return m
}

func (m *miniSubject) listen() {
	var err error
	if m.l, err = m.s.ListenTCP("tcp4", ":80"); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		if c, err := m.l.AcceptTCP(); err == nil {
			m.c = c
		}
	}()
}

func (m *miniSubject) connect() {
	go func() {
		c, err := m.s.DialTCP(context.Background(), netip.AddrPort{}, netip.AddrPortFrom(peerAddress, peerPort))
		if err == nil {
			m.c = c
		}
	}()
	synctest.Wait()
}

func (m *miniSubject) closeWrite() {
	if m.c == nil {
		m.t.Fatal("minitcp has no connection")
	}
	if err := m.c.CloseWrite(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *miniSubject) deliver(p []byte) {
	m.device.Inject(append(make([]byte, wire.VirtioHeaderLen), p...))
	synctest.Wait()
}

func (m *miniSubject) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// gvisSubject is gVisor with a clock of its own.
type gvisSubject struct {
	sent
	t                  *testing.T
	g                  *netstack.Stack
	listener, endpoint tcpip.Endpoint
}

func newGvisSubject(t *testing.T) *gvisSubject {
	s := &gvisSubject{t: t}
	s.g = newGvisor(t, s.add)
	t.Cleanup(func() {
		for _, e := range []tcpip.Endpoint{s.endpoint, s.listener} {
			if e != nil {
				e.Abort()
			}
		}
		s.g.WaitIdle()
	})
	return s
}

func (s *gvisSubject) newEndpoint() tcpip.Endpoint {
	protocol, _ := netstack.Address(peerAddress)
	e, err := s.g.Stack.NewEndpoint(tcp.ProtocolNumber, protocol, new(waiter.Queue))
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *gvisSubject) listen() {
	s.listener = s.newEndpoint()
	_, local := netstack.Address(gvisAddresses[0].Addr())
	if err := s.listener.Bind(tcpip.FullAddress{NIC: netstack.NIC, Addr: local, Port: port80}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.listener.Listen(10); err != nil {
		s.t.Fatal(err)
	}
}

func (s *gvisSubject) connect() {
	s.endpoint = s.newEndpoint()
	_, remote := netstack.Address(peerAddress)
	err := s.endpoint.Connect(tcpip.FullAddress{NIC: netstack.NIC, Addr: remote, Port: peerPort})
	if _, ok := err.(*tcpip.ErrConnectStarted); !ok {
		s.t.Fatal(err)
	}
	s.g.WaitIdle()
}

func (s *gvisSubject) closeWrite() {
	if s.endpoint == nil {
		var err tcpip.Error
		if s.endpoint, _, err = s.listener.Accept(nil); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.endpoint.Shutdown(tcpip.ShutdownWrite); err != nil {
		s.t.Fatal(err)
	}
	s.g.WaitIdle()
}

func (s *gvisSubject) deliver(p []byte) {
	s.g.Deliver(bytes.Clone(p))
	s.g.WaitIdle()
}

func (s *gvisSubject) wait(d time.Duration) {
	end := s.g.Clock.Elapsed() + d
	for {
		at, ok := s.g.Clock.Next()
		if !ok || at > end {
			break
		}
		s.g.Clock.Set(at)
		s.g.Clock.Run()
		s.g.WaitIdle()
	}
	s.g.Clock.Set(end)
}
