package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"minitcp/conn"
)

// errno returns the error of the kernel's sockets that corresponds to e.
func errno(e conn.Error) error {
	switch e {
	case conn.ErrClosed:
		return net.ErrClosed
	case conn.ErrPipe:
		return syscall.EPIPE
	case conn.ErrRefused:
		return syscall.ECONNREFUSED
	case conn.ErrReset:
		return syscall.ECONNRESET
	case conn.ErrAborted:
		return syscall.ECONNABORTED
	case conn.ErrTimeout, conn.ErrLingerTimeout:
		return syscall.ETIMEDOUT
	case conn.ErrHostUnreachable:
		return syscall.EHOSTUNREACH
	case conn.ErrNetUnreachable:
		return syscall.ENETUNREACH
	case conn.ErrProtocolUnreachable:
		return syscall.ENOPROTOOPT
	}
	return e
}

// asNet returns err as package net returns it from the system call named call, if it is an error of package conn.
func asNet(call string, err error) error {
	var e conn.Error
	if !errors.As(err, &e) {
		return err
	}
	mapped := errno(e)
	if n, ok := mapped.(syscall.Errno); ok {
		return os.NewSyscallError(call, n)
	}
	return mapped
}

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
	return opError(op, c.LocalAddr(), c.RemoteAddr(), asNet(op, err))
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

// contextError returns the error that a net.Dialer returns when its context ends with err.
func contextError(err error) error {
	switch err {
	case context.Canceled:
		return canceledError{}
	case context.DeadlineExceeded:
		return timeoutError{}
	}
	return err
}

type canceledError struct{}

func (canceledError) Error() string        { return "operation was canceled" }
func (canceledError) Is(target error) bool { return target == context.Canceled }

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded
}
