//go:build linux

package subject

import (
	"minitcp/stack"
	"minitcp/stack/relay"
)

func startMinitcpForward(p *forwardProgram) error {
	s, err := newStack(stack.Config{})
	if err != nil {
		return err
	}
	_, err = s.ForwardTCP(stack.ForwardConfig{}, func(r *stack.ForwardRequest) {
		go p.connect(r.Context(), r.Destination(), func() (relay.Conn, error) { return r.Accept() }, r.Reset)
	})
	if err != nil {
		return err
	}
	_, err = s.ForwardUDP(stack.ForwardUDPConfig{}, func(f *stack.UDPFlow) { go p.flow(f) })
	return err
}
