//go:build linux

package demo

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// memoryDevice is a device that reads from one slice and writes to another.
type memoryDevice struct {
	toRead  [][]byte
	written [][]byte
}

func (d *memoryDevice) ReadBatch(frames [][]byte, sizes []int) (n int, err error) {
	for n < len(frames) && len(d.toRead) > 0 {
		sizes[n] = copy(frames[n], d.toRead[0])
		d.toRead = d.toRead[1:]
		n++
	}
	return n, nil
}

func (d *memoryDevice) WriteFrame(parts [][]byte) error {
	d.written = append(d.written, slices.Concat(parts...))
	return nil
}

func (d *memoryDevice) MTU() int     { return 1500 }
func (d *memoryDevice) Close() error { return nil }

var (
	hereEnd  = netip.MustParseAddrPort("10.77.0.2:80")
	thereEnd = netip.MustParseAddrPort("10.77.0.1:50000")
)

// frameWith returns a frame whose checksum is left to the device.
func frameWith(from, to netip.AddrPort, seq uint32, data string) []byte {
	b := make([]byte, wire.VirtioHeaderLen+wire.IPv4HeaderLen+20)
	wire.PutVirtio(b, &wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, ChecksumStart: 20, ChecksumOffset: 16})
	ip := wire.IP{Src: from.Addr(), Dst: to.Addr(), Protocol: wire.ProtocolTCP, HopLimit: 64}
	n := wire.PutIP(b[wire.VirtioHeaderLen:], &ip, 20+len(data))
	segment := b[wire.VirtioHeaderLen+n:]
	wire.PutTCP(segment, &wire.TCP{SrcPort: from.Port(), DstPort: to.Port(), Seq: seq, Flags: wire.ACK})
	sum := wire.Fold(wire.PseudoHeaderSum(from.Addr(), to.Addr(), wire.ProtocolTCP, len(segment)+len(data)))
	segment[16], segment[17] = byte(sum>>8), byte(sum)
	return append(b, data...)
}

// intact reports whether a receiver that must verify the checksum finds it correct.
func intact(t *testing.T, frame []byte) bool {
	t.Helper()
	var h wire.VirtioHeader
	if err := wire.ParseVirtio(frame, &h); err != nil || h != (wire.VirtioHeader{}) {
		t.Errorf("header %+v, %v: it exempts the frame from verification", h, err)
	}
	s, ok := parsePacket(frame[wire.VirtioHeaderLen:])
	if !ok {
		t.Fatal("the frame holds no TCP segment")
	}
	return wire.VerifyTCP(&s.ip, frame[wire.VirtioHeaderLen+s.ip.HeaderLen:])
}

// open returns a link to a device.
func open(t *testing.T, d stack.Device) *link {
	t.Helper()
	l, err := newLink(d)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLinkOurs(t *testing.T) {
	d := new(memoryDevice)
	l := open(t, d)
	write := func(seq uint32, data string) []byte {
		t.Helper()
		before := len(d.written)
		frame := frameWith(hereEnd, thereEnd, seq, data)
		if err := l.WriteFrame([][]byte{frame[:50], frame[50:]}); err != nil {
			t.Fatal(err)
		}
		if len(d.written) == before {
			return nil
		}
		return d.written[before]
	}
	l.schedule(loseOurs)
	if write(1, "") == nil || l.injected(loseOurs) {
		t.Error("a segment without data was lost")
	}
	if write(1, "data") != nil || !l.injected(loseOurs) {
		t.Error("the segment was not lost")
	}
	if got := l.note(hereEnd, thereEnd, 1); got != "lost on the way" {
		t.Errorf("note %q, want \"lost on the way\"", got)
	}
	if got := l.note(hereEnd, thereEnd, 1); got != "" {
		t.Errorf("note of a second call %q, want none", got)
	}
	if got := write(1, "data"); !intact(t, got) || !bytes.HasSuffix(got, []byte("data")) {
		t.Error("a segment without a fault was changed")
	}

	l.schedule(damageOurs)
	damaged := write(5, "more")
	if intact(t, damaged) || !l.injected(damageOurs) {
		t.Error("the segment is not damaged")
	}
	damaged[len(damaged)-len("more")] ^= 1
	if !intact(t, damaged) {
		t.Error("more than one bit is damaged")
	}

	l.faultless = true
	l.schedule(loseOurs)
	if write(9, "data") == nil || l.injected(loseOurs) || l.note(hereEnd, thereEnd, 9) != "" {
		t.Error("a fault was injected on a faultless link")
	}
}

func TestLinkTheirs(t *testing.T) {
	d := new(memoryDevice)
	l := open(t, d)
	var lost []uint32
	l.lost = func(local, remote netip.AddrPort, h *wire.TCP, n int) {
		if local != hereEnd || remote != thereEnd || n != 3 {
			t.Errorf("lost %v from %v with %d bytes", local, remote, n)
		}
		lost = append(lost, h.Seq)
	}
	read := func(want ...uint32) (frames [][]byte) {
		t.Helper()
		frames, sizes := make([][]byte, 4), make([]int, 4)
		for i := range frames {
			frames[i] = make([]byte, 100)
		}
		n, err := l.ReadBatch(frames, sizes)
		if err != nil || n != len(want) {
			t.Fatalf("%d frames, %v, want %d", n, err, len(want))
		}
		for i := range n {
			frames[i] = frames[i][:sizes[i]]
			if s, _ := parsePacket(frames[i][wire.VirtioHeaderLen:]); s.tcp.Seq != want[i] {
				t.Errorf("frame %d has sequence number %d, want %d", i, s.tcp.Seq, want[i])
			}
		}
		return frames[:n]
	}
	theirs := func(seq uint32, data string) []byte { return frameWith(thereEnd, hereEnd, seq, data) }

	l.schedule(loseTheirs)
	d.toRead = [][]byte{theirs(1, ""), theirs(1, "one"), theirs(4, "two"), theirs(7, "six")}
	read(1, 4, 7)
	if !slices.Equal(lost, []uint32{1}) || !l.injected(loseTheirs) {
		t.Errorf("lost %v, want 1", lost)
	}

	l.schedule(damageTheirs)
	d.toRead = [][]byte{theirs(10, "one"), theirs(13, "two")}
	frames := read(10, 13)
	if intact(t, frames[0]) || !l.injected(damageTheirs) {
		t.Error("the segment is not damaged")
	}
	if !intact(t, frames[1]) || !bytes.HasSuffix(frames[1], []byte("two")) {
		t.Error("a segment without a fault was changed")
	}
}
