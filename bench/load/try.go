//go:build linux

package load

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// TryTime is the time after which an attempt has failed. It permits one retransmission of the SYN, after 1 s.
	TryTime = 3 * time.Second
	tryTick = 50 * time.Millisecond // between looks at the time of attempts
)

// try opens and closes connections like connectMany. An attempt that fails, or takes longer than TryTime, is counted,
// and another one begins.
func (c *Crew) try(ready func(), connections int) error {
	poll, err := newPoller(connections)
	if err != nil {
		return err
	}
	defer poll.close()
	attempts := make([]attempt, connections)
	for i := range attempts {
		if err := c.begin(&attempts[i], poll, i); err != nil {
			return err
		}
		defer func() { c.close(attempts[i].fd) }()
	}
	ready()
	for open := connections; open > 0; {
		events, err := poll.waitFor(tryTick)
		if err != nil {
			return err
		}
		ended, err := c.endAttempts(attempts, events)
		if err != nil {
			return err
		}
		for _, i := range ended {
			a := &attempts[i]
			c.close(a.fd)
			a.fd = -1
			if c.stop.Load() {
				open--
			} else if err := c.begin(a, poll, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// endAttempts returns the numbers of the attempts that have succeeded or failed. Wrong data is an error.
func (c *Crew) endAttempts(attempts []attempt, events []unix.EpollEvent) (ended []int, err error) {
	for _, e := range events {
		done, err := c.advance(&attempts[e.Fd], e.Events)
		var number unix.Errno
		switch {
		case errors.As(err, &number), errors.Is(err, errEnded):
			c.total.failed.Add(1)
		case err != nil:
			return nil, err
		case !done:
			continue
		}
		ended = append(ended, int(e.Fd))
	}
	for i, a := range attempts {
		if a.fd >= 0 && time.Since(a.start) > TryTime && !slices.Contains(ended, i) {
			c.total.failed.Add(1)
			ended = append(ended, i)
		}
	}
	return ended, nil
}
