// Package neterr has errors as package net has them.
package neterr

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"minitcp/conn"
)

// Errno returns the error of the kernel's sockets that corresponds to e.
func Errno(e conn.Error) error {
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

// FromCall returns err as package net returns it from the system call named call, if it is an error of package conn.
func FromCall(call string, err error) error {
	e, ok := errors.AsType[conn.Error](err)
	if !ok {
		return err
	}
	mapped := Errno(e)
	if n, ok := mapped.(syscall.Errno); ok {
		return os.NewSyscallError(call, n)
	}
	return mapped
}

// FromContext returns the error that a net.Dialer returns when its context ends with err.
func FromContext(err error) error {
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
