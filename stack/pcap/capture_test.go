package pcap

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// The file has every packet with its direction, the state of the connection, and a complete checksum.
func TestCapture(t *testing.T) {
	c, path := create(t, Config{Interface: "mini0", Filter: Filter{Ports: []uint16{80}}})
	udp := packetFrame(theirs4, ours4, 17, make([]byte, 8))
	frames := []struct {
		frame   stack.Frame
		spec    segmentSpec
		comment string
	}{
		{stack.Frame{Time: 5, State: conn.Closed}, segmentSpec{flags: wire.SYN}, "no connection"},
		{stack.Frame{Time: 1e9 + 7, State: conn.SynReceived, Outgoing: true},
			segmentSpec{src: ours4, dst: theirs4, srcPort: 80, dstPort: 40000, flags: wire.SYN | wire.ACK, partial: true}, "SYN-RECEIVED"},
		{stack.Frame{Time: 2e9, State: conn.Established}, segmentSpec{flags: wire.ACK | wire.PSH, data: 1001, partial: true}, "ESTABLISHED"},
		{stack.Frame{Time: 3e9, State: conn.FinWait2, Outgoing: true},
			segmentSpec{src: ours6, dst: theirs6, flags: wire.ACK, data: 7, partial: true}, "FIN-WAIT-2"},
		{stack.Frame{Time: 4e9, State: conn.Established, Outgoing: true},
			segmentSpec{src: ours6, dst: theirs6, flags: wire.ACK, data: 60001, size: 1440, partial: true},
			"ESTABLISHED; superframe: 42 segments of 1440 bytes"},
		{stack.Frame{Time: 5e9, State: conn.TimeWait}, segmentSpec{flags: wire.ACK, data: 65535 - 20 - 32, size: 1448, partial: true},
			"TIME-WAIT; superframe: 46 segments of 1448 bytes"},
	}
	before := time.Now()
	for _, f := range frames {
		b := f.spec.frame()
		f.frame.Parts = [][]byte{b[:50], b[50:], nil}
		c.Tap(&f.frame)
		c.Tap(&stack.Frame{Parts: [][]byte{udp}})
		clear(b) // the buffer belongs to the stack
	}
	closeCapture(t, c)
	after := time.Now()

	got := readFile(t, path)
	if got.section.Application != "minitcp" || got.section.OS != runtime.GOOS || got.device.Name != "mini0" || got.device.Filter != "tcp port 80" {
		t.Errorf("section %+v, interface %q, filter %q", got.section, got.device.Name, got.device.Filter)
	}
	if len(got.packets) != len(frames) {
		t.Fatalf("%d packets, want %d", len(got.packets), len(frames))
	}
	// The epoch is that of a stack whose first frame came 5 ns later.
	if first := got.packets[0].at; first.Before(before) || first.After(after) {
		t.Errorf("the first is of %v, not between %v and %v", first, before, after)
	}
	for i, f := range frames {
		p := got.packets[i]
		if d := p.at.Sub(got.packets[0].at); d != f.frame.Time-frames[0].frame.Time {
			t.Errorf("packet %d came %v after the first", i, d)
		}
		whole := f.spec
		whole.partial = false
		if !bytes.Equal(p.bytes, whole.frame()[wire.VirtioHeaderLen:]) {
			t.Errorf("packet %d is another than the one with all its checksum", i)
		}
		_, tcp, data := p.segment(t)
		if tcp.Flags != f.spec.flags || len(data) != f.spec.data {
			t.Errorf("packet %d: %v, %d bytes", i, tcp.Flags, len(data))
		}
		direction := pcapgo.NgEpbFlagDirectionInbound
		if f.frame.Outgoing {
			direction = pcapgo.NgEpbFlagDirectionOutbound
		}
		if p.options.Flags == nil || *p.options.Flags != (pcapgo.NgEpbFlags{Direction: direction}) || p.options.DropCount != nil {
			t.Errorf("packet %d: %+v", i, p.options)
		}
		if p.comment() != f.comment {
			t.Errorf("packet %d: %q, want %q", i, p.comment(), f.comment)
		}
	}
	if len(got.statistics) != 1 || got.statistics[0].PacketsReceived != 12 || got.statistics[0].PacketsDropped != 0 {
		t.Errorf("statistics %+v", got.statistics)
	}
	if n := c.Counts(); n != (Counts{Seen: 12, Captured: 6}) {
		t.Errorf("%+v", n)
	}
}

