//go:build linux

package load

import "minitcp/bench/subject"

// idle opens connections, exchanges a byte on each, and keeps them until the crew stops.
func (c *Crew) idle(ready func(), connections int) error {
	fds := make([]int, 0, connections)
	defer func() {
		for _, fd := range fds {
			c.close(fd)
		}
	}()
	var answer [1]byte
	for i := range connections {
		if c.stop.Load() {
			return errAborted
		}
		fd, err := c.dial(subject.PortHold + i%subject.HoldPorts)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
		if err := c.exchange(fd, []byte{byte(i)}, answer[:]); err != nil {
			return err
		}
		c.total.transactions.Add(1)
	}
	c.resting.Store(true)
	ready()
	<-c.release
	return nil
}
