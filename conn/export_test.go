package conn

// Idle reports, to tests outside the package, whether c is idle.
func Idle(c *Conn) bool { return c.active == nil }
