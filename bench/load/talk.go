//go:build linux

package load

import (
	"fmt"
	"time"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

const (
	// talkBulk is the number of bytes that talk sends in bulk before its pings.
	talkBulk = 2 << 20
	// talkTime is how long it sends pings, of which there are at least leastPings.
	talkTime   = 500 * time.Millisecond
	leastPings = 10
)

// talk sends bulk, which the server returns, and then sends pings on the same connection, again and again. The first ping
// of each series shows whether a connection that has just sent bulk is held back.
func (c *Crew) talk(ready func()) error {
	fd, err := c.dial(subject.PortTalk)
	if err != nil {
		return err
	}
	defer c.close(fd)
	ready()
	p := ping{fd: fd}
	buffer := make([]byte, pattern.Period)
	for !c.stop.Load() {
		if err := c.roundBulk(fd, buffer); err != nil {
			return err
		}
		began := time.Now()
		for i := 0; i < leastPings || time.Since(began) < talkTime && !c.stop.Load(); i++ {
			start := time.Now()
			if err := c.exchange(fd, p.next(), p.in[:]); err != nil {
				return err
			}
			if i == 0 {
				c.firsts.Record(time.Since(start))
			}
			c.transacted(start)
		}
	}
	return nil
}

// roundBulk sends talkBulk bytes of the pattern while it receives them.
func (c *Crew) roundBulk(fd int, buffer []byte) error {
	sent := make(chan error, 1)
	go func() {
		for offset := int64(0); offset < talkBulk; {
			n, err := write(fd, pattern.At(offset)[:min(pattern.Period, talkBulk-offset)])
			if err != nil {
				sent <- err
				return
			}
			offset += int64(n)
			c.total.sent.Add(int64(n))
		}
		sent <- nil
	}()
	received, err := c.readBulk(fd, buffer, talkBulk)
	if err == nil && received < talkBulk {
		err = fmt.Errorf("%w, after %d bytes of %d", errEnded, received, talkBulk)
	}
	if err != nil {
		c.Abort(err) // so that the write ends, too
	}
	if sendErr := <-sent; err == nil {
		err = sendErr
	}
	return err
}

// readBulk receives up to n bytes of the pattern and compares them. It returns fewer if the stream ends.
func (c *Crew) readBulk(fd int, buffer []byte, n int64) (offset int64, err error) {
	for offset < n {
		got, err := read(fd, buffer[:min(int64(len(buffer)), n-offset)])
		if err != nil || got == 0 {
			return offset, err
		}
		if err := c.care.Check(buffer[:got], offset); err != nil {
			return offset, err
		}
		offset += int64(got)
		c.total.received.Add(int64(got))
	}
	return offset, nil
}
