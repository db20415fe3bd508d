//go:build linux

package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"minitcp/stack"
)

// The client's side of SOCKS5 [RFC 1928, RFC 1929]. golang.org/x/net/proxy has no UDP ASSOCIATE, and reports the
// reply of the proxy as text only.

const (
	socksVersion = 5

	socksNoAuth   = 0
	socksPassword = 2
	socksNoMethod = 0xff

	socksConnect   = 1
	socksAssociate = 3

	socksIPv4, socksName, socksIPv6 = 1, 3, 4

	// socksHeader is the size of the largest header of a datagram with an IP address: of IPv6.
	socksHeader = 3 + 1 + 16 + 2
)

// socksProxy is a SOCKS5 proxy.
type socksProxy struct{ proxy }

// socksReply is the reply of a proxy that has not done as requested.
type socksReply uint8

var socksReplies = map[socksReply]struct {
	text    string
	verdict verdict
}{
	1: {"general failure", refused}, 2: {"prohibited by the ruleset", prohibited}, 3: {"network unreachable", netUnreachable},
	4: {"host unreachable", hostUnreachable}, 5: {"connection refused", refused}, 6: {"TTL expired", hostUnreachable},
	7: {"command not supported", prohibited}, 8: {"address type not supported", netUnreachable},
}

func (r socksReply) Error() string {
	if reply, ok := socksReplies[r]; ok {
		return "the proxy replies: " + reply.text
	}
	return fmt.Sprintf("the proxy replies: error %d", uint8(r))
}

func (r socksReply) verdict() verdict { return socksReplies[r].verdict }

const socksUnsupported = socksReply(7)

// dialTCP implements [Outbound].
func (p *socksProxy) dialTCP(ctx context.Context, d *net.Dialer, dst netip.AddrPort) (*net.TCPConn, []byte, error) {
	c, err := p.connect(ctx, d, func(c *net.TCPConn) error {
		_, err := p.request(c, socksConnect, dst)
		return err
	})
	return c, nil, err
}

// request authenticates, sends a request, and returns the address in the reply. It reads no byte after the reply.
func (p *socksProxy) request(c *net.TCPConn, command byte, dst netip.AddrPort) (bound netip.AddrPort, err error) {
	method := byte(socksNoAuth)
	if p.authenticates {
		method = socksPassword
	}
	if _, err := c.Write([]byte{socksVersion, 1, method}); err != nil {
		return bound, err
	}
	var b [4]byte
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return bound, err
	}
	switch {
	case b[0] != socksVersion:
		return bound, fmt.Errorf("it does not speak SOCKS5: its first byte is %#02x", b[0])
	case b[1] == socksNoMethod:
		return bound, errors.New("it refuses to be used " + map[bool]string{true: "with a password", false: "without a password"}[p.authenticates])
	case b[1] != method:
		return bound, fmt.Errorf("it chooses an authentication that was not offered: %d", b[1])
	}
	if p.authenticates {
		if err := p.authenticate(c); err != nil {
			return bound, err
		}
	}
	if _, err := c.Write(appendSocksAddress([]byte{socksVersion, command, 0}, dst)); err != nil {
		return bound, err
	}
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return bound, err
	}
	if b[0] != socksVersion {
		return bound, fmt.Errorf("its reply is not of SOCKS5: its first byte is %#02x", b[0])
	}
	if b[1] != 0 {
		return bound, socksReply(b[1])
	}
	return readSocksAddress(c, b[3])
}

// authenticate sends the user and the password [RFC 1929].
func (p *socksProxy) authenticate(c *net.TCPConn) error {
	m := append([]byte{1, byte(len(p.user))}, p.user...)
	m = append(append(m, byte(len(p.password))), p.password...)
	if _, err := c.Write(m); err != nil {
		return err
	}
	var b [2]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if b[0] != 1 || b[1] != 0 {
		return errors.New("it refuses the user or the password")
	}
	return nil
}

// appendSocksAddress appends the type, the address and the port.
func appendSocksAddress(b []byte, a netip.AddrPort) []byte {
	if a.Addr().Is4() {
		b = append(b, socksIPv4)
	} else {
		b = append(b, socksIPv6)
	}
	return binary.BigEndian.AppendUint16(append(b, a.Addr().AsSlice()...), a.Port())
}

