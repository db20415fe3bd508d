//go:build linux

package subject

import (
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
)

// floor replies on a TUN with as little work as possible. Its cost is that of the device and of the kernel behind it,
// and no TCP can be faster with one thread on the same device.
//
// It has no congestion control, timers, retransmission, reassembly, buffers, locks, blocked goroutines or socket
// interface, no options except for MSS and window scale, and does not check addresses or checksums. A service is a
// few lines in the loop that reads, and data is not copied to an application. It relies on one client with one
// address, and on a path that loses nothing: see revive.
type floor struct {
	counters *counters
	care     pattern.Care
	fd       int
	frameLen int64              // bytes of data in one frame
	conns    [1 << 16]floorConn // by port of the client
	sources  []uint16           // those of conns that have sent data
	head     [virtioLength + maxHeaders]byte
	vector   [2]unix.Iovec
}

// floorConn is a connection. Positions count bytes of data from its beginning; our initial sequence number is 0.
type floorConn struct {
	in, out, acked int64
	most, before   int64  // maximum of out, and acked at the last call of revive
	window         int64  // offered by the client
	irs            uint32 // the client's initial sequence number
	port           uint16 // ours, which selects the service; 0 without a connection
	shift          uint8  // of window
	ended          bool   // our FIN was sent
	stopped        bool   // the client has stopped the source
	quiet          bool   // the latest superframe was not acknowledged, because every second one is
}

const (
	segment = mtu - 40
	// superframe is the data in the largest frame of the client's kernel: as many whole segments as fit into an IP packet.
	superframe = (maxPacket - 40) / segment * segment
	// bigFrame is the data in our largest frame, if the kernel can receive it (BIG TCP).
	bigFrame = pattern.Period / segment * segment
)

func startFloor(s *services) error {
	fd, err := openTUN(unix.IFF_VNET_HDR)
	if err != nil {
		return err
	}
	if err := configureTUN(queueLength); err != nil {
		return err
	}
	link, err := netlink.LinkByName(deviceName)
	if err != nil {
		return err
	}
	f := &floor{counters: &s.counters, care: s.care, fd: fd, frameLen: superframe}
	// The kernel refuses this frame with another error if it does not take frames of this size or has no memory for one.
	if _, err := unix.Write(fd, make([]byte, virtioLength+bigFrame)); link.Attrs().GSOIPv4MaxSize > 0 && err == unix.EINVAL {
		f.frameLen = bigFrame
	}
	go f.run()
	go f.ping()
	return nil
}

func (f *floor) run() {
	runtime.LockOSThread()
	frame := make([]byte, virtioLength+maxPacket)
	for {
		n, err := unix.Read(f.fd, frame)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		packet := frame[virtioLength:n]
		var a arrival
		switch {
		case !fromClient(packet): // of a flood, which costs the floor the read
		case a.parse(packet):
			f.receive(&a)
		default:
			f.revive()
		}
	}
}

// receive takes one segment.
func (f *floor) receive(a *arrival) {
	c := &f.conns[a.source]
	switch {
	case a.flags&flagRST != 0:
		c.port = 0
		return
	case a.flags&flagSYN != 0:
		if c.port == 0 || c.irs != a.seq {
			f.counters.accepted.Add(1)
		}
		if a.destination == PortSource {
			f.sources = append(f.sources, a.source)
		}
		*c = floorConn{irs: a.seq, port: a.destination, shift: a.shift}
		f.sendSYN(a.source, c)
		return
	case c.port == 0:
		return
	}
	c.acked += int64(int32(a.ack - c.seq(c.acked)))
	c.window = int64(a.window) << c.shift
	if a.seq != c.ack() { // out of sequence; the missing data will be retransmitted
		f.send(a.source, c, flagACK, nil)
		return
	}
	if len(a.data) > 0 {
		f.service(a.source, c, a.data)
	}
	if c.port == PortSource {
		f.push(a.source, c)
	}
	if a.flags&flagFIN != 0 {
		c.in++ // a FIN has a sequence number
		flags := byte(flagACK)
		if !c.ended {
			c.ended, flags = true, flagACK|flagFIN
		}
		f.send(a.source, c, flags, nil)
	}
}

// service serves data that arrived in order.
func (f *floor) service(source uint16, c *floorConn, data []byte) {
	f.counters.in.Add(int64(len(data)))
	offset := c.in
	c.in += int64(len(data))
	switch c.port {
	case PortSink:
		if err := f.care.Check(data, offset); err != nil {
			f.counters.fail("sink: %v", err)
		}
		c.quiet = !c.quiet && len(data) >= superframe
		if !c.quiet {
			f.send(source, c, flagACK, nil)
		}
	case PortSource:
		c.stopped = true
	default: // echo; the client of hold uses it once
		f.counters.out.Add(int64(len(data)))
		f.send(source, c, flagACK|flagPSH, data)
		c.out += int64(len(data))
	}
}

// push sends the data that the client's window permits: superframes, and less only if nothing is in flight whose
// acknowledgment would bring a larger window. After a stop it sends missing data again, and then the FIN.
func (f *floor) push(source uint16, c *floorConn) {
	for !c.stopped || c.out < c.most {
		room := c.window - (c.out - c.acked)
		n := min(f.frameLen, room/segment*segment)
		if c.stopped {
			n = min(n, c.most-c.out)
		}
		if n <= 0 || n < f.frameLen && c.out > c.acked {
			break
		}
		f.sendData(source, c, n)
	}
	if c.stopped && !c.ended && c.out == c.most {
		c.ended = true
		f.send(source, c, flagACK|flagFIN, nil)
	}
}

// sendData sends the next n bytes, and counts those that were not sent before.
func (f *floor) sendData(source uint16, c *floorConn, n int64) {
	f.send(source, c, flagACK|flagPSH, pattern.At(c.out)[:n])
	c.out += n
	f.counters.out.Add(max(0, c.out-c.most))
	c.most = max(c.most, c.out)
}

// seq returns the sequence number of a position in the data that we send.
func (c *floorConn) seq(position int64) uint32 { return uint32(1 + position) }

// ack returns the next sequence number that we expect.
func (c *floorConn) ack() uint32 { return c.irs + 1 + uint32(c.in) }

// failed ends the process, because the floor cannot send a frame again that the device refused.
func (f *floor) failed(err error) {
	fmt.Fprintln(os.Stderr, "the floor's frame was refused:", err)
	os.Exit(1)
}