// The file has damaged packets unchanged, and no frames without a packet.
func TestDamagedFrames(t *testing.T) {
	c, path := create(t, Config{Superframes: Cut})
	bad := segmentSpec{flags: wire.ACK, data: 10}.frame()
	bad[len(bad)-1] ^= 1
	truncated := segmentSpec{flags: wire.ACK, data: 3000, size: 1000, partial: true}.frame()[:100]
	beyond := segmentSpec{flags: wire.ACK, partial: true}.frame()
	wire.PutVirtio(beyond, &wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, ChecksumStart: 65535, ChecksumOffset: 65535})
	for _, b := range [][]byte{bad, truncated, beyond, {}, make([]byte, 9), make([]byte, 10)} {
		c.Tap(&stack.Frame{Parts: [][]byte{b}})
	}
	c.Tap(&stack.Frame{})
	closeCapture(t, c)
	got := readFile(t, path)
	if len(got.packets) != 3 {
		t.Fatalf("%d packets, want 3", len(got.packets))
	}
	if !bytes.Equal(got.packets[0].bytes, bad[10:]) || !bytes.Equal(got.packets[2].bytes, beyond[10:]) {
		t.Error("a packet has changed")
	}
	if n := len(got.packets[1].bytes); n != 90 {
		t.Errorf("%d bytes of the truncated one", n)
	}
}

// A UDP checksum of 0 is written as 0xffff, because 0 means that there is no checksum.
func TestUDPChecksum(t *testing.T) {
	c, path := create(t, Config{})
	datagram := []byte{0, 53, 0, 53, 0, 10, 0, 0, 0, 0}
	b := packetFrame(theirs4, ours4, 17, datagram)
	udp := b[wire.VirtioHeaderLen+20:]
	sum := wire.Sum(udp, 0)
	udp[8], udp[9] = byte(^wire.Fold(sum)>>8), byte(^wire.Fold(sum)) // now everything sums up to 0xffff
	wire.PutVirtio(b, &wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, ChecksumStart: 20, ChecksumOffset: 6})
	c.Tap(&stack.Frame{Parts: [][]byte{b}})
	closeCapture(t, c)
	got := readFile(t, path).packets[0].bytes[20:]
	if got[6] != 0xff || got[7] != 0xff {
		t.Errorf("checksum %x", got[6:8])
	}
}

// Packets for which the queue has no room are counted in the statistics, at the next packet, and in the error of Close.
func TestLost(t *testing.T) {
	cfg := Config{Path: filepath.Join(t.TempDir(), "capture"), Files: 1}
	c := &Capture{queue: newQueue(1), finished: make(chan struct{})}
	w, err := newWriter(&cfg, c.Counts)
	if err != nil {
		t.Fatal(err)
	}
	tap := func(data int) {
		c.Tap(&stack.Frame{Parts: [][]byte{segmentSpec{flags: wire.ACK, data: data}.frame()}})
	}
	const room = largeMemory / smallMemory
	for range room + 3 { // while no goroutine writes
		tap(10)
	}
	tap(60000)
	go c.run(w, nil)
	for deadline := time.Now().Add(10 * time.Second); c.queue.room.Load() != largeMemory; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the queue does not get empty")
		}
	}
	tap(20) // the queue has room again
	err = c.Close()
	lost, ok := errors.AsType[*LostError](err)
	if !ok || lost.Counts != (Counts{Seen: room + 5, Captured: room + 1, Lost: 4}) {
		t.Fatalf("%v, %+v", err, lost)
	}
	if again := c.Close(); again.Error() != err.Error() {
		t.Errorf("closing again: %v", again)
	}
	got := readFile(t, cfg.Path)
	if len(got.packets) != room+1 {
		t.Fatalf("%d packets, want %d", len(got.packets), room+1)
	}
	for i, p := range got.packets {
		if i < room && p.options.DropCount != nil {
			t.Errorf("%d are missing before packet %d", *p.options.DropCount, i)
		}
	}
	if n := got.packets[room].options.DropCount; n == nil || *n != 4 {
		t.Errorf("missing before the last: %v, want 4", n)
	}
	if s := got.statistics; len(s) != 1 || s[0].PacketsDropped != 4 || s[0].PacketsReceived != room+5 {
		t.Errorf("statistics %+v", s)
	}
}

