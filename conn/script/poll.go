package script

import (
	"fmt"
	"strings"
	"time"

	"minitcp/conn"
)

// pollBits are the events of poll, in the order of pollNames.
type pollBits uint8

const (
	pollIn pollBits = 1 << iota
	pollOut
	pollUrgent
	pollError
	pollHangup
	pollReadHangup
	pollInvalid
)

var pollNames = [...]string{"POLLIN", "POLLOUT", "POLLPRI", "POLLERR", "POLLHUP", "POLLRDHUP", "POLLNVAL"}

func (b pollBits) String() string {
	var s []string
	for i, name := range pollNames {
		if b&(1<<i) != 0 {
			s = append(s, name)
		}
	}
	if s == nil {
		return "0"
	}
	return strings.Join(s, "|")
}

type pollEntry struct {
	fd           int64
	events, want pollBits
}

type pollCall struct {
	entries []pollEntry
	timeout time.Duration // no limit if negative
}

func (c pollCall) try(h *host, a *attempt) (outcome, bool) {
	if !a.begun {
		a.begun = true
		a.done = int64(h.now)
	}
	n := int64(0)
	fault := ""
	for _, e := range c.entries {
		got := h.pollOne(e.fd) & (e.events | pollError | pollHangup | pollInvalid)
		if got != 0 {
			n++
		}
		if got != e.want && fault == "" {
			fault = fmt.Sprintf("the events of descriptor %d are %v, want %v", e.fd, got, e.want)
		}
	}
	if n == 0 && (c.timeout < 0 || h.now < conn.Time(a.done).Add(c.timeout)) {
		return blocked, false
	}
	return outcome{result: n, fault: fault}, true
}

// until returns the time at which the call times out.
func (c pollCall) until(a *attempt) conn.Time {
	if c.timeout < 0 {
		return conn.Never
	}
	return conn.Time(a.done).Add(c.timeout)
}

// pollOne returns the events of a descriptor.
func (h *host) pollOne(fd int64) (b pollBits) {
	u := h.find(fd)
	switch {
	case u == nil:
		return pollInvalid
	case u.listening:
		if len(u.queue) > 0 {
			b = pollIn
		}
		return b
	case u.fastOpening && u.tcp == nil: // the first write sends the SYN
		return pollOut
	case u.tcp == nil:
		return pollOut | pollHangup
	}
	ready := u.tcp.Ready()
	if ready&conn.ReadyRead != 0 {
		b |= pollIn
	}
	if ready&conn.ReadyWrite != 0 {
		b |= pollOut
	}
	if ready&conn.ReadyUrgent != 0 {
		b |= pollUrgent
	}
	switch u.tcp.State() {
	case conn.CloseWait, conn.Closing, conn.LastAck, conn.TimeWait:
		b |= pollReadHangup
	case conn.Closed:
		b |= pollReadHangup | pollHangup
	}
	if u.tcp.Err() != nil && !u.errorReported {
		b |= pollError
	}
	return b
}
