package script

import "minitcp/conn"

// errnos are the names of errors and Linux's numbers for them.
var errnos = []struct {
	name   string
	number int64
}{
	{"EBADF", 9}, {"EAGAIN", 11}, {"EWOULDBLOCK", 11}, {"EINVAL", 22}, {"EPIPE", 32}, {"ENOPROTOOPT", 92},
	{"ENETUNREACH", 101}, {"ECONNABORTED", 103}, {"ECONNRESET", 104}, {"EISCONN", 106}, {"ENOTCONN", 107},
	{"ETIMEDOUT", 110}, {"ECONNREFUSED", 111}, {"EHOSTUNREACH", 113}, {"EALREADY", 114}, {"EINPROGRESS", 115},
}

// errnoOf is the name of what a call of package conn returned, as package stack maps it; "" for no error.
func errnoOf(err error) string {
	e, _ := err.(conn.Error)
	switch e {
	case 0:
		return ""
	case conn.ErrWouldBlock:
		return "EAGAIN"
	case conn.ErrClosed:
		return "EBADF"
	case conn.ErrPipe:
		return "EPIPE"
	case conn.ErrRefused:
		return "ECONNREFUSED"
	case conn.ErrReset:
		return "ECONNRESET"
	case conn.ErrAborted:
		return "ECONNABORTED"
	case conn.ErrTimeout, conn.ErrLingerTimeout:
		return "ETIMEDOUT"
	case conn.ErrHostUnreachable:
		return "EHOSTUNREACH"
	case conn.ErrNetUnreachable:
		return "ENETUNREACH"
	case conn.ErrProtocolUnreachable:
		return "ENOPROTOOPT"
	}
	return err.Error()
}

// errnoNumber is Linux's number, 0 for "".
func errnoNumber(name string) int64 {
	for _, e := range errnos {
		if e.name == name {
			return e.number
		}
	}
	return 0
}
