package netstack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"minitcp/conn"
	"minitcp/conn/conntest"
	"minitcp/conn/wire"
)

// End is a connection of gVisor as one end of a simulation.
type End struct {
	stack         *Stack
	local, remote netip.AddrPort
	listener      tcpip.Endpoint
	endpoint      tcpip.Endpoint // nil before the connection is accepted
	window        uint16         // window field of the last segment sent

	mu   sync.Mutex
	sent [][]byte // packets that are not yet taken by Transmit

	frame []byte // scratch memory for an arriving packet
}

var _ conntest.Foreign = (*End)(nil)

// backlog is large enough for gVisor to keep handshakes instead of replying with SYN cookies.
const backlog = 16

// Ports of the end that dials and of the one that listens.
const (
	dialPort   = 10000
	listenPort = 80
)

var (
	addresses4 = [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	addresses6 = [2]netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")}
)

// NewEnd returns an end of a simulation with its own stack. It listens if listens is true.
func NewEnd(cfg Config, ipv6, listens bool, options []tcpip.SettableTransportProtocolOption) (*End, error) {
	addresses := addresses4
	if ipv6 {
		addresses = addresses6
	}
	e := &End{frame: make([]byte, 1<<16+100)}
	e.local, e.remote = netip.AddrPortFrom(addresses[0], dialPort), netip.AddrPortFrom(addresses[1], listenPort)
	if listens {
		e.local, e.remote = e.remote, e.local
	}
	cfg.Addresses = []netip.Prefix{netip.PrefixFrom(e.local.Addr(), 24)}
	cfg.Send = func(packet []byte) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.sent = append(e.sent, packet)
	}
	var err error
	if e.stack, err = New(cfg); err != nil {
		return nil, err
	}
	for _, o := range options {
		if err := e.stack.Option(o); err != nil {
			return nil, err
		}
	}
	if !listens {
		return e, nil
	}
	if e.listener, err = e.newEndpoint(); err != nil {
		return nil, err
	}
	if err := e.listener.Listen(backlog); err != nil {
		return nil, fmt.Errorf("listen: %v", err)
	}
	return e, nil
}

// newEndpoint returns an endpoint that is bound to the local address and port.
func (e *End) newEndpoint() (tcpip.Endpoint, error) {
	protocol, address := Address(e.local.Addr())
	p, err := e.stack.NewEndpoint(tcp.ProtocolNumber, protocol, new(waiter.Queue))
	if err == nil {
		err = p.Bind(tcpip.FullAddress{NIC: NIC, Addr: address, Port: e.local.Port()})
	}
	if err != nil {
		return nil, fmt.Errorf("bind: %v", err)
	}
	return p, nil
}

// at sets the clock to now.
func (e *End) at(now conn.Time) { e.stack.Clock.Set(time.Duration(now)) }

// Dial implements [conntest.Foreign].
func (e *End) Dial(now conn.Time) {
	e.at(now)
	p, err := e.newEndpoint()
	if err != nil {
		panic(err)
	}
	_, address := Address(e.remote.Addr())
	if err := p.Connect(tcpip.FullAddress{NIC: NIC, Addr: address, Port: e.remote.Port()}); err != nil {
		if _, ok := err.(*tcpip.ErrConnectStarted); !ok {
			panic(err)
		}
	}
	e.endpoint = p
	e.stack.WaitIdle()
}

// Receive implements [conntest.Foreign].
func (e *End) Receive(now conn.Time, s *conn.Segment) {
	e.at(now)
	h, ip := s.TCP, wire.IP{Src: e.remote.Addr(), Dst: e.local.Addr(), Protocol: wire.ProtocolTCP, HopLimit: 64}
	h.SrcPort, h.DstPort = e.remote.Port(), e.local.Port()
	ip.SetECN(s.ECN)
	length := 20 + h.Options.Len() + len(s.Data)
	start := wire.PutIP(e.frame, &ip, length)
	n := start + wire.PutTCP(e.frame[start:], &h)
	n += copy(e.frame[n:], s.Data)
	sum := wire.ChecksumGather(wire.PseudoHeaderSum(ip.Src, ip.Dst, ip.Protocol, length), [][]byte{e.frame[start:n]})
	binary.BigEndian.PutUint16(e.frame[start+wire.TCPChecksumOffset:], sum)
	e.stack.Deliver(e.frame[:n])
	e.stack.WaitIdle()
}

// ReceiveTooBig implements [conntest.Foreign].
func (e *End) ReceiveTooBig(now conn.Time, mtu int, sequence uint32) {
	e.at(now)
	quoted := make([]byte, 100)
	ip := wire.IP{Src: e.local.Addr(), Dst: e.remote.Addr(), Protocol: wire.ProtocolTCP, HopLimit: 60}
	n := wire.PutIP(quoted, &ip, 1000)
	n += wire.PutTCP(quoted[n:], &wire.TCP{SrcPort: e.local.Port(), DstPort: e.remote.Port(), Seq: sequence, Flags: wire.ACK})
	m := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: uint32(mtu), Body: quoted[:n]}
	outer := wire.IP{Src: e.remote.Addr(), Dst: e.local.Addr(), Protocol: wire.ProtocolICMP, HopLimit: 60}
	if !ip.Is4() {
		m.Type, m.Code, outer.Protocol = wire.ICMPv6TooBig, 0, wire.ProtocolICMPv6
	}
	start := wire.PutIP(e.frame, &outer, 8+n)
	end := start + wire.PutICMP(e.frame[start:], &outer, &m)
	e.stack.Deliver(e.frame[:end])
	e.stack.WaitIdle()
}

