package script

import (
	"fmt"

	"minitcp/conn"
)

// openSocket returns the socket of a descriptor, which must have a connection, or the name of the error.
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
	left        *int64 // bytes unread afterwards, a FIN as one; nil if not compared
}

func (c readCall) try(h *host, _ *attempt) (outcome, bool) {
	u, e := h.openSocket(c.fd)
	switch {
	case e == "ENOTCONN" && h.find(c.fd).fastOpening: // the first write sends the SYN
		return failure("EAGAIN")
	case e != "":
		return failure(e)
	}
	buffer := make([]byte, min(c.count, int64(u.tcp.Info(h.now).Unread)+1))
	n, err := u.tcp.Read(buffer)
	h.flush(u.flow)
	switch name := errnoOf(err); {
	case name == "EAGAIN" && !u.nonblocking && !c.nonblocking:
		return blocked, false
	case name != "": // io.EOF has the name ""
		u.errorReported = true
		return failure(name)
	}
	first := u.tcp.IRS() + 1 + u.read
	u.read += uint32(n)
	if i := misplaced(buffer[:n], first); i >= 0 {
		return outcome{result: int64(n), fault: fmt.Sprintf("byte %d of the data read is wrong", i)}, true
	}
	if left := int64(u.tcp.Info(h.now).Unread); c.left != nil {
		if left == 0 && u.tcp.FINReceived() {
			left = 1
		}
		if left != *c.left {
			return outcome{result: int64(n), fault: fmt.Sprintf("TCP_CM_INQ is %d, want %d", left, *c.left)}, true
		}
	}
	return success(int64(n))
}

type writeCall struct {
	fd, count           int64
	nonblocking, urgent bool
	fastOpen            bool
}

// maxCopy is the maximum number of bytes per Write call, as in package stack.
const maxCopy = 64 << 10

func (c writeCall) try(h *host, a *attempt) (outcome, bool) {
	if u := h.find(c.fd); u != nil && (u.tcp == nil && c.fastOpen || u.fastOpening) {
		if o, done := c.tryFastOpen(h, u, a); done || u.fastOpening {
			return o, done
		}
	}
	u, e := h.openSocket(c.fd)
	if e != "" {
		return failure(e)
	}
	switch connecting := h.s.asLinux && u.tcp.State() == conn.SynSent; { // where Linux queues no data
	case connecting && c.fastOpen:
		return failure("EALREADY")
	case connecting && (u.nonblocking || c.nonblocking):
		return failure("EAGAIN")
	case connecting, a.begun && u.tcp.Ready()&conn.ReadyWrite == 0:
		return blocked, false
	}
	a.begun = true
	for {
		n, take := c.count-a.done, u.tcp.Write
		switch {
		case c.urgent:
			take = u.tcp.WriteUrgent // in one call, as the end of the data is urgent
		case n > maxCopy:
			n, take = maxCopy, u.tcp.WriteMore
		}
		part := make([]byte, n)
		fill(part, u.tcp.ISS()+1+u.wrote)
		took, err := take(h.now, part)
		a.done += int64(took)
		u.wrote += uint32(took)
		h.flush(u.flow)
		name := errnoOf(err)
		switch {
		case name == "" && a.done >= c.count:
			return success(a.done)
		case name == "":
		case name != "EAGAIN" && a.done == 0:
			u.errorReported = true
			return failure(name)
		case name == "EAGAIN" && !u.nonblocking && !c.nonblocking:
			return blocked, false
		default:
			if a.done == 0 {
				return failure(name)
			}
			_, _ = u.tcp.Write(h.now, nil) // ends the series of WriteMore
			h.flush(u.flow)
			return success(a.done)
		}
	}
}
