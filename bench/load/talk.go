//go:build linux

package load

import (
	"fmt"
	"time"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

const (
	// talkTime is the time for which talk sends pings. It sends at least leastPings.
	talkTime   = 500 * time.Millisecond
	leastPings = 10
)

// talk opens a connection, sends bulk and then receives bulk there, and sends pings, one connection after the other.
// The first ping shows whether a connection that has just sent bulk is held back.
func (c *Crew) talk(ready func()) error {
	ready()
	buffer := make([]byte, pattern.Period)
	for !c.stop.Load() {
		if err := c.talkOnce(buffer); err != nil {
			return err
		}
	}
	return nil
}

func (c *Crew) talkOnce(buffer []byte) error {
	fd, err := c.dial(subject.PortTalk)
	if err != nil {
		return err
	}
	defer c.close(fd)
	for offset := int64(0); offset < subject.TalkBulk; {
		n, err := write(fd, pattern.At(offset)[:min(pattern.Period, subject.TalkBulk-offset)])
		if err != nil {
			return err
		}
		offset += int64(n)
		c.total.sent.Add(int64(n))
	}
	n, err := c.readBulk(fd, buffer, subject.TalkBulk)
	if err == nil && n < subject.TalkBulk {
		err = fmt.Errorf("%w, after %d bytes of %d", errEnded, n, subject.TalkBulk)
	}
	if err != nil {
		return err
	}
	p := ping{fd: fd}
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
	return nil
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
