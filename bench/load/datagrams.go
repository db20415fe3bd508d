//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

const (
	// datagramWindow is the number of datagrams that a flow has in flight.
	datagramWindow = 32
	// datagramTimeout is the time after which the datagrams in flight count as lost.
	datagramTimeout = 100 * time.Millisecond

	smallDatagram = 64   // bytes of data
	largeDatagram = 1400 // bytes of data
)

// batch is a number of datagrams for one system call (sendmmsg(2), recvmmsg(2)).
type batch struct {
	messages [datagramWindow]mmsghdr
	vectors  [datagramWindow]unix.Iovec
	memory   [datagramWindow][]byte
}

// mmsghdr is Linux's struct of that name.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

func newBatch(size int) *batch {
	b := new(batch)
	for i := range b.messages {
		b.memory[i] = make([]byte, size)
		b.vectors[i].Base = &b.memory[i][0]
		b.vectors[i].SetLen(size)
		b.messages[i].header.Iov = &b.vectors[i]
		b.messages[i].header.SetIovlen(1)
	}
	return b
}

// call makes the system call for the first n datagrams, and returns for how many it was done.
func (b *batch) call(number uintptr, fd, n, flags int) (int, error) {
	for {
		done, _, errno := unix.Syscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&b.messages[0])), uintptr(n), uintptr(flags), 0, 0)
		switch errno {
		case 0:
			return int(done), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// datagrams keeps a window of datagrams of a size in flight on one flow: each that comes back is replaced by another.
func (c *Crew) datagrams(ready func(), size int) error {
	fd, err := c.datagramSocket(subject.PortEcho)
	if err != nil {
		return err
	}
	defer c.close(fd)
	ready()
	out, in := newBatch(size), newBatch(size)
	for _, m := range out.memory {
		copy(m, pattern.At(int64(fd)))
	}
	number := uint64(0)
	for room := datagramWindow; !c.stop.Load(); {
		for i := range room {
			number++
			binary.BigEndian.PutUint64(out.memory[i], number)
		}
		n, err := out.call(unix.SYS_SENDMMSG, fd, room, 0)
		if err != nil {
			return fmt.Errorf("sendmmsg: %w", err)
		}
		c.total.sent.Add(int64(n * size))
		room, err = in.call(unix.SYS_RECVMMSG, fd, datagramWindow, unix.MSG_WAITFORONE)
		if err == unix.EAGAIN {
			room = datagramWindow // all are lost
			continue
		}
		if err != nil {
			return fmt.Errorf("recvmmsg: %w", err)
		}
		for i := range room {
			got := in.memory[i]
			if int(in.messages[i].length) != size || binary.BigEndian.Uint64(got) > number || string(got[8:]) != string(out.memory[i][8:]) {
				return fmt.Errorf("a datagram of %d bytes came back as %d bytes: % x", size, in.messages[i].length, got)
			}
		}
		c.total.received.Add(int64(room * size))
		c.total.transactions.Add(int64(room))
	}
	return nil
}

// datagramSocket returns a socket that is connected to a port of the server's that returns datagrams.
func (c *Crew) datagramSocket(port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	timeout := unix.NsecToTimeval(datagramTimeout.Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	if err == nil {
		err = unix.Connect(fd, c.address(port))
	}
	if err == nil {
		err = c.keep(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("a socket of UDP: %w", err)
	}
	return fd, nil
}

// openFlows opens flows, exchanges a datagram on each, and keeps them until the crew stops.
func (c *Crew) openFlows(ready func(), flows int) error {
	var fds []int
	defer func() {
		for _, fd := range fds {
			c.close(fd)
		}
	}()
	for i := range flows {
		if c.stop.Load() {
			return errAborted
		}
		fd, err := c.datagramSocket(subject.PortEcho)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
		if err := c.exchangeDatagram(fd, binary.BigEndian.AppendUint64(nil, uint64(i))); err != nil {
			return err
		}
		c.total.transactions.Add(1)
	}
	c.resting.Store(true)
	ready()
	<-c.release
	return nil
}

// exchangeDatagram sends a datagram until it comes back.
func (c *Crew) exchangeDatagram(fd int, data []byte) error {
	got := make([]byte, len(data)+1)
	for !c.stop.Load() {
		if err := writeAll(fd, data); err != nil {
			return err
		}
		n, err := unix.Read(fd, got)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case string(got[:n]) == string(data):
			c.total.received.Add(int64(n))
			return nil
		}
	}
	return errAborted
}
