package stack

import (
	"net"
	"syscall"
	"time"

	"minitcp/conn"
)

// SetLinger says what Close does with data that is not acknowledged. Negative: it is sent in the background, the
// default. 0: it is thrown away and the peer gets a RST. Positive: it is sent in the background, for so many seconds
// at the most, after which the peer gets a RST; Close itself never waits.
func (c *Conn) SetLinger(sec int) error {
	return c.set(func(conn.Time) {
		c.linger = conn.Linger{Set: sec >= 0, Timeout: time.Duration(max(sec, 0)) * time.Second}
	})
}

// SetNoDelay true, which like *net.TCPConn's is the default, sends small segments at once; false gathers more while
// data is unacknowledged (Nagle, RFC 9293 3.7.4, SHLD-7, MUST-17).
func (c *Conn) SetNoDelay(noDelay bool) error {
	mode := conn.Nagle
	if noDelay {
		mode = conn.NoDelay
	}
	return c.set(func(conn.Time) { c.tcp.SetNagle(mode) })
}

// SetKeepAlive turns keep-alive on or off: the probing of a peer that has been silent (RFC 9293 3.8.4). It is on by default;
// see Config.KeepAlive.
func (c *Conn) SetKeepAlive(keepalive bool) error {
	return c.setKeepAlive(func(k *conn.KeepAlive) { k.Enable = keepalive })
}

// SetKeepAlivePeriod sets how long the peer must have been silent before the first probe. Package net's default of 15 s
// stands for 0, and a negative d changes nothing.
func (c *Conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setKeepAlive(func(k *conn.KeepAlive) {
		*k = changeKeepAlive(*k, net.KeepAliveConfig{Enable: k.Enable, Idle: d, Interval: -1, Count: -1})
	})
}

// SetKeepAliveConfig sets everything about keep-alive. Zero fields mean package net's defaults (15 s, 15 s, 9 probes);
// negative ones leave the present value.
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

// SetReadBuffer sets how many octets are held for Read at the most, which bounds the window offered to the peer.
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.set(func(conn.Time) { c.tcp.SetReceiveBuffer(bytes) })
}

// SetWriteBuffer sets how many octets Write leaves behind, unacknowledged, at the most.
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.set(func(conn.Time) { c.tcp.SetSendBuffer(bytes) })
}

// SetUserTimeout sets for how long data may stay unacknowledged, or the peer's window closed, before the connection
// ends with syscall.ETIMEDOUT; 0 means Config.Conn.R2 (RFC 9293 3.9.1.1, MUST-21; RFC 5482).
func (c *Conn) SetUserTimeout(d time.Duration) error {
	return c.set(func(now conn.Time) { c.tcp.SetUserTimeout(now, d) })
}

// SetCongestionControl changes the algorithm for how much may be in flight. What is in flight stays there; the new one
// begins with the window of the old one.
func (c *Conn) SetCongestionControl(a conn.CongestionControl) error {
	return c.set(func(conn.Time) { c.tcp.SetCongestionControl(a) })
}

// SetTrafficClass sets the DSCP, 0 to 63, of the packets of the connection (RFC 9293 3.9.1.8; RFC 2474).
func (c *Conn) SetTrafficClass(dscp int) error {
	if dscp < 0 || dscp > 63 {
		return c.opError("set", syscall.EINVAL)
	}
	return c.set(func(conn.Time) { c.entry.trafficClass = uint8(dscp << 2) })
}

// SetHopLimit sets the TTL or hop limit, 1 to 255, of the packets of the connection (RFC 9293 3.9.2, MUST-49).
func (c *Conn) SetHopLimit(hops int) error {
	if hops < 1 || hops > 255 {
		return c.opError("set", syscall.EINVAL)
	}
	return c.set(func(conn.Time) { c.entry.hopLimit = uint8(hops) })
}

func (c *Conn) set(change func(now conn.Time)) error {
	return c.control("set", func(now conn.Time) error { change(now); return nil })
}

// Info is a snapshot of the connection, also after it has ended.
func (c *Conn) Info() conn.Info {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	info := c.tcp.Info(c.stack.clock.now())
	info.State = c.state()
	return info
}

// State is the connection's state.
func (c *Conn) State() conn.State {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	return c.state()
}

// state is CLOSED after TIME-WAIT has ended, which the conn.Conn does not see.
func (c *Conn) state() conn.State {
	if s := c.tcp.State(); s != conn.TimeWait {
		return s
	}
	return c.entry.state()
}
