//go:build linux

package emulator

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Link moves packets between two TUNs. One thread does all the work, with priority over others if permitted, because
// a packet that is read late has arrived late.
type Link struct {
	ends [2]end
	wake *os.File // closed to end
	done chan struct{}
	err  error

	mu    sync.Mutex // guards the directions and pings
	pings []time.Duration
	ping  time.Duration // time of the next packet
	epoch time.Time
	spare [][]byte
}

// end is a TUN and the direction that leads away from it.
type end struct {
	fd       int
	away     *Direction
	observer Observer
}

const (
	batch        = 64 // most packets that are read before due packets are written
	pingInterval = 5 * time.Millisecond
)

// Start connects two TUN devices. The link owns their descriptors from then on.
func Start(near, far int, there, back Config) (*Link, error) {
	stop, wake, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l := &Link{wake: wake, done: make(chan struct{}), epoch: time.Now()}
	l.ends[0] = end{fd: near, away: NewDirection(there)}
	l.ends[1] = end{fd: far, away: NewDirection(back)}
	go func() {
		defer close(l.done)
		defer stop.Close()
		runtime.LockOSThread() // without an unlock, so that the thread ends with its timer slack
		unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		l.err = l.run(int32(stop.Fd()))
		unix.Close(near)
		unix.Close(far)
	}()
	return l, nil
}

// run moves packets until the stop descriptor has an event.
func (l *Link) run(stop int32) error {
	for {
		more := false
		for i := range l.ends {
			full, err := l.read(&l.ends[i])
			if err != nil {
				return err
			}
			more = more || full
		}
		l.mu.Lock()
		wait, err := l.deliver()
		l.mu.Unlock()
		if err != nil {
			return err
		}
		if more {
			wait = 0
		}
		fds := []unix.PollFd{
			{Fd: stop, Events: unix.POLLIN},
			{Fd: int32(l.ends[0].fd), Events: unix.POLLIN},
			{Fd: int32(l.ends[1].fd), Events: unix.POLLIN},
		}
		timeout := unix.NsecToTimespec(int64(wait))
		if _, err := unix.Ppoll(fds, &timeout, nil); err != nil && err != unix.EINTR {
			return fmt.Errorf("ppoll: %w", err)
		}
		if fds[0].Revents != 0 {
			return nil
		}
	}
}

func (l *Link) now() time.Duration { return time.Since(l.epoch) }

// read reads packets. It returns true if there may be more.
func (l *Link) read(e *end) (full bool, err error) {
	for range batch {
		packet := l.buffer()
		n, err := unix.Read(e.fd, packet)
		switch err {
		case nil:
			l.mu.Lock()
			e.observer.See(packet[:n])
			if !e.away.Arrive(l.now(), packet[:n], l.release) {
				l.release(packet)
			}
			l.mu.Unlock()
		case unix.EAGAIN:
			l.release(packet)
			return false, nil
		case unix.EINTR:
			l.release(packet)
		default:
			return false, fmt.Errorf("an end of the link: %w", err)
		}
	}
	return true, nil
}

// deliver writes packets that have arrived, and returns the time until the next one does.
func (l *Link) deliver() (time.Duration, error) {
	now := l.now()
	if now >= l.ping {
		l.ping = now + pingInterval
		l.pings = append(l.pings, l.ends[0].away.ping(now)+l.ends[1].away.ping(now))
	}
	next := l.ping
	for i := range l.ends {
		from, to := &l.ends[i], &l.ends[1-i]
		for packet := from.away.Take(now); packet != nil; packet = from.away.Take(now) {
			_, err := unix.Write(to.fd, packet)
			l.release(packet)
			if err != nil && err != unix.EINVAL { // EINVAL: not an IP packet
				return 0, fmt.Errorf("an end of the link: %w", err)
			}
		}
		if at, ok := from.away.Next(); ok {
			next = min(next, at)
		}
	}
	return max(0, next-l.now()), nil
}

// ping returns the one-way time of a small packet that arrives now.
func (d *Direction) ping(now time.Duration) time.Duration { return d.Wait(now) + d.cfg.Delay }

// buffer returns memory for a packet, and release takes it back.
func (l *Link) buffer() []byte {
	if n := len(l.spare); n > 0 {
		b := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return b
	}
	return make([]byte, MTU)
}

func (l *Link) release(packet []byte) { l.spare = append(l.spare, packet[:cap(packet)]) }

// Report counts the traffic of a link.
type Report struct {
	There, Back     Stats
	Segments, Again int64 // with data, from the near end: all, and those that were sent before
	// Ping and LatePing are the median and the 95th percentile of the round trips that a small packet would have had since
	// the last report.
	Ping, LatePing time.Duration
	// CapacityThere and CapacityBack are the bytes that the line could have carried, 0 without a limit.
	CapacityThere, CapacityBack int64
}

// Report returns the counts so far.
func (l *Link) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	near, far := &l.ends[0], &l.ends[1]
	r := Report{There: near.away.Stats, Back: far.away.Stats, Segments: near.observer.Segments, Again: near.observer.Again}
	now := l.now()
	r.CapacityThere, r.CapacityBack = near.away.Capacity(now), far.away.Capacity(now)
	if n := len(l.pings); n > 0 {
		slices.Sort(l.pings)
		r.Ping, r.LatePing = l.pings[n/2], l.pings[n*95/100]
	}
	l.pings = l.pings[:0]
	return r
}

// Stop ends the link and closes its ends. The error is the one that ended it earlier, if there is one.
func (l *Link) Stop() error {
	l.wake.Close()
	<-l.done
	return l.err
}
