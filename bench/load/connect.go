//go:build linux

package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/subject"
)

// connect connects, exchanges a byte and resets the connection, again and again.
func (c *Crew) connect(ready func()) error {
	ready()
	var ping, answer [1]byte
	for !c.stop.Load() {
		ping[0]++
		start := time.Now()
		fd, err := c.socket(0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, c.address(subject.PortEcho)); err != nil {
			c.close(fd)
			return fmt.Errorf("connect: %w", err)
		}
		c.total.connections.Add(1)
		err = c.exchange(fd, ping[:], answer[:])
		if err == nil {
			c.transacted(start)
		}
		c.close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

// refused connects to a port that nothing listens on, again and again.
func (c *Crew) refused(ready func()) error {
	ready()
	for !c.stop.Load() {
		start := time.Now()
		fd, err := c.socket(0)
		if err != nil {
			return err
		}
		err = unix.Connect(fd, c.address(subject.PortClosed))
		c.close(fd)
		if err != unix.ECONNREFUSED {
			return fmt.Errorf("connect to a closed port: %v in place of %w", err, unix.ECONNREFUSED)
		}
		c.transacted(start)
		c.total.sent.Add(1) // progress
	}
	return nil
}

// attempt is one connection of connectMany.
type attempt struct {
	fd    int // -1 for none
	ping  byte
	sent  bool
	start time.Time // of the call of connect
}

// connectMany opens and closes connections like connect, several at a time.
func (c *Crew) connectMany(ready func(), connections int) error {
	poll, err := newPoller(connections)
	if err != nil {
		return err
	}
	defer poll.close()
	attempts := make([]attempt, connections)
	for i := range attempts {
		attempts[i].fd = -1
	}
	defer func() {
		for _, a := range attempts {
			if a.fd >= 0 {
				c.close(a.fd)
			}
		}
	}()
	for i := range attempts {
		if err := c.begin(&attempts[i], poll, i); err != nil {
			return err
		}
	}
	ready()
	for open := connections; open > 0; {
		events, err := poll.wait()
		if err != nil {
			return err
		}
		for _, e := range events {
			a := &attempts[e.Fd]
			done, err := c.advance(a, e.Events)
			if err != nil {
				return err
			}
			if !done {
				continue
			}
			c.close(a.fd)
			a.fd = -1
			if c.stop.Load() {
				open--
				continue
			}
			if err := c.begin(a, poll, int(e.Fd)); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin starts an attempt. An event follows.
func (c *Crew) begin(a *attempt, poll *poller, number int) error {
	fd, err := c.socket(unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	*a = attempt{fd: fd, ping: a.ping + 1, start: time.Now()}
	if err := unix.Connect(fd, c.address(subject.PortEcho)); err != nil && err != unix.EINPROGRESS {
		return fmt.Errorf("connect: %w", err)
	}
	return poll.add(fd, number, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET)
}

// advance takes the next step of an attempt and reports whether it was the last.
func (c *Crew) advance(a *attempt, events uint32) (done bool, err error) {
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		number, err := unix.GetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && number != 0 {
			err = unix.Errno(number)
		}
		if err == nil {
			err = errEnded
		}
		return false, fmt.Errorf("connect: %w", err)
	}
	b := [1]byte{a.ping}
	if !a.sent {
		if err := writeAll(a.fd, b[:]); err != nil {
			return false, err
		}
		a.sent = true
		c.total.connections.Add(1)
		c.total.sent.Add(1)
		return false, nil
	}
	if events&unix.EPOLLIN == 0 {
		return false, nil
	}
	n, err := read(a.fd, b[:])
	if err != nil {
		return false, err
	}
	if n == 0 || b[0] != a.ping {
		return false, fmt.Errorf("sent %#02x, got back %d bytes: % x", a.ping, n, b[:n])
	}
	c.total.received.Add(1)
	c.transacted(a.start)
	return true, nil
}
