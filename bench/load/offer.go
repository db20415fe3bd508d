//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

const (
	// OfferedRate is the number of datagrams per second that Offered sends on each flow.
	OfferedRate = 100_000
	// offeredTick is the time between batches of them.
	offeredTick = 200 * time.Microsecond
	// mostOwed is the number of datagrams that are sent later than they are due. It is that of 10 ms.
	mostOwed = OfferedRate / 100
)

// offer sends datagrams at OfferedRate, whether they come back or not, and counts those that do. While the device's
// queue is full, the kernel blocks the sender, and the datagrams that are due meanwhile are left out.
func (c *Crew) offer(ready func()) error {
	fd, err := c.datagramSocket(subject.PortEcho)
	if err != nil {
		return err
	}
	defer c.close(fd)
	ready()
	var counting sync.WaitGroup
	var failed error
	counting.Go(func() { failed = c.countDatagrams(fd) })
	err = c.sendOffered(fd)
	counting.Wait()
	if err == nil {
		err = failed
	}
	return err
}

func (c *Crew) sendOffered(fd int) error {
	out := newBatch(smallDatagram)
	for _, m := range out.memory {
		copy(m, pattern.At(0))
	}
	number := uint64(0)
	last := time.Now()
	for due := 0.0; !c.stop.Load(); {
		now := time.Now()
		due = min(due+now.Sub(last).Seconds()*OfferedRate, mostOwed)
		last = now
		for due >= 1 {
			room := min(int(due), datagramWindow)
			for i := range room {
				number++
				binary.BigEndian.PutUint64(out.memory[i], number)
			}
			n, err := out.call(unix.SYS_SENDMMSG, fd, room, 0)
			if err != nil {
				return fmt.Errorf("sendmmsg: %w", err)
			}
			c.total.sent.Add(int64(n * smallDatagram))
			due -= float64(n)
		}
		pause := unix.NsecToTimespec(offeredTick.Nanoseconds()) // more exact than time.Sleep
		unix.Nanosleep(&pause, nil)
	}
	return nil
}

// countDatagrams counts the datagrams that come back until the crew stops and none is on its way.
func (c *Crew) countDatagrams(fd int) error {
	in := newBatch(smallDatagram)
	for {
		n, err := in.call(unix.SYS_RECVMMSG, fd, datagramWindow, unix.MSG_WAITFORONE)
		if err == unix.EAGAIN {
			if c.stop.Load() {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("recvmmsg: %w", err)
		}
		c.total.received.Add(int64(n * smallDatagram))
		c.total.transactions.Add(int64(n))
	}
}