// readSocksAddress reads the address and the port of a reply. It returns the zero AddrPort for a host name.
func readSocksAddress(r io.Reader, kind byte) (a netip.AddrPort, err error) {
	var b [255 + 2]byte
	n := 0
	switch kind {
	case socksIPv4:
		n = 4
	case socksIPv6:
		n = 16
	case socksName:
		if _, err := io.ReadFull(r, b[:1]); err != nil {
			return a, err
		}
		n = int(b[0])
	default:
		return a, fmt.Errorf("its reply has an address of unknown type %d", kind)
	}
	if _, err := io.ReadFull(r, b[:n+2]); err != nil {
		return a, err
	}
	if kind == socksName {
		return a, nil
	}
	addr, _ := netip.AddrFromSlice(b[:n])
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[n:])), nil
}

// openUDP implements [Outbound] with an association, which lasts as long as the connection that requested it.
func (p *socksProxy) openUDP(ctx context.Context, d *net.Dialer, dst netip.AddrPort) (datagramSocket, error) {
	var relay netip.AddrPort
	unspecified := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if dst.Addr().Is6() {
		unspecified = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	control, err := p.connect(ctx, d, func(c *net.TCPConn) (err error) {
		if relay, err = p.request(c, socksAssociate, unspecified); err != nil {
			return err
		}
		if relay.Port() == 0 {
			return errors.New("its reply has no port for datagrams")
		}
		return nil
	})
	if errors.Is(err, socksUnsupported) {
		return nil, fmt.Errorf("%w: %w", errNoUDP, err)
	}
	if err != nil {
		return nil, err
	}
	if !relay.Addr().IsValid() || relay.Addr().IsUnspecified() {
		relay = netip.AddrPortFrom(control.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(), relay.Port())
	}
	c, err := d.DialContext(ctx, "udp", relay.String())
	if err != nil {
		control.Close()
		return nil, &proxyError{p.name, err}
	}
	return &socksSocket{newDirectSocket(c.(*net.UDPConn)), control}, nil
}

// socksSocket is an association.
type socksSocket struct {
	relay   *directSocket // connected
	control *net.TCPConn
}

func (s *socksSocket) close() {
	s.relay.close()
	s.control.Close()
}

// send implements [datagramSocket]. The datagrams are those of one batch from its first on, so that they fit another.
func (s *socksSocket) send(list []stack.Datagram) (int, error) {
	b := borrowBatch(socksHeader)
	defer batches.Put(b)
	for i := range list {
		d := &b.list[i]
		m := append(appendSocksAddress(append(d.Buffer[:0], 0, 0, 0), list[i].Remote), list[i].Buffer[:list[i].N]...)
		d.Buffer, d.N = m, len(m)
	}
	return s.relay.send(b.list[:len(list)])
}

// receive implements [datagramSocket]. It ends when the proxy ends the association.
func (s *socksSocket) receive(arrived func([]stack.Datagram), _ func(socketError)) {
	var control sync.WaitGroup
	defer control.Wait()
	defer s.close()
	control.Go(func() {
		var b [1]byte // io.Discard would hold 8 KiB for as long as the association
		for _, err := s.control.Read(b[:]); err == nil; _, err = s.control.Read(b[:]) {
		}
		s.close()
	})
	s.relay.receive(func(list []stack.Datagram) {
		n := 0
		for _, d := range list {
			if from, data, ok := parseSocksDatagram(d.Buffer[:d.N]); ok {
				list[n] = stack.Datagram{Buffer: data, N: len(data), Remote: from}
				n++
			}
		}
		arrived(list[:n])
	}, func(socketError) {})
}

// parseSocksDatagram returns the sender and the data of a datagram. It takes neither fragments, which are optional and
// rare, nor senders with a name [RFC 1928 7].
func parseSocksDatagram(b []byte) (from netip.AddrPort, data []byte, ok bool) {
	if len(b) < 4 || b[2] != 0 {
		return from, nil, false
	}
	n := 4
	switch b[3] {
	case socksIPv4:
	case socksIPv6:
		n = 16
	default:
		return from, nil, false
	}
	b = b[4:]
	if len(b) < n+2 {
		return from, nil, false
	}
	addr, _ := netip.AddrFromSlice(b[:n])
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[n:])), b[n+2:], true
}
