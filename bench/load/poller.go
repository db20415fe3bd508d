//go:build linux

package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for many sockets at once. Fd of an event is the number that the socket was added with.
type poller struct {
	fd     int
	events []unix.EpollEvent
}

func newPoller(n int) (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return &poller{fd: fd, events: make([]unix.EpollEvent, n)}, nil
}

func (p *poller) add(fd, number int, events uint32) error {
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(number)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

func (p *poller) wait() ([]unix.EpollEvent, error) { return p.await(-1) }

// waitFor returns no events after d without one.
func (p *poller) waitFor(d time.Duration) ([]unix.EpollEvent, error) {
	return p.await(int(d.Milliseconds()))
}

func (p *poller) await(milliseconds int) ([]unix.EpollEvent, error) {
	for {
		n, err := unix.EpollWait(p.fd, p.events, milliseconds)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("epoll_wait: %w", err)
		}
		return p.events[:n], nil
	}
}

func (p *poller) close() { unix.Close(p.fd) }