// Advance implements [conntest.Foreign].
func (e *End) Advance(now conn.Time) {
	e.at(now)
	e.stack.Clock.Run()
	e.stack.WaitIdle()
}

// Deadline implements [conntest.Foreign].
func (e *End) Deadline() conn.Time {
	if at, ok := e.stack.Clock.Next(); ok {
		return conn.Time(at)
	}
	return conn.Never
}

// Transmit implements [conntest.Foreign]. Packets other than TCP, such as those of neighbor discovery, are dropped.
func (e *End) Transmit(s *conn.Segment) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.sent) > 0 {
		packet := e.sent[0]
		e.sent = e.sent[1:]
		var ip wire.IP
		payload, err := wire.ParseIP(packet, &ip)
		if err != nil || ip.Protocol != wire.ProtocolTCP {
			continue
		}
		if s.Data, err = wire.ParseTCP(payload, &s.TCP); err != nil {
			panic(fmt.Sprintf("gVisor sent %v", err))
		}
		s.ECN = ip.ECN()
		e.window = s.TCP.Window
		return true
	}
	return false
}

// State implements [conntest.Foreign].
func (e *End) State() conn.State {
	switch {
	case e.endpoint != nil:
		return State(e.endpoint)
	case e.listener != nil:
		return conn.Listen
	}
	return conn.Closed
}

// Over implements [conntest.Foreign].
func (e *End) Over() bool { return e.endpoint != nil && e.State() == conn.Closed }

// Connected implements [conntest.Foreign].
func (e *End) Connected(now conn.Time) bool {
	e.at(now)
	if e.endpoint == nil && e.listener != nil {
		p, _, err := e.listener.Accept(nil)
		if err != nil {
			return false
		}
		e.endpoint = p
		e.listener.Close()
		e.listener = nil
		e.stack.WaitIdle()
	}
	if e.endpoint == nil {
		return false
	}
	switch State(e.endpoint) {
	case conn.SynSent, conn.SynReceived:
		return false
	}
	return true
}

// Write implements [conntest.Foreign].
func (e *End) Write(now conn.Time, b []byte) int {
	e.at(now)
	n, _ := e.endpoint.Write(bytes.NewReader(b), tcpip.WriteOptions{})
	e.stack.WaitIdle()
	return int(n)
}

// Read implements [conntest.Foreign].
func (e *End) Read(now conn.Time, b []byte) (int, error) {
	e.at(now)
	to := tcpip.SliceWriter(b)
	r, err := e.endpoint.Read(&to, tcpip.ReadOptions{})
	e.stack.WaitIdle()
	switch err.(type) {
	case nil:
		return r.Count, nil
	case *tcpip.ErrWouldBlock:
		return 0, conn.ErrWouldBlock
	case *tcpip.ErrClosedForReceive:
		return 0, io.EOF
	}
	return 0, fmt.Errorf("gVisor: %v", err)
}

// Unread implements [conntest.Foreign].
func (e *End) Unread() int {
	if e.endpoint == nil {
		return 0
	}
	n, _ := e.endpoint.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	return n
}

// CloseWrite implements [conntest.Foreign].
func (e *End) CloseWrite(now conn.Time) {
	e.at(now)
	e.endpoint.Shutdown(tcpip.ShutdownWrite) // an error means that the connection has ended, which Read returns too
	e.stack.WaitIdle()
}

// Close implements [conntest.Foreign].
func (e *End) Close(now conn.Time, how conntest.Ending) {
	e.at(now)
	if how == conntest.Abort {
		e.endpoint.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: true})
	}
	e.endpoint.Close()
	e.stack.WaitIdle()
}

// Release implements [conntest.Foreign].
func (e *End) Release() {
	for _, p := range []tcpip.Endpoint{e.endpoint, e.listener} {
		if p != nil {
			p.Abort()
		}
	}
	e.stack.WaitIdle()
	e.stack.Destroy()
}

// State returns the state of an endpoint of gVisor, also after its end.
func State(e interface{ State() uint32 }) conn.State {
	switch tcp.EndpointState(e.State()) {
	case tcp.StateListen:
		return conn.Listen
	case tcp.StateConnecting, tcp.StateSynSent:
		return conn.SynSent
	case tcp.StateSynRecv:
		return conn.SynReceived
	case tcp.StateEstablished:
		return conn.Established
	case tcp.StateFinWait1:
		return conn.FinWait1
	case tcp.StateFinWait2:
		return conn.FinWait2
	case tcp.StateCloseWait:
		return conn.CloseWait
	case tcp.StateClosing:
		return conn.Closing
	case tcp.StateLastAck:
		return conn.LastAck
	case tcp.StateTimeWait:
		return conn.TimeWait
	}
	return conn.Closed
}
