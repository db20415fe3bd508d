package stack

import (
	"net"
	"syscall"
	"time"

	"minitcp/conn"
)

// SetLinger sets the effect of Close on data that is not acknowledged. With a negative sec, the default, the data is
// sent in the background. With 0 it is discarded and the peer gets a RST. With a positive sec it is sent in the
// background for at most sec seconds, after which the peer gets a RST. Unlike the kernel's, Close itself never waits.
func (c *Conn) SetLinger(sec int) error {
	return c.set(func(conn.Time) {
		c.linger = conn.Linger{Set: sec >= 0, Timeout: time.Duration(max(sec, 0)) * time.Second}
	})
}

// SetNoDelay sets whether small segments are sent at once, as they are by default and with *net.TCPConn. With false
// they are delayed while data is unacknowledged (the Nagle algorithm) [RFC 9293 3.7.4, SHLD-7, MUST-17].
func (c *Conn) SetNoDelay(noDelay bool) error {
	mode := conn.Nagle
	if noDelay {
		mode = conn.NoDelay
	}
	return c.set(func(conn.Time) { c.tcp.SetNagle(mode) })
}

// SetKeepAlive turns keep-alive, the probing of a silent peer, on or off. It is on by default; see [Config] [RFC 9293
// 3.8.4].
func (c *Conn) SetKeepAlive(keepalive bool) error {
	return c.setKeepAlive(func(k *conn.KeepAlive) { k.Enable = keepalive })
}

// SetKeepAlivePeriod sets the idle time before the first probe. 0 selects package net's default of 15 s. A negative d
// changes nothing.
func (c *Conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setKeepAlive(func(k *conn.KeepAlive) {
		*k = changeKeepAlive(*k, net.KeepAliveConfig{Enable: k.Enable, Idle: d, Interval: -1, Count: -1})
	})
}

// SetKeepAliveConfig sets all parameters of keep-alive. A zero field selects package net's default (15 s, 15 s, 9
// probes). A negative field keeps the present value.
func (c *Conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	return c.setKeepAlive(func(k *conn.KeepAlive) { *k = changeKeepAlive(*k, config) })
}

func (c *Conn) setKeepAlive(change func(*conn.KeepAlive)) error {
	return c.set(func(now conn.Time) {
		k := c.tcp.KeepAlive()
		change(&k)
		c.tcp.SetKeepAlive(now, k)
	})
}

// SetReadBuffer sets the largest size in bytes of the receive buffer, and ends automatic sizing. It bounds the window
// offered to the peer. A size below 2048 or above 1 GiB counts as that limit.
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.set(func(conn.Time) { c.tcp.SetReceiveBuffer(bytes) })
}

// SetWriteBuffer sets the largest size in bytes of the send buffer, which holds data until it is acknowledged, and ends
// automatic sizing. A size below 2048 or above 1 GiB counts as that limit.
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.set(func(conn.Time) { c.tcp.SetSendBuffer(bytes) })
}

// SetUserTimeout sets the time for which data may stay unacknowledged, or the peer's window closed, before the
// connection ends with syscall.ETIMEDOUT. 0 or a negative d selects Config.Conn.R2 [RFC 9293 3.9.1.1, MUST-21, RFC
// 5482].
func (c *Conn) SetUserTimeout(d time.Duration) error {
	return c.set(func(now conn.Time) { c.tcp.SetUserTimeout(now, d) })
}

// SetCongestionControl changes the congestion control algorithm. The new one begins with the congestion window of the
// old one. An unknown algorithm changes nothing.
func (c *Conn) SetCongestionControl(a conn.CongestionControl) error {
	return c.set(func(conn.Time) { c.tcp.SetCongestionControl(a) })
}

// SetTrafficClass sets the DSCP, 0 to 63, of the connection's packets. Otherwise the error is syscall.EINVAL [RFC 9293
// 3.9.1.8, RFC 2474].
func (c *Conn) SetTrafficClass(dscp int) error {
	if dscp < 0 || dscp > 63 {
		return c.opError("set", syscall.EINVAL)
	}
	return c.set(func(conn.Time) { c.entry.trafficClass = uint8(dscp << 2) })
}

// SetHopLimit sets the TTL or hop limit, 1 to 255, of the connection's packets. Otherwise the error is syscall.EINVAL
// [RFC 9293 3.9.2, MUST-49].
func (c *Conn) SetHopLimit(hops int) error {
	if hops < 1 || hops > 255 {
		return c.opError("set", syscall.EINVAL)
	}
	return c.set(func(conn.Time) { c.entry.hopLimit = uint8(hops) })
}

func (c *Conn) set(change func(now conn.Time)) error {
	return c.control("set", func(now conn.Time) error { change(now); return nil })
}

// Info returns a snapshot of the connection, also after it has ended.
func (c *Conn) Info() conn.Info {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	info := c.tcp.Info(c.stack.clock.Now())
	info.State = c.state()
	return info
}

// State returns the connection's state.
func (c *Conn) State() conn.State {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	return c.state()
}

// state returns the connection's state. The end of TIME-WAIT is known to the entry only.
func (c *Conn) state() conn.State {
	if s := c.tcp.State(); s != conn.TimeWait {
		return s
	}
	return c.entry.state()
}
