package script

import (
	"fmt"
	"time"

	"minitcp/conn"
)

type setCall struct {
	fd     int64
	name   string
	value  int64
	linger conn.Linger

	congestion conn.CongestionControl
}

func (c setCall) try(h *host, _ *attempt) (outcome, bool) {
	u := h.find(c.fd)
	if u == nil {
		return failure("EBADF")
	}
	o := &u.options
	n := int(c.value)
	switch c.name {
	case "SO_REUSEADDR", "SO_REUSEPORT", "SO_ZEROCOPY", "TCP_INQ", "IP_TOS", "IP_MTU_DISCOVER", "IP_BIND_ADDRESS_NO_PORT", "IP_FREEBIND":
		return success(0)
	case "SO_LINGER":
		o.linger = c.linger
		return success(0)
	case "TCP_MAXSEG", "TCP_LINGER2":
		if u.tcp != nil {
			return outcome{unsupported: c.name + " is not supported after connect or accept"}, true
		}
		if c.name == "TCP_MAXSEG" {
			o.maxSegment = n
			if n < minMaxSegment {
				return failure("EINVAL")
			}
		} else {
			o.finWait2 = time.Duration(n) * time.Second
		}
	case "TCP_FASTOPEN":
		o.fastOpen = n != 0
	case "TCP_FASTOPEN_CONNECT":
		o.fastOpenConnect = n != 0
	case "TCP_CONGESTION":
		o.congestion = &c.congestion
	case "SO_RCVBUF":
		o.receiveBuffer = u.s.bufferSize(n)
	case "SO_SNDBUF":
		o.sendBuffer = u.s.bufferSize(n)
	case "SO_KEEPALIVE":
		o.keepAlive.Enable = n != 0
	case "TCP_KEEPIDLE":
		o.keepAlive.Idle = time.Duration(n) * time.Second
	case "TCP_KEEPINTVL":
		o.keepAlive.Interval = time.Duration(n) * time.Second
	case "TCP_KEEPCNT":
		o.keepAlive.Count = n
	case "TCP_USER_TIMEOUT":
		o.userTimeout = time.Duration(n) * time.Millisecond
	case "TCP_NODELAY":
		mode := conn.Nagle
		if n != 0 {
			mode = conn.NoDelay
		}
		o.nagle = &mode
	}
	u.changed(h)
	return success(0)
}

// minMaxSegment is the smallest TCP_MAXSEG that Linux accepts.
const minMaxSegment = 88

type getCall struct {
	fd   int64
	name string
	want int64
}

func (c getCall) try(h *host, _ *attempt) (outcome, bool) {
	u := h.find(c.fd)
	if u == nil {
		return failure("EBADF")
	}
	if n := u.get(c.name); n != c.want {
		return outcome{fault: fmt.Sprintf("%s is %d", c.name, n)}, true
	}
	return success(0)
}

// get returns the value of a socket option.
func (u *socket) get(name string) int64 {
	config := u.config()
	switch name {
	case "SO_ERROR":
		return errnoNumber(u.takeError())
	case "SO_RCVBUF":
		return int64(config.ReceiveBuffer)
	case "SO_SNDBUF":
		return int64(config.SendBuffer)
	case "SO_KEEPALIVE":
		return oneIf(config.KeepAlive.Enable)
	case "TCP_NODELAY":
		return oneIf(config.Nagle == conn.NoDelay)
	case "TCP_KEEPIDLE":
		return int64(config.KeepAlive.Idle / time.Second)
	case "TCP_KEEPINTVL":
		return int64(config.KeepAlive.Interval / time.Second)
	case "TCP_KEEPCNT":
		return int64(config.KeepAlive.Count)
	case "TCP_USER_TIMEOUT":
		return int64(config.UserTimeout / time.Millisecond)
	case "TCP_MAXSEG":
		if u.tcp != nil {
			return int64(u.tcp.Info(0).MSS)
		}
		if u.options.maxSegment > 0 {
			return int64(u.options.maxSegment)
		}
		return 536
	}
	return 0
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
