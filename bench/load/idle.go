//go:build linux

package load

import (
	"fmt"

	"golang.org/x/sys/unix"

	"minitcp/bench/subject"
)

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

// stalledBuffer is the receive buffer of a connection that reads nothing, in bytes.
const stalledBuffer = 4096

// stalled opens connections to the source, and keeps them until the crew stops. Connections that the server resets stay
// with the others.
func (c *Crew) stalled(ready func(), connections int) error {
	fds := make([]int, 0, connections)
	defer func() {
		for _, fd := range fds {
			c.close(fd)
		}
	}()
	for range connections {
		if c.enough.Load() || c.stop.Load() {
			break
		}
		fd, err := c.socket(0)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, stalledBuffer); err != nil {
			return fmt.Errorf("SO_RCVBUF: %w", err)
		}
		if err := unix.Connect(fd, c.address(subject.PortSource)); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		c.total.connections.Add(1)
	}
	c.resting.Store(true)
	ready()
	<-c.release
	return nil
}
