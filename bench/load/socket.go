//go:build linux

package load

import (
	"fmt"

	"golang.org/x/sys/unix"

	"minitcp/bench/subject"
)

// socket makes a socket whose connection is reset by close.
func (c *Crew) socket(flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := configure(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := c.keep(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// keep adds a socket to those that Abort ends.
func (c *Crew) keep(fd int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return errAborted
	}
	c.sockets[fd] = struct{}{}
	return nil
}

func configure(fd int) error {
	// The default of a namespace can only be set to an algorithm that every user may have, but root can set any on a
	// socket.
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, subject.CongestionControl); err != nil {
		return fmt.Errorf("the kernel has no congestion control %q: %w", subject.CongestionControl, err)
	}
	// A reset leaves no connection in TIME-WAIT, which would outlast the measurement.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return fmt.Errorf("SO_LINGER: %w", err)
	}
	return nil
}

// close closes a socket of keep.
func (c *Crew) close(fd int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sockets, fd)
	unix.Close(fd)
}

// dial connects to a port of the server and waits until the connection is established.
func (c *Crew) dial(port int) (fd int, err error) {
	fd, err = c.socket(0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			c.close(fd)
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return -1, fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if err := unix.Connect(fd, c.address(port)); err != nil { // no EINTR: SA_RESTART applies without a timeout
		return -1, fmt.Errorf("connect: %w", err)
	}
	c.total.connections.Add(1)
	return fd, nil
}

func (c *Crew) address(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: c.server.As4(), Port: port}
}

// write and read repeat the system call after a signal, which Go's scheduler sends.
func write(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
		return n, nil
	}
}

// writeAll writes few bytes, all of which the kernel has room for.
func writeAll(fd int, b []byte) error {
	n, err := write(fd, b)
	if err == nil && n < len(b) {
		err = fmt.Errorf("write: %d bytes of %d", n, len(b))
	}
	return err
}

func read(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read: %w", err)
		}
		return n, nil
	}
}

// exchange sends ping, waits for the same bytes, and counts them. answer has room for as many.
func (c *Crew) exchange(fd int, ping, answer []byte) error {
	if err := writeAll(fd, ping); err != nil {
		return err
	}
	c.total.sent.Add(int64(len(ping)))
	for got := 0; got < len(ping); {
		n, err := read(fd, answer[got:len(ping)])
		if err != nil {
			return err
		}
		if n == 0 {
			return errEnded
		}
		got += n
	}
	if string(answer[:len(ping)]) != string(ping) {
		return fmt.Errorf("sent % x, got back % x", ping, answer[:len(ping)])
	}
	c.total.received.Add(int64(len(ping)))
	return nil
}
