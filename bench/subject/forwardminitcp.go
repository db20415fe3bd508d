//go:build linux

package subject

import (
	"net/netip"

	"minitcp/conn"
	"minitcp/stack"
	"minitcp/stack/relay"
)

func startMinitcpForward(p *forwardProgram) error {
	s, err := newStack(conn.CUBIC)
	if err != nil {
		return err
	}
	_, err = s.ForwardTCP(stack.ForwardConfig{}, func(r *stack.ForwardRequest) {
		go p.connect(r.Context(), r.Destination(), func() (relay.Conn, error) { return r.Accept() }, r.Reset)
	})
	if err != nil {
		return err
	}
	_, err = s.ForwardUDP(stack.ForwardUDPConfig{}, func(f *stack.UDPFlow) { go p.forwardFlow(f) })
	return err
}

// forwardFlow forwards a flow to the destination of its first datagram, the only one here.
func (p *forwardProgram) forwardFlow(f *stack.UDPFlow) {
	first := make([]byte, DatagramLength)
	n, to, err := f.ReadFromUDPAddrPort(first)
	if err != nil {
		return
	}
	p.flow(minitcpFlow{f, to}, to, first[:n])
}

// minitcpFlow is a flow with one destination.
type minitcpFlow struct {
	*stack.UDPFlow
	remote netip.AddrPort
}

func (f minitcpFlow) Read(b []byte) (int, error) {
	n, _, err := f.ReadFromUDPAddrPort(b)
	return n, err
}

func (f minitcpFlow) Write(b []byte) (int, error) { return f.WriteToUDPAddrPort(b, f.remote) }
