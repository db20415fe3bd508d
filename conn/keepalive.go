package conn

// KeepAlive returns the keep-alive settings.
func (c *Conn) KeepAlive() KeepAlive { return *c.keepAlive }

// SetKeepAlive changes the keep-alive settings (MUST-24, MUST-27). Zero durations select the defaults.
func (c *Conn) SetKeepAlive(now Time, k KeepAlive) {
	k = k.withDefaults()
	c.keepAlive = &k
	c.keepAliveTimer = Never
	c.armKeepAlive(now)
}

func (c *Conn) armKeepAlive(now Time) {
	if c.keepAlive.Enable && c.state.synchronized() && c.state != TimeWait {
		c.keepAliveTimer = now.Add(c.keepAlive.Idle)
	}
}

// keepAliveTimeout sends a probe if the peer has been silent for long enough. Segments that arrive do not move the
// timer. Instead, the time of the last one is checked here.
func (c *Conn) keepAliveTimeout(now Time) {
	idle := now.Sub(c.lastReceived)
	switch {
	case !c.keepAlive.Enable, c.state == TimeWait:
		c.keepAliveTimer = Never
	case c.snd.una < c.snd.max, c.keepAliveProbes == 0 && idle < c.keepAlive.Idle:
		// No probe is sent while data is in flight (MUST-26).
		c.keepAliveTimer = now.Add(max(c.keepAlive.Idle-idle, c.keepAlive.Interval))
		if c.keepAliveProbes == 0 && idle < c.keepAlive.Idle {
			c.keepAliveTimer = c.lastReceived.Add(c.keepAlive.Idle)
		}
	case int(c.keepAliveProbes) >= c.keepAlive.Count, c.keepAliveProbes > 0 && c.userLimit > 0 && idle >= c.keepAlive.Idle+c.userLimit:
		c.abort(c.timeoutError()) // the peer may have rebooted: the RST ends its connection (RFC 9293 3.8.4)
	default:
		c.keepAliveProbes++
		c.ack.probe = true
		c.keepAliveTimer = now.Add(c.keepAlive.Interval)
	}
}

// takeKeepAlive reports whether a probe is due, and resets that.
func (c *Conn) takeKeepAlive() bool {
	due := c.ack.probe
	c.ack.probe = false
	return due
}
