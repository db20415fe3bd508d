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

// errno is what the kernel's sockets would say.
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

// asNet turns an error of package conn into what package net would have returned from the system call named call.
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

// opError wraps err for the application. io.EOF stays plain, as readers expect.
func opError(op string, local, remote net.Addr, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: local, Addr: remote, Err: err}
}

// opError is opError for a call on the connection.
func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return opError(op, c.LocalAddr(), c.RemoteAddr(), asNet(op, err))
}

// dialError is the error of an attempt to reach remote.
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

// contextError is what a net.Dialer returns when its context ends.
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
