//go:build linux

package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"

	"minitcp/stack"
)

// datagramSocket is a socket of an outbound, which sends to any destination of one family.
type datagramSocket interface {
	// send sends a datagram.
	send(data []byte, to netip.AddrPort) error
	// receive calls arrived for each datagram, and failed for each report that one could not be delivered, until the
	// socket is closed or ends. The data is valid during the call only.
	receive(arrived func(data []byte, from netip.AddrPort), failed func(to netip.AddrPort, v verdict))
	close()
}

// errNoUDP is the error of an outbound that carries no datagrams.
var errNoUDP = errors.New("the proxy carries no UDP")

// maxDatagram is the largest number of bytes in a UDP packet of IPv6, and more than in one of IPv4.
const maxDatagram = 65535

// datagrams lends buffers. A flow holds none while it waits.
var datagrams = sync.Pool{New: func() any { return new([maxDatagram + socksHeader]byte) }}

// flow is a client's UDP port with its sockets: one for each outbound that it sends to.
type flow struct {
	gateway *Gateway
	client  *stack.UDPFlow
	source  netip.AddrPort

	mu        sync.Mutex
	sockets   map[Outbound]datagramSocket
	addresses map[replyKey]netip.AddrPort // of destinations that were changed
}

// replyKey identifies a reply from a destination that took the place of another: its sender, and the ID of a DNS
// message, by which the answers of one name server in place of several are told apart.
type replyKey struct {
	from netip.AddrPort
	id   uint16
}

// maxAddresses is the number of changed destinations that a flow remembers.
const maxAddresses = 256

// takeUDP is the handler of flows.
func (g *Gateway) takeUDP(client *stack.UDPFlow) {
	source, _ := netip.ParseAddrPort(client.LocalAddr().String())
	f := &flow{gateway: g, client: client, source: source, sockets: make(map[Outbound]datagramSocket)}
	if !g.spawn(f.serve) {
		client.Close()
	}
}

// serve forwards the client's datagrams until the flow ends.
func (f *flow) serve() {
	defer f.close()
	var batch [1]stack.Datagram
	for f.client.Wait() == nil {
		b := datagrams.Get().(*[maxDatagram + socksHeader]byte)
		batch[0].Buffer = b[socksHeader:]
		if n, err := f.client.ReadBatch(batch[:]); n == 1 && err == nil {
			f.forward(b[:socksHeader+batch[0].N], batch[0].Remote)
		}
		datagrams.Put(b)
	}
}

// forward sends a datagram of the client's, which begins after room for a header.
func (f *flow) forward(b []byte, dst netip.AddrPort) {
	data := b[socksHeader:]
	to, err := f.gateway.target(dst)
	if err != nil {
		f.refuse(dst, "", err)
		return
	}
	out := f.gateway.rules.outbound(to.Addr())
	s, err := f.socket(out, to)
	if errors.Is(err, errNoUDP) && dst.Port() == dnsPort {
		if answer := truncated(data); answer != nil { // the client asks again over TCP
			f.client.WriteToUDPAddrPort(answer, dst)
			return
		}
	}
	if err == nil {
		if to != dst {
			f.remember(to, dst, data)
		}
		err = s.send(data, to)
	}
	if err != nil {
		f.refuse(dst, out.String(), err)
	}
}

// refuse gives the client the verdict of an error about a datagram, and logs it.
func (f *flow) refuse(dst netip.AddrPort, out string, err error) {
	if reason, ok := reasons[verdictOf(err)]; ok {
		f.client.SendUnreachable(dst, reason) // fails for a group, of which there are no ICMP errors
	}
	f.gateway.logRefused("udp", f.source, dst, out, err)
}

// socket returns the flow's socket for an outbound, which it opens if there is none.
func (f *flow) socket(out Outbound, to netip.AddrPort) (datagramSocket, error) {
	f.mu.Lock()
	s := f.sockets[out]
	f.mu.Unlock()
	if s != nil {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(f.gateway.context, f.gateway.o.DialTimeout)
	defer cancel()
	s, err := out.openUDP(ctx, &f.gateway.dial, to)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.sockets[out] = s
	f.mu.Unlock()
	if !f.gateway.spawn(func() {
		s.receive(f.arrived, f.failed)
		f.mu.Lock()
		if f.sockets[out] == s { // the next datagram opens another
			delete(f.sockets, out)
		}
		f.mu.Unlock()
		s.close()
	}) {
		s.close()
		return nil, context.Canceled
	}
	return s, nil
}

// arrived gives the client a datagram.
func (f *flow) arrived(data []byte, from netip.AddrPort) {
	f.client.WriteToUDPAddrPort(data, f.recall(from, data)) // an error means that the flow has ended
}

// failed gives the client an ICMP error.
func (f *flow) failed(to netip.AddrPort, v verdict) {
	if reason, ok := reasons[v]; ok {
		f.client.SendUnreachable(f.recall(to, nil), reason)
	}
}

// close ends the flow and its sockets.
func (f *flow) close() {
	f.client.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sockets {
		s.close()
	}
}

// remember notes that a datagram for dst goes to another destination.
func (f *flow) remember(to, dst netip.AddrPort, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.addresses == nil {
		f.addresses = make(map[replyKey]netip.AddrPort)
	}
	for k := range f.addresses {
		if len(f.addresses) < maxAddresses {
			break
		}
		delete(f.addresses, k)
	}
	f.addresses[replyKey{to, 0}] = dst
	if dst.Port() == dnsPort {
		f.addresses[replyKey{to, messageID(data)}] = dst
	}
}

// recall returns the address by which the client knows the sender of a datagram.
func (f *flow) recall(from netip.AddrPort, data []byte) netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.addresses) == 0 {
		return from
	}
	if dst, ok := f.addresses[replyKey{from, messageID(data)}]; ok {
		return dst
	}
	if dst, ok := f.addresses[replyKey{from, 0}]; ok {
		return dst
	}
	return from
}

// messageID returns the ID of a DNS message, or 0.
func messageID(data []byte) uint16 {
	if len(data) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(data)
}
