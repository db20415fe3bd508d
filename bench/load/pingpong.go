//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

// pingLength is the size of a ping in bytes.
const pingLength = 64

// ping is the ping of one connection: a number, which increases each time, and the pattern.
type ping struct {
	fd       int
	number   uint64
	out, in  [pingLength]byte
	received int
	start    time.Time // of sending
}

func (p *ping) next() []byte {
	if p.number == 0 {
		copy(p.out[:], pattern.At(int64(p.fd)))
	}
	p.number++
	binary.BigEndian.PutUint64(p.out[:], p.number)
	return p.out[:]
}

// pingPong sends pings on one connection, each after the one before has come back.
func (c *Crew) pingPong(ready func()) error {
	fd, err := c.dial(subject.PortEcho)
	if err != nil {
		return err
	}
	defer c.close(fd)
	ready()
	p := ping{fd: fd, start: time.Now()}
	for !c.stop.Load() {
		if err := c.exchange(fd, p.next(), p.in[:]); err != nil {
			return err
		}
		p.start = c.transacted(p.start)
	}
	return nil
}

// pingPongMany exchanges pings like pingPong on many connections, in the order in which they become readable.
func (c *Crew) pingPongMany(ready func(), connections int) error {
	poll, err := newPoller(connections)
	if err != nil {
		return err
	}
	defer poll.close()
	pings := make([]ping, connections)
	for i := range pings {
		fd, err := c.dial(subject.PortEcho)
		if err != nil {
			return err
		}
		defer c.close(fd)
		pings[i].fd = fd
		if err := poll.add(fd, i, unix.EPOLLIN); err != nil {
			return err
		}
		pings[i].start = time.Now()
		if err := c.send(&pings[i]); err != nil {
			return err
		}
	}
	ready()
	for waiting := connections; waiting > 0; {
		events, err := poll.wait()
		if err != nil {
			return err
		}
		for _, e := range events {
			p := &pings[e.Fd]
			back, err := c.receive(p)
			switch {
			case err != nil:
				return err
			case !back:
			case c.stop.Load():
				waiting--
			default:
				if err := c.send(p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// send sends the next ping, whose start is set.
func (c *Crew) send(p *ping) error {
	if err := writeAll(p.fd, p.next()); err != nil {
		return err
	}
	p.received = 0
	c.total.sent.Add(pingLength)
	return nil
}

// receive reads the bytes that have arrived and reports whether the ping is complete.
func (c *Crew) receive(p *ping) (bool, error) {
	n, err := read(p.fd, p.in[p.received:])
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, errEnded
	}
	if p.received += n; p.received < pingLength {
		return false, nil
	}
	if p.in != p.out {
		return false, fmt.Errorf("sent % x, got back % x", p.out, p.in)
	}
	c.total.received.Add(pingLength)
	p.start = c.transacted(p.start)
	return true, nil
}