// A reader of the file during the capture finds all packets so far.
func TestReadWhileWriting(t *testing.T) {
	c, path := create(t, Config{})
	c.Tap(&stack.Frame{Parts: [][]byte{segmentSpec{flags: wire.SYN}.frame()}})
	for deadline := time.Now().Add(10 * time.Second); len(readFile(t, path).packets) != 1; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the packet does not come")
		}
	}
	closeCapture(t, c)
	c.Tap(&stack.Frame{Parts: [][]byte{segmentSpec{flags: wire.SYN}.frame()}}) // after Close
	closeCapture(t, c)
	if n := len(readFile(t, path).packets); n != 1 {
		t.Errorf("%d packets", n)
	}
}

func TestManyTaps(t *testing.T) {
	c, path := create(t, Config{MaxSize: 1 << 20, Files: 1000, Queue: 1 << 30})
	var all sync.WaitGroup
	const taps, each = 8, 200
	for i := range taps {
		all.Go(func() {
			b := segmentSpec{seq: uint32(i), flags: wire.ACK, data: 500 * i, partial: true}.frame()
			for range each {
				c.Tap(&stack.Frame{Parts: [][]byte{b}})
			}
		})
	}
	all.Wait()
	closeCapture(t, c)
	var n [taps]int
	for _, f := range allFiles(t, path) {
		for _, p := range f.packets {
			_, tcp, data := p.segment(t)
			if len(data) != 500*int(tcp.Seq) {
				t.Fatalf("%d bytes of tap %d", len(data), tcp.Seq)
			}
			n[tcp.Seq]++
		}
	}
	for i, n := range n {
		if n != each {
			t.Errorf("%d packets of tap %d, want %d", n, i, each)
		}
	}
}

func TestCreateErrors(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		path string
		want error
	}{
		{filepath.Join(dir, "none", "capture"), fs.ErrNotExist},
		{"", fs.ErrNotExist},
		{dir, nil},
		{"/dev/full", nil},
	} {
		c, err := Create(Config{Path: test.path})
		if _, ok := errors.AsType[*fs.PathError](err); c != nil || !ok || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%q: %v", test.path, err)
		}
	}
	path := filepath.Join(dir, "capture")
	for _, cfg := range []Config{{Path: path, MaxSize: -1}, {Path: path, Files: -1}, {Path: path, Queue: -1}} {
		if c, err := Create(cfg); c != nil || err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

// TestFailed checks that Failed gets the error of Close as soon as the file cannot be written, once.
func TestFailed(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 10)
	cfg := Config{Path: filepath.Join(t.TempDir(), "capture"), Files: 1}
	c := &Capture{queue: newQueue(0), finished: make(chan struct{})}
	w, err := newWriter(&cfg, c.Counts)
	if err != nil {
		t.Fatal(err)
	}
	w.file.close()
	w.file.file = full
	go c.run(w, func(err error) { failed <- err })
	frame := &stack.Frame{Parts: [][]byte{make([]byte, wire.VirtioHeaderLen), make([]byte, 40)}}
	c.Tap(frame)
	first := <-failed
	c.Tap(frame)
	if err := c.Close(); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, first) {
		t.Errorf("Failed got %v, Close returns %v; want the same ENOSPC", first, err)
	}
	if len(failed) != 0 {
		t.Errorf("Failed was called again, with %v", <-failed)
	}
	if n := c.Counts(); n.Lost != 1 { // the second; the first was in the buffer
		t.Errorf("%d packets came after the failure, want 1", n.Lost)
	}
}
