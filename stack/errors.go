package stack

import (
	"io"
	"net"
	"net/netip"

	"minitcp/stack/internal/neterr"
)

// opError returns err as an *net.OpError. It returns io.EOF unchanged, as readers expect.
func opError(op string, local, remote net.Addr, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: local, Addr: remote, Err: err}
}

// opError returns err as an *net.OpError of a call on the connection.
func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return opError(op, c.LocalAddr(), c.RemoteAddr(), neterr.FromCall(op, err))
}

// dialError returns err as the *net.OpError of an attempt to reach remote.
func dialError(network string, local, remote netip.AddrPort, err error) error {
	e := &net.OpError{Op: "dial", Net: network, Err: err}
	if local.Addr().IsValid() {
		e.Source = net.TCPAddrFromAddrPort(local)
	}
	if remote.Addr().IsValid() {
		e.Addr = net.TCPAddrFromAddrPort(remote)
	}
	return e
}
