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
	if c.fd < 0 || h.find(c.fd) != nil {
		return outcome{fault: "the descriptor is in use"}, true
	}
	h.sockets = append(h.sockets, &socket{fd: c.fd, nonblocking: c.nonblocking})
	return success(c.fd)
}

// bindCall does nothing: there is only one host on either side.
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
		return outcome{fault: "there is a connection"}, true
	case h.find(c.newFD) != nil:
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
	case u.tcp == nil:
		o := h.openFor(u)
		u.flow = h.newFlow()
		u.tcp = conn.Dial(h.now, u.config(), o)
		u.flow.tcp, u.flow.last = u.tcp, u.tcp
		u.flow.begin(o.ISS)
		h.settle(u.flow)
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

// open is the socket with a connection that a call is about, or why there is none.
func (h *host) openSocket(fd int64) (*socket, string) {
	u := h.find(fd)
	switch {
	case u == nil:
		return nil, "EBADF"
	case u.tcp == nil:
		return nil, "ENOTCONN"
	}
	return u, ""
}

type readCall struct {
	fd, count   int64
	nonblocking bool
}

func (c readCall) try(h *host, _ *attempt) (outcome, bool) {
	u, e := h.openSocket(c.fd)
	if e != "" {
		return failure(e)
	}
	buffer := make([]byte, min(c.count, int64(u.tcp.Info().Unread)+1))
	n, err := u.tcp.Read(h.now, buffer)
	h.settle(u.flow)
	switch name := errnoOf(err); {
	case name == "EAGAIN" && !u.nonblocking && !c.nonblocking:
		return blocked, false
	case name != "": // of io.EOF there is none
		u.errTaken = true
		return failure(name)
	}
	first := u.tcp.IRS() + 1 + u.read
	u.read += uint32(n)
	if i := misplaced(buffer[:n], first); i >= 0 {
		return outcome{result: int64(n), fault: fmt.Sprintf("octet %d that was read is not the one that belongs there", i)}, true
	}
	return success(int64(n))
}

type writeCall struct {
	fd, count           int64
	nonblocking, urgent bool
}

// maxCopy is how much is written at a time, as in package stack.
const maxCopy = 64 << 10

func (c writeCall) try(h *host, a *attempt) (outcome, bool) {
	u, e := h.openSocket(c.fd)
	if e != "" {
		return failure(e)
	}
	if a.begun && u.tcp.Ready()&conn.ReadyWrite == 0 {
		return blocked, false
	}
	a.begun = true
	for {
		part := make([]byte, min(c.count-a.done, maxCopy))
		fill(part, u.tcp.ISS()+1+u.wrote)
		take := u.tcp.Write
		switch {
		case a.done+int64(len(part)) < c.count:
			take = u.tcp.WriteMore
		case c.urgent:
			take = u.tcp.WriteUrgent
		}
		n, err := take(h.now, part)
		a.done += int64(n)
		u.wrote += uint32(n)
		h.settle(u.flow)
		name := errnoOf(err)
		switch {
		case name == "" && a.done >= c.count:
			return success(a.done)
		case name == "":
		case name != "EAGAIN" && a.done == 0:
			u.errTaken = true
			return failure(name)
		case name == "EAGAIN" && !u.nonblocking && !c.nonblocking:
			return blocked, false
		default:
			if a.done == 0 {
				return failure(name)
			}
			_, _ = u.tcp.Write(h.now, nil) // nothing waits for more any longer
			h.settle(u.flow)
			return success(a.done)
		}
	}
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
		u.tcp.CloseRead(h.now)
	}
	if c.how != "SHUT_RD" {
		if name := errnoOf(u.tcp.CloseWrite(h.now)); name != "" {
			return failure(name)
		}
	}
	h.settle(u.flow)
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
	i := u.tcp.Info()
	n := int64(i.Unread)
	if c.kind == "SIOCOUTQ" {
		n = i.InFlight + int64(i.Unsent)
	}
	if n != c.want {
		return outcome{fault: fmt.Sprintf("%s is %d", c.kind, n)}, true
	}
	return success(0)
}
