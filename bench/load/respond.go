//go:build linux

package load

import (
	"fmt"
	"time"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

// fetch connects, asks for a response and reads it to its end, one connection after the other. The time of a
// transaction is from the sending of the request to the last byte of the response.
func (c *Crew) fetch(ready func()) error {
	ready()
	buffer := make([]byte, pattern.Period)
	for !c.stop.Load() {
		if err := c.fetchOnce(buffer); err != nil {
			return err
		}
	}
	return nil
}

func (c *Crew) fetchOnce(buffer []byte) error {
	fd, err := c.dial(subject.PortResponse)
	if err != nil {
		return err
	}
	defer c.close(fd)
	start := time.Now()
	if err := writeAll(fd, []byte{1}); err != nil {
		return err
	}
	c.total.sent.Add(1)
	n, err := c.readBulk(fd, buffer, subject.ResponseLength)
	if err != nil {
		return err
	}
	if n < subject.ResponseLength {
		return fmt.Errorf("%w, after %d bytes of %d", errEnded, n, subject.ResponseLength)
	}
	c.transacted(start)
	return nil
}
