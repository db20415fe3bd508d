//go:build unix

package rawread

import (
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"sync"
	"syscall"
)

// socket is a TCP socket of package net.
type socket struct {
	addresses interface {
		LocalAddr() net.Addr
		RemoteAddr() net.Addr
	}
	raw syscall.RawConn
	try func(fd uintptr) bool

	// The call in progress.
	pool  *sync.Pool
	unit  int
	b     *[]byte
	n     int
	errno error
}

// socketOf returns the socket of r if r is a TCP socket of package net, and nil otherwise. [io.Copy] passes a
// *net.TCPConn in a type of package net without the method WriteTo. The types of other packages may have a method Read
// of their own.
func socketOf(r io.Reader) *socket {
	c, ok := r.(interface {
		net.Conn
		syscall.Conn
		SetNoDelay(bool) error
	})
	if !ok {
		return nil
	}
	t := reflect.TypeOf(r)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() != "net" {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil // Read returns an error, too
	}
	s := &socket{addresses: c, raw: raw}
	s.try = s.tryRead
	return s
}

// tryRead reads if there is data, its end or an error, and otherwise returns false without a buffer.
func (s *socket) tryRead(fd uintptr) bool {
	s.b = s.pool.Get().(*[]byte)
	for {
		s.n, s.errno = syscall.Read(int(fd), (*s.b)[:Whole(*s.b, s.unit)])
		if s.errno != syscall.EINTR {
			break
		}
	}
	if s.errno == nil && s.n > 0 {
		return true
	}
	s.pool.Put(s.b)
	s.b, s.n = nil, max(s.n, 0)
	return s.errno != syscall.EAGAIN
}

func (s *socket) read(pool *sync.Pool, unit int) (b *[]byte, n int, err error) {
	s.pool, s.unit, s.b, s.n, s.errno = pool, unit, nil, 0, nil
	err = s.raw.Read(s.try)
	b, s.b = s.b, nil
	var op *net.OpError
	switch {
	case errors.As(err, &op):
		op.Op = "read" // not raw-read
	case err != nil:
	case s.errno != nil:
		err = &net.OpError{Op: "read", Net: "tcp", Source: s.addresses.LocalAddr(), Addr: s.addresses.RemoteAddr(), Err: os.NewSyscallError("read", s.errno)}
	case s.n == 0:
		err = io.EOF
	}
	return b, s.n, err
}
