//go:build linux

package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"

	"minitcp/stack"
)

// datagramSocket is a socket of an outbound, which sends to any destination of one family.
type datagramSocket interface {
	// send sends datagrams to their Remotes, and returns how many it has sent, which are fewer if there is an error.
	send(batch []stack.Datagram) (int, error)
	// receive calls arrived with datagrams, which are valid during the call, and failed for each report that one could not
	// be delivered, until the socket is closed or ends.
	receive(arrived func(batch []stack.Datagram), failed func(socketError))
	close()
}

// errNoUDP is the error of an outbound that carries no datagrams.
var errNoUDP = errors.New("the proxy carries no UDP")

const (
	// maxDatagram is the largest number of bytes in a UDP packet of IPv6, and more than in one of IPv4.
	maxDatagram = 65535
	// usualDatagram is more than the number of bytes in a datagram over Ethernet.
	usualDatagram = 2048
	// maxBatch is the number of datagrams that are read at once, as many as Linux segments.
	maxBatch = 64
)

// batch is memory for a first datagram of any size and usual ones after it, each with a header of SOCKS5. A flow holds
// none while it waits.
type batch struct {
	list   [maxBatch]stack.Datagram
	first  [maxDatagram + socksHeader]byte
	others [maxBatch - 1][usualDatagram + socksHeader]byte
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// borrowBatch returns a batch whose datagrams have room for n bytes, at most socksHeader more than their sizes.
func borrowBatch(n int) *batch {
	b := batches.Get().(*batch)
	b.list[0] = stack.Datagram{Buffer: b.first[:maxDatagram+n]}
	for i := range b.others {
		b.list[i+1] = stack.Datagram{Buffer: b.others[i][:usualDatagram+n]}
	}
	return b
}

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
// message, which distinguishes the answers of one name server in place of several.
type replyKey struct {
	from netip.AddrPort
	id   uint16
}

// maxAddresses is the number of changed destinations that a flow remembers.
const maxAddresses = 256

// takeUDP handles a flow.
func (g *Gateway) takeUDP(client *stack.UDPFlow) {
	source, _ := netip.ParseAddrPort(client.LocalAddr().String())
	f := &flow{gateway: g, client: client, source: source, sockets: make(map[Outbound]datagramSocket)}
	g.beginning.Add(1)
	if !g.spawn(f.serve) {
		client.Close()
		g.beginning.Add(-1)
	}
}

// serve forwards the client's datagrams until the flow ends.
func (f *flow) serve() {
	defer f.close()
	beginning := int32(1) // until the first datagram has left
	defer func() { f.gateway.beginning.Add(-beginning) }()
	for f.client.Wait() == nil {
		b := borrowBatch(0)
		n, _ := f.client.ReadBatch(b.list[:]) // an error is the next Wait's, too
		for rest := b.list[:n]; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].Remote == rest[0].Remote && rest[n].HopLimit == rest[0].HopLimit {
				n++
			}
			f.forward(rest[:n], rest[0].Remote)
			rest = rest[n:]
		}
		batches.Put(b)
		f.gateway.beginning.Add(-beginning)
		beginning = 0
	}
}

// forward sends datagrams of the client's for one destination.
func (f *flow) forward(list []stack.Datagram, dst netip.AddrPort) {
	to, err := f.gateway.target(dst)
	if err != nil {
		f.refuse(dst, "", err)
		return
	}
	out := f.gateway.rules.outbound(to.Addr())
	s, err := f.socket(out, to)
	if err != nil {
		if !errors.Is(err, errNoUDP) || dst.Port() != dnsPort || !f.truncate(list, dst) {
			f.refuse(dst, out.String(), err)
		}
		return
	}
	if to != dst {
		f.remember(to, dst, list)
		for i := range list {
			list[i].Remote = to
		}
	}
	if d, ok := s.(*directSocket); ok {
		d.limitHops(list[0].HopLimit)
	}
	for failures := 0; len(list) > 0; {
		n, err := s.send(list)
		list = list[n:]
		switch {
		case err == nil || errors.Is(err, net.ErrClosed): // the next datagram opens another socket
			return
		case n > 0 || failures == 0: // the error may be of an earlier datagram, and pending
			failures = 1
		default:
			f.refuse(dst, out.String(), err)
			list, failures = list[1:], 0
		}
	}
}

// truncate answers DNS queries with a truncated answer, after which the client asks again over TCP. It returns false if
// none is a query.
func (f *flow) truncate(list []stack.Datagram, dst netip.AddrPort) (any bool) {
	for i := range list {
		if answer := truncated(list[i].Buffer[:list[i].N]); answer != nil {
			f.client.WriteToUDPAddrPort(answer, dst)
			any = true
		}
	}
	return any
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

// arrived gives the client datagrams.
func (f *flow) arrived(list []stack.Datagram) {
	f.recallAll(list)
	for len(list) > 0 {
		n, err := f.client.WriteBatch(list)
		if err != nil { // this datagram cannot be sent to the client, or none since the flow has ended
			n++
		}
		list = list[min(n, len(list)):]
	}
}

// failed gives the client an ICMP error.
func (f *flow) failed(e socketError) {
	f.mu.Lock()
	to := f.recall(e.to, nil)
	f.mu.Unlock()
	if e.router.IsValid() {
		f.client.SendTimeExceeded(to, e.router)
	} else if reason, ok := reasons[e.verdict]; ok {
		f.client.SendUnreachable(to, reason)
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

// remember notes that datagrams for dst go to another destination.
func (f *flow) remember(to, dst netip.AddrPort, list []stack.Datagram) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.addresses == nil {
		f.addresses = make(map[replyKey]netip.AddrPort)
	}
	f.addresses[replyKey{to, 0}] = dst
	for i := range list {
		for k := range f.addresses {
			if len(f.addresses) < maxAddresses {
				break
			}
			delete(f.addresses, k)
		}
		if dst.Port() == dnsPort {
			f.addresses[replyKey{to, messageID(list[i].Buffer[:list[i].N])}] = dst
		}
	}
}

// recallAll sets the senders of datagrams to the addresses by which the client knows them.
func (f *flow) recallAll(list []stack.Datagram) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.addresses) == 0 {
		return
	}
	for i := range list {
		list[i].Remote = f.recall(list[i].Remote, list[i].Buffer[:list[i].N])
	}
}

// recall returns the address by which the client knows the sender of a datagram. The lock is held.
func (f *flow) recall(from netip.AddrPort, data []byte) netip.AddrPort {
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
