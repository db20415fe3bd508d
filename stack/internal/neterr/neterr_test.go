package neterr

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"minitcp/conn"
)

// Every error of a connection is one of the kernel's sockets, with the name of the system call if it is a number.
func TestFromCall(t *testing.T) {
	for _, c := range []struct {
		err  error
		want error
		text string
	}{
		{conn.ErrClosed, net.ErrClosed, "use of closed network connection"},
		{conn.ErrPipe, syscall.EPIPE, "call: broken pipe"},
		{conn.ErrRefused, syscall.ECONNREFUSED, "call: connection refused"},
		{conn.ErrReset, syscall.ECONNRESET, "call: connection reset by peer"},
		{conn.ErrAborted, syscall.ECONNABORTED, "call: software caused connection abort"},
		{conn.ErrTimeout, syscall.ETIMEDOUT, "call: connection timed out"},
		{conn.ErrLingerTimeout, syscall.ETIMEDOUT, "call: connection timed out"},
		{conn.ErrHostUnreachable, syscall.EHOSTUNREACH, "call: no route to host"},
		{conn.ErrNetUnreachable, syscall.ENETUNREACH, "call: network is unreachable"},
		{conn.ErrProtocolUnreachable, syscall.ENOPROTOOPT, "call: protocol not available"},
		{conn.ErrWouldBlock, conn.ErrWouldBlock, "operation would block"},
		{io.ErrShortWrite, io.ErrShortWrite, "short write"},
	} {
		got := FromCall("call", c.err)
		if !errors.Is(got, c.want) || got.Error() != c.text {
			t.Errorf("%v is %v, want %q", c.err, got, c.text)
		}
	}
	if err := FromCall("call", nil); err != nil {
		t.Errorf("nil is %v", err)
	}
}

// A context's error is that of a net.Dialer.
func TestFromContext(t *testing.T) {
	canceled, late := FromContext(context.Canceled), FromContext(context.DeadlineExceeded)
	if !errors.Is(canceled, context.Canceled) || errors.Is(canceled, context.DeadlineExceeded) || canceled.Error() != "operation was canceled" {
		t.Errorf("after cancel: %v", canceled)
	}
	var e net.Error
	if !errors.Is(late, context.DeadlineExceeded) || !errors.Is(late, os.ErrDeadlineExceeded) || !errors.As(late, &e) || !e.Timeout() {
		t.Errorf("after the deadline: %v", late)
	}
	if err := FromContext(io.EOF); err != io.EOF {
		t.Errorf("io.EOF is %v", err)
	}
}
