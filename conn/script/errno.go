package script

import "minitcp/conn"

// errnos are the names and numbers of Linux's errors.
var errnos = []struct {
	name   string
	number int64
}{
	{"EBADF", 9}, {"EAGAIN", 11}, {"EWOULDBLOCK", 11}, {"EINVAL", 22}, {"EPIPE", 32}, {"ENOPROTOOPT", 92},
	{"ENETUNREACH", 101}, {"ECONNABORTED", 103}, {"ECONNRESET", 104}, {"EISCONN", 106}, {"ENOTCONN", 107},
	{"ETIMEDOUT", 110}, {"ECONNREFUSED", 111}, {"EHOSTUNREACH", 113}, {"EALREADY", 114}, {"EINPROGRESS", 115},
}

// errnoOf returns the name of an error of package conn, as package stack maps it, or "" for no error.
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

// errnoNumber returns Linux's number of an error, or 0 for an unknown name.
func errnoNumber(name string) int64 {
	for _, e := range errnos {
		if e.name == name {
			return e.number
		}
	}
	return 0
}
