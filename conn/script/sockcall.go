package script

import (
	"fmt"

	"minitcp/conn"
)

type socketCall struct {
	fd          int64
	nonblocking bool
}

func (c socketCall) try(h *host, _ *attempt) (outcome, bool) {
	if c.fd < 0 || h.taken(c.fd) {
		return outcome{fault: "the descriptor is in use"}, true
	}
	h.sockets = append(h.sockets, &socket{s: h.s, fd: c.fd, nonblocking: c.nonblocking})
	return success(c.fd)
}

// bindCall has no effect, as each side has a single host.
type bindCall struct{ fd int64 }

func (c bindCall) try(h *host, _ *attempt) (outcome, bool) {
	if h.find(c.fd) == nil {
		return failure("EBADF")
	}
	return success(0)
}

type listenCall struct {
	fd      int64
	backlog int
}

func (c listenCall) try(h *host, _ *attempt) (outcome, bool) {
	u := h.find(c.fd)
	switch {
	case u == nil:
		return failure("EBADF")
	case u.tcp != nil:
		return failure("EINVAL")
	}
	u.backlog = c.backlog
	if !u.listening {
		u.listening, h.fresh = true, true
	}
	return success(0)
}

type acceptCall struct {
	fd, newFD   int64
	nonblocking bool
}

func (c acceptCall) try(h *host, _ *attempt) (outcome, bool) {
	l := h.find(c.fd)
	switch {
	case l == nil:
		return failure("EBADF")
	case !l.listening:
		return failure("EINVAL")
	case len(l.queue) == 0 && l.nonblocking:
		return failure("EAGAIN")
	case len(l.queue) == 0:
		return blocked, false
	case c.newFD < 0:
		return outcome{fault: "accept found a connection"}, true
	case h.taken(c.newFD):
		return outcome{fault: "the descriptor is in use"}, true
	}
	u := l.queue[0]
	l.queue = l.queue[1:]
	u.fd, u.nonblocking = c.newFD, c.nonblocking
	h.sockets = append(h.sockets, u)
	return success(c.newFD)
}

type connectCall struct{ fd int64 }

func (c connectCall) try(h *host, a *attempt) (outcome, bool) {
	u := h.find(c.fd)
	switch {
	case u == nil:
		return failure("EBADF")
	case u.listening, u.connected:
		return failure("EISCONN")
	case u.tcp == nil && u.options.fastOpenConnect && h.offer.Option.Len > 0:
		u.fastOpening, u.connected = true, true
		return success(0)
	case u.tcp == nil:
		h.dial(u, u.options.fastOpenConnect)
		h.flush(u.flow)
		if u.nonblocking {
			return failure("EINPROGRESS")
		}
		a.begun = true
	}
	if u.tcp.Ready()&conn.ReadyConnected == 0 {
		if u.nonblocking || !a.begun {
			return failure("EALREADY")
		}
		return blocked, false
	}
	if u.tcp.State() == conn.Closed {
		if e := u.takeError(); e != "" {
			return failure(e)
		}
	}
	u.connected = true
	return success(0)
}

// disconnectCall is a connect with the address family AF_UNSPEC: it resets the connection, and the socket is as before
// its first connect.
type disconnectCall struct{ fd int64 }

func (c disconnectCall) try(h *host, _ *attempt) (outcome, bool) {
	u, e := h.openSocket(c.fd)
	if e != "" {
		return failure(e)
	}
	u.tcp.Abort()
	h.flush(u.flow)
	*u = socket{s: u.s, fd: u.fd, nonblocking: u.nonblocking, options: u.options}
	return success(0)
}

type shutdownCall struct {
	fd  int64
	how string
}

func (c shutdownCall) try(h *host, _ *attempt) (outcome, bool) {
	u, e := h.openSocket(c.fd)
	if e != "" {
		return failure(e)
	}
	if u.tcp.State() == conn.Closed {
		return failure("ENOTCONN")
	}
	if c.how != "SHUT_WR" {
		u.tcp.CloseRead()
	}
	if c.how != "SHUT_RD" {
		if name := errnoOf(u.tcp.CloseWrite()); name != "" {
			return failure(name)
		}
	}
	h.flush(u.flow)
	return success(0)
}

type closeCall struct{ fd int64 }

func (c closeCall) try(h *host, _ *attempt) (outcome, bool) {
	u := h.find(c.fd)
	if u == nil {
		return failure("EBADF")
	}
	h.close(u)
	return success(0)
}

type fcntlCall struct {
	fd               int64
	set, nonblocking bool
}

func (c fcntlCall) try(h *host, _ *attempt) (outcome, bool) {
	u := h.find(c.fd)
	if u == nil {
		return failure("EBADF")
	}
	if c.set {
		u.nonblocking = c.nonblocking
		return success(0)
	}
	const readWrite, nonblock = 0x2, 0x800 // Linux's O_RDWR and O_NONBLOCK
	if u.nonblocking {
		return success(readWrite | nonblock)
	}
	return success(readWrite)
}

type ioctlCall struct {
	fd   int64
	kind string
	want int64
}

func (c ioctlCall) try(h *host, _ *attempt) (outcome, bool) {
	u, e := h.openSocket(c.fd)
	if e != "" {
		return failure(e)
	}
	i := u.tcp.Info(h.now)
	n := int64(i.Unread)
	if c.kind == "SIOCOUTQ" {
		n = i.InFlight + int64(i.Unsent)
	}
	if n != c.want {
		return outcome{fault: fmt.Sprintf("%s is %d", c.kind, n)}, true
	}
	return success(0)
}
