//go:build linux

package load

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

var errEnded = errors.New("the server ended the stream too early")

// upload sends the pattern until the crew stops, ends its stream, and waits until the server closes.
func (c *Crew) upload(ready func()) error {
	fd, err := c.dial(subject.PortSink)
	if err != nil {
		return err
	}
	defer c.close(fd)
	ready()
	for offset := int64(0); !c.stop.Load(); {
		n, err := write(fd, pattern.At(offset))
		if err != nil {
			return err
		}
		offset += int64(n)
		c.total.sent.Add(int64(n))
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	var one [1]byte
	n, err := read(fd, one[:])
	if n > 0 {
		return errors.New("the sink has sent something")
	}
	return err
}

// download receives the pattern, asks the server to stop when the crew stops, and reads to the end.
func (c *Crew) download(ready func()) error {
	fd, err := c.dial(subject.PortSource)
	if err != nil {
		return err
	}
	defer c.close(fd)
	flow := c.flows.New()
	ready()
	buffer := make([]byte, pattern.Period)
	told := false
	for offset := int64(0); ; {
		n, err := read(fd, buffer)
		if err != nil {
			return err
		}
		if n == 0 && !told {
			return errEnded
		}
		if n == 0 {
			return nil
		}
		if err := c.care.Check(buffer[:n], offset); err != nil {
			return err
		}
		offset += int64(n)
		c.total.received.Add(int64(n))
		flow.Add(n)
		if !told && c.stop.Load() {
			if err := writeAll(fd, []byte{0}); err != nil {
				return err
			}
			c.total.sent.Add(1)
			told = true
		}
	}
}
