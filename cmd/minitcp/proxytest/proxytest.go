// Package proxytest has a SOCKS5 and an HTTP proxy for tests and benchmarks.
package proxytest

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// Proxy is the configuration of a proxy. Dial and ListenPacket make its sockets.
type Proxy struct {
	Dial         func(network, address string) (net.Conn, error)
	ListenPacket func(network, address string) (net.PacketConn, error)
	// User and Password are required of clients, unless User is "".
	User, Password string
	// NoUDP makes the SOCKS5 proxy refuse UDP ASSOCIATE.
	NoUDP bool
	// Early is the number of bytes of the server's that the HTTP proxy waits for, to send them together with its answer.
	Early int
	// Requests counts the requests that the proxy has understood, and Datagrams those from clients.
	Requests, Datagrams atomic.Int64

	associations sync.Map // *net.TCPConn to true: connections that requested UDP ASSOCIATE
}

// EndAssociations ends all UDP associations, as a proxy does that is restarted.
func (p *Proxy) EndAssociations() {
	p.associations.Range(func(c, _ any) bool { return c.(*net.TCPConn).Close() == nil })
}

// ServeSOCKS serves the connections of l with SOCKS5 until l is closed.
func (p *Proxy) ServeSOCKS(l net.Listener) { serve(l, p.socks) }

// ServeHTTP serves the connections of l with HTTP's CONNECT until l is closed.
func (p *Proxy) ServeHTTP(l net.Listener) { serve(l, p.http) }

func serve(l net.Listener, handle func(*net.TCPConn) error) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			handle(c.(*net.TCPConn))
		}()
	}
}

// join copies between two connections, with half-close and resets.
func join(a, b *net.TCPConn) {
	done := make(chan struct{})
	pass := func(to, from *net.TCPConn) {
		if _, err := io.Copy(to, from); err != nil {
			for _, c := range []*net.TCPConn{a, b} {
				c.SetLinger(0)
				c.Close()
			}
			return
		}
		to.CloseWrite()
	}
	go func() { pass(a, b); close(done) }()
	pass(b, a)
	<-done
	a.Close()
	b.Close()
}

var errAuth = errors.New("proxytest: wrong user or password")

// socks serves one client [RFC 1928, RFC 1929].
func (p *Proxy) socks(c *net.TCPConn) error {
	var b [262]byte
	read := func(n int) []byte {
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			clear(b[:])
		}
		return b[:n]
	}
	method := byte(0)
	if p.User != "" {
		method = 2
	}
	read(int(read(2)[1]))
	c.Write([]byte{5, method})
	if method == 2 {
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		if user != p.User || password != p.Password {
			c.Write([]byte{1, 1})
			return errAuth
		}
		c.Write([]byte{1, 0})
	}
	request := read(4)
	command, kind := request[1], request[3]
	size := map[byte]int{1: 4, 4: 16}[kind]
	addr, _ := netip.AddrFromSlice(read(size))
	to := netip.AddrPortFrom(addr, binary.BigEndian.Uint16(read(2)))
	p.Requests.Add(1)
	switch {
	case command == 1:
		return p.connect(c, to)
	case command == 3 && !p.NoUDP:
		return p.associate(c)
	}
	_, err := c.Write([]byte{5, 7, 0, 1, 0, 0, 0, 0, 0, 0})
	return err
}

func (p *Proxy) connect(c *net.TCPConn, to netip.AddrPort) error {
	server, err := p.Dial("tcp", to.String())
	code := byte(0)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		code = 5
	case errors.Is(err, syscall.EHOSTUNREACH):
		code = 4
	case errors.Is(err, syscall.ENETUNREACH):
		code = 3
	case errors.Is(err, syscall.EACCES):
		code = 2
	case err != nil:
		code = 1
	}
	c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
	if err != nil {
		return err
	}
	join(c, server.(*net.TCPConn))
	return nil
}

// associate relays datagrams until the client closes the connection.
func (p *Proxy) associate(c *net.TCPConn) error {
	host := c.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	inner, err := p.ListenPacket("udp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return err
	}
	defer inner.Close()
	outer, err := p.ListenPacket("udp", ":0")
	if err != nil {
		return err
	}
	defer outer.Close()
	bound := inner.LocalAddr().(*net.UDPAddr).AddrPort()
	p.associations.Store(c, true)
	defer p.associations.Delete(c)
	c.Write(appendAddress([]byte{5, 0, 0}, netip.AddrPortFrom(host, bound.Port())))
	var client atomic.Pointer[netip.AddrPort]
	go func() {
		for b := make([]byte, 65535); ; {
			n, from, err := inner.(*net.UDPConn).ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			client.Store(&from)
			if to, data, ok := parseDatagram(b[:n]); ok {
				p.Datagrams.Add(1)
				outer.(*net.UDPConn).WriteToUDPAddrPort(data, to)
			}
		}
	}()
	go func() {
		for b := make([]byte, maxHeader+65535); ; {
			n, from, err := outer.(*net.UDPConn).ReadFromUDPAddrPort(b[maxHeader:])
			if err != nil {
				return
			}
			header := maxHeader // the header ends where the data begins
			if from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port()); from.Addr().Is4() {
				header -= 16 - 4
			}
			start := maxHeader - header
			appendAddress(append(b[:start], 0, 0, 0), from)
			inner.(*net.UDPConn).WriteToUDPAddrPort(b[start:maxHeader+n], *client.Load())
		}
	}()
	_, err = io.Copy(io.Discard, c)
	return err
}

// maxHeader is the length in bytes of the header of a datagram with an IPv6 address.
const maxHeader = 4 + 16 + 2

func appendAddress(b []byte, a netip.AddrPort) []byte {
	kind := byte(1)
	if a.Addr().Is6() {
		kind = 4
	}
	return binary.BigEndian.AppendUint16(append(append(b, kind), a.Addr().AsSlice()...), a.Port())
}

func parseDatagram(b []byte) (to netip.AddrPort, data []byte, ok bool) {
	if len(b) < 4 {
		return to, nil, false
	}
	size := map[byte]int{1: 4, 4: 16}[b[3]]
	if size == 0 || len(b) < 4+size+2 {
		return to, nil, false
	}
	addr, _ := netip.AddrFromSlice(b[4 : 4+size])
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[4+size:])), b[4+size+2:], true
}

// http serves one client [RFC 9110 9.3.6].
func (p *Proxy) http(c *net.TCPConn) error {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return err
	}
	p.Requests.Add(1)
	answer := func(status int) error {
		_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n\r\n", status, http.StatusText(status))
		return err
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+p.Password))
	if p.User != "" && r.Header.Get("Proxy-Authorization") != want {
		return answer(http.StatusProxyAuthRequired)
	}
	server, err := p.Dial("tcp", r.Host)
	switch {
	case errors.Is(err, syscall.EACCES):
		return answer(http.StatusForbidden)
	case err != nil:
		return answer(http.StatusServiceUnavailable)
	}
	early := ""
	if p.Early > 0 {
		b := make([]byte, p.Early)
		io.ReadFull(server, b)
		early = string(b)
	}
	fmt.Fprintf(c, "HTTP/1.1 200 Connection established\r\n\r\n%s", early)
	join(c, server.(*net.TCPConn))
	return nil
}
