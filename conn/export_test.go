package conn

// Asleep is for tests outside of the package.
func Asleep(c *Conn) bool { return c.awake == nil }
