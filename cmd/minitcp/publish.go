//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"minitcp/stack"
)

// publication is one value of --publish: an address and port of the host, and the port of COMMAND that stands behind
// it.
type publication struct {
	text    string
	address netip.Addr // of the host; the zero value means the loopback addresses
	host    uint16
	inside  uint16
	udp     bool
}

// publishList is the value of --publish, which may be repeated.
type publishList struct{ list []publication }

// Set adds a publication.
func (l *publishList) Set(s string) error {
	p := publication{text: s}
	ports, protocol, given := strings.Cut(s, "/")
	if p.udp = protocol == "udp"; given && !p.udp && protocol != "tcp" {
		return usagef("%q is not a protocol; choose tcp or udp", protocol)
	}
	rest, inside, ok := cutLast(ports)
	address, host, hasAddress := cutLast(rest)
	if !hasAddress {
		host = rest
	}
	if !ok || hasAddress && address == "" {
		return usagef("not HOSTPORT:PORT or ADDRESS:HOSTPORT:PORT, such as 8080:80 or 0.0.0.0:8080:80")
	}
	var err error
	if p.host, err = parsePort(host); err == nil {
		p.inside, err = parsePort(inside)
	}
	if err != nil {
		return err
	}
	if hasAddress {
		if p.address, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")); err != nil {
			return usagef("%q is not an IP address", address)
		}
	}
	l.list = append(l.list, p)
	return nil
}

// cutLast cuts s around its last colon.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// String returns the publications, separated by commas.
func (l *publishList) String() string {
	var texts []string
	for _, p := range l.list {
		texts = append(texts, p.text)
	}
	return strings.Join(texts, ",")
}

// Type returns the word for the value in the help text.
func (l *publishList) Type() string { return "HOSTPORT:PORT" }

// published holds the host's sockets of the publications.
type published struct {
	listeners []publishedTCP
	sockets   []*publishedUDP
}

// publishedTCP is a listener of the host.
type publishedTCP struct {
	*net.TCPListener
	inside uint16
}

// listen opens the host's sockets.
func (l *publishList) listen() (*published, error) {
	all := new(published)
	for _, p := range l.list {
		for _, a := range p.addresses() {
			err := all.listen(p, netip.AddrPortFrom(a, p.host))
			if a == netip.IPv6Loopback() && !p.address.IsValid() && !errors.Is(err, syscall.EADDRINUSE) {
				continue // the host may have no IPv6
			}
			if err != nil {
				all.close()
				return nil, publishError(p, err)
			}
		}
	}
	return all, nil
}

// addresses returns the addresses of the host at which p is published.
func (p *publication) addresses() []netip.Addr {
	if p.address.IsValid() {
		return []netip.Addr{p.address}
	}
	return []netip.Addr{hostLoopback4, netip.IPv6Loopback()}
}

func (all *published) listen(p publication, at netip.AddrPort) error {
	if p.udp {
		socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err == nil {
			all.sockets = append(all.sockets, &publishedUDP{socket: socket, inside: p.inside, flows: make(map[netip.AddrPort]*stack.UDPConn)})
		}
		return err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err == nil {
		all.listeners = append(all.listeners, publishedTCP{l, p.inside})
	}
	return err
}

// publishError returns the error of listening on the host.
func publishError(p publication, err error) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "; choose another HOSTPORT, or end the program that listens there"
	case errors.Is(err, syscall.EACCES):
		advice = "; choose a HOSTPORT of at least 1024, or run as root"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "; choose an address of this host"
	}
	return fmt.Errorf("--publish %s: %w%s", p.text, cause(err), advice)
}

// cause returns the error of the system call below err, and err without one.
func cause(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// close closes the host's sockets.
func (all *published) close() {
	for _, l := range all.listeners {
		l.Close()
	}
	for _, u := range all.sockets {
		u.socket.Close()
	}
}
