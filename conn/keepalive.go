package conn

// KeepAlive is how an idle peer is probed.
func (c *Conn) KeepAlive() KeepAlive { return *c.keepAlive }

// SetKeepAlive changes the probing of an idle peer from now on (MUST-24, MUST-27). Zero durations mean the defaults.
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

// keepAliveTimeout runs when the peer may have been silent for too long. The timer is not moved by every segment that
// arrives; it looks here when the last one came.
func (c *Conn) keepAliveTimeout(now Time) {
	idle := now.Sub(c.lastReceived)
	switch {
	case !c.keepAlive.Enable, c.state == TimeWait:
		c.keepAliveTimer = Never
	case c.snd.una < c.snd.max, c.keepAliveProbes == 0 && idle < c.keepAlive.Idle:
		// Data in flight is its own question (MUST-26).
		c.keepAliveTimer = now.Add(max(c.keepAlive.Idle-idle, c.keepAlive.Interval))
		if c.keepAliveProbes == 0 && idle < c.keepAlive.Idle {
			c.keepAliveTimer = c.lastReceived.Add(c.keepAlive.Idle)
		}
	case int(c.keepAliveProbes) >= c.keepAlive.Count, c.keepAliveProbes > 0 && c.userLimit > 0 && idle >= c.keepAlive.Idle+c.userLimit:
		c.abort(c.timeoutError()) // the peer may be back without memory of us: the RST says so (RFC 9293 3.8.4)
	default:
		c.keepAliveProbes++
		c.keepAliveDue = true
		c.keepAliveTimer = now.Add(c.keepAlive.Interval)
	}
}

// takeKeepAlive reports, once, that a probe is to be sent.
func (c *Conn) takeKeepAlive() bool {
	due := c.keepAliveDue
	c.keepAliveDue = false
	return due
}
