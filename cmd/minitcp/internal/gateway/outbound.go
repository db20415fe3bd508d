//go:build linux

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Outbound is a way to destinations: [Direct], [Reject], or a proxy. See [ParseOutbound].
type Outbound interface {
	// String returns the outbound as ParseOutbound takes it, without a password.
	String() string
	// dialTCP connects to a destination, with sockets that d makes. Early is data that has arrived from it already.
	dialTCP(ctx context.Context, d *net.Dialer, dst netip.AddrPort) (c *net.TCPConn, early []byte, err error)
	// openUDP returns a socket for datagrams to destinations of the family of dst. The error is errNoUDP if the outbound
	// has none.
	openUDP(ctx context.Context, d *net.Dialer, dst netip.AddrPort) (datagramSocket, error)
}

// Direct sends from sockets of the host.
var Direct Outbound = direct{}

// Reject prohibits all destinations.
var Reject Outbound = reject{}

// ParseOutbound parses the URL of an outbound: "direct", "reject", "socks5://USER:PASSWORD@HOST:PORT" or
// "http://USER:PASSWORD@HOST:PORT". USER and PASSWORD may be omitted, and so may the default ports 1080 and 80.
func ParseOutbound(s string) (Outbound, error) {
	switch s {
	case "direct":
		return Direct, nil
	case "reject":
		return Reject, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("not direct, reject, socks5://HOST:PORT or http://HOST:PORT")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("a proxy has no path: %s://%s is enough", u.Scheme, u.Host)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"socks5": "1080", "http": "80"}[u.Scheme]
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("%q is not a port; choose from 1 to 65535", port)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("the proxy's host is missing, as in %s://HOST:PORT", u.Scheme)
	}
	p := proxy{name: u.Redacted(), address: net.JoinHostPort(u.Hostname(), port)}
	if u.User != nil {
		p.user = u.User.Username()
		p.password, _ = u.User.Password()
		p.authenticates = true
	}
	switch u.Scheme {
	case "socks5":
		if p.authenticates && (p.user == "" || len(p.user) > 255 || len(p.password) > 255) {
			return nil, fmt.Errorf("a user of SOCKS5 has 1 to 255 bytes, and a password at most 255")
		}
		return &socksProxy{p}, nil
	case "http":
		return &httpProxy{p}, nil
	}
	return nil, fmt.Errorf("no such kind of proxy: %q; choose socks5 or http", u.Scheme)
}

// direct implements [Direct].
type direct struct{}

func (direct) String() string { return "direct" }

func (direct) dialTCP(ctx context.Context, d *net.Dialer, dst netip.AddrPort) (*net.TCPConn, []byte, error) {
	c, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, dst)
	return c, nil, err
}

// bindLate returns the function Control of a [net.Dialer] that leaves the choice of a local port to connect(2), and
// calls control, which may be nil. [net.Dialer.DialTCP] binds the socket first. The port could then not be used for
// another destination, and all destinations together would share the 28,000 ports that Linux has by default.
// [net.Dialer.DialContext] does not bind, but leaves each goroutine with 4 KiB more of stack.
func bindLate(control func(network, address string, c syscall.RawConn) error) func(string, string, syscall.RawConn) error {
	return func(network, address string, c syscall.RawConn) error {
		if strings.HasPrefix(network, "tcp") {
			c.Control(func(fd uintptr) { // it fails before Linux 4.2
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			})
		}
		if control == nil {
			return nil
		}
		return control(network, address, c)
	}
}

// reject implements [Reject].
type reject struct{}

func (reject) String() string { return "reject" }

var errRejected = fmt.Errorf("%w: a rule rejects it", errProhibited)

func (reject) dialTCP(context.Context, *net.Dialer, netip.AddrPort) (*net.TCPConn, []byte, error) {
	return nil, nil, errRejected
}

func (reject) openUDP(context.Context, *net.Dialer, netip.AddrPort) (datagramSocket, error) {
	return nil, errRejected
}

// proxy is the common part of the proxies.
type proxy struct {
	name          string // the URL, without the password
	address       string
	user          string
	password      string
	authenticates bool
}

func (p *proxy) String() string { return p.name }

// proxyError is a failure to reach the proxy, or to understand it. The destination's state is unknown.
type proxyError struct {
	proxy string
	err   error
}

func (e *proxyError) Error() string { return "proxy " + e.proxy + ": " + e.err.Error() }
func (e *proxyError) Unwrap() error { return e.err }

// dialError is a failure to connect to the proxy. Its text leaves out the addresses, which are the proxy's name and the
// local ":0" of [net.Dialer.DialTCP].
type dialError struct{ err error }

func (e *dialError) Error() string { return "no connection to it: " + reasonOf(e.err) }
func (e *dialError) Unwrap() error { return e.err }

// dial connects to the proxy. Without a name to look up it does so with less work.
func (p *proxy) dial(ctx context.Context, d *net.Dialer) (*net.TCPConn, error) {
	if a, err := netip.ParseAddrPort(p.address); err == nil {
		return d.DialTCP(ctx, "tcp", netip.AddrPort{}, a)
	}
	c, err := d.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// connect connects to the proxy and calls handshake with the connection, whose deadline is that of ctx. After an error
// the connection is closed.
func (p *proxy) connect(ctx context.Context, d *net.Dialer, handshake func(c *net.TCPConn) error) (*net.TCPConn, error) {
	c, err := p.dial(ctx, d)
	if err != nil {
		return nil, &proxyError{p.name, &dialError{err}}
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
	err = handshake(c)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return c, nil
	}
	c.Close()
	if _, ok := err.(replier); ok {
		return nil, err
	}
	if cause := ctx.Err(); cause != nil {
		err = fmt.Errorf("no answer in time: %w", cause)
	} else if isEnd(err) {
		err = errors.New("it closes the connection instead of a reply")
	}
	return nil, &proxyError{p.name, err}
}

// isEnd reports whether err is the end of a connection.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// replier is an error by which a proxy has reported the outcome of its own dial.
type replier interface {
	error
	verdict() verdict
}

// openUDP implements [Outbound].
func (direct) openUDP(ctx context.Context, d *net.Dialer, dst netip.AddrPort) (datagramSocket, error) {
	network, any := "udp6", "[::]:0"
	if dst.Addr().Is4() {
		network, any = "udp4", "0.0.0.0:0"
	}
	config := net.ListenConfig{Control: func(network, address string, c syscall.RawConn) error {
		if d.Control != nil {
			if err := d.Control(network, address, c); err != nil {
				return err
			}
		}
		return reportErrors(network, c)
	}}
	c, err := config.ListenPacket(ctx, network, any)
	if err != nil {
		return nil, err
	}
	return newDirectSocket(c.(*net.UDPConn)), nil
}
