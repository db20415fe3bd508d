//go:build linux

package load

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

// superframes is datagrams with large ones that the kernel cuts as late as it can and joins as early as it can
// (UDP_SEGMENT, UDP_GRO), as QUIC libraries use it.
func (c *Crew) superframes(ready func()) error {
	const size = largeDatagram
	fd, err := c.datagramSocket(subject.PortEcho)
	if err != nil {
		return err
	}
	defer c.close(fd)
	for option, value := range map[int]int{unix.UDP_SEGMENT: size, unix.UDP_GRO: 1} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, option, value); err != nil {
			return fmt.Errorf("a socket of UDP with superframes: %w", err)
		}
	}
	ready()
	out, in := make([]byte, datagramWindow*size), make([]byte, 1<<16)
	for i := range datagramWindow {
		copy(out[i*size:(i+1)*size], pattern.At(int64(fd)))
	}
	number := uint64(0)
	for room := datagramWindow; !c.stop.Load(); {
		for i := range room {
			number++
			binary.BigEndian.PutUint64(out[i*size:], number)
		}
		if err := writeAll(fd, out[:room*size]); err != nil {
			return fmt.Errorf("a superframe of %d datagrams: %w", room, err)
		}
		c.total.sent.Add(int64(room * size))
		n, err := unix.Read(fd, in)
		for err == unix.EINTR {
			n, err = unix.Read(fd, in)
		}
		if err == unix.EAGAIN {
			room = datagramWindow // all are lost
			continue
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for got := in[:n]; len(got) > 0; got = got[size:] {
			if len(got) < size || binary.BigEndian.Uint64(got) > number || string(got[8:size]) != string(out[8:size]) {
				return fmt.Errorf("datagrams of %d bytes came back as %d bytes", size, n)
			}
		}
		room = n / size
		c.total.received.Add(int64(n))
		c.total.transactions.Add(int64(room))
	}
	return nil
}
