//go:build !race

package stack

// The race detector makes sync.Pool drop items, so these tests are not built with it.

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/memory"
)

func wantNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%s: %v allocations per run", what, n)
	}
}

// Nothing is allocated for a segment received, read, answered or sent.
func TestNoAllocations(t *testing.T) {
	data := make([]byte, 1000)
	buffer := make([]byte, 64<<10)

	t.Run("look up", func(t *testing.T) {
		l := newLone(t, Config{})
		k := l.c.entry.Key
		wantNoAllocs(t, "find", func() { l.s.table.Find(&k) })
	})
	t.Run("arm", func(t *testing.T) {
		l := newLone(t, Config{})
		e := &entry{}
		at := conn.Time(1e15)
		wantNoAllocs(t, "arm", func() {
			at -= conn.Time(time.Millisecond)
			l.s.wheels[0].Arm(&e.timer, at)
		})
	})
	t.Run("keep a frame and read", func(t *testing.T) {
		l := newLone(t, Config{})
		superframe := packet(segmentSpec{flags: wire.ACK | wire.PSH, data: make([]byte, memory.LeastLoan)})
		read := 0
		wantNoAllocs(t, "receive", func() {
			l.superframe(superframe)
			l.seq += memory.LeastLoan
			n, _ := l.c.Read(buffer)
			read += n
		})
		if read < 1000*memory.LeastLoan {
			t.Errorf("read only %d bytes", read)
		}
	})
	t.Run("receive and read", func(t *testing.T) {
		l := newLone(t, Config{})
		frame := packet(segmentSpec{flags: wire.ACK | wire.PSH, data: data})
		read := 0
		wantNoAllocs(t, "receive", func() {
			l.numbers(frame)
			l.seq += uint32(len(data))
			l.frame(frame)
			n, err := l.c.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			read += n
		})
		if read != 1001*len(data) { // AllocsPerRun runs once more to warm up
			t.Errorf("read %d bytes", read)
		}
	})
	t.Run("write and be acknowledged", func(t *testing.T) {
		l := newLone(t, Config{})
		frame := packet(segmentSpec{flags: wire.ACK})
		sent := l.d.sent
		wantNoAllocs(t, "write", func() {
			if _, err := l.c.Write(data); err != nil {
				t.Fatal(err)
			}
			l.ack += uint32(len(data))
			l.numbers(frame)
			l.frame(frame)
		})
		if n := l.d.sent - sent; n != 1001 {
			t.Errorf("%d frames were sent", n)
		}
	})
	t.Run("marks both ways", func(t *testing.T) {
		l := newLone(t, Config{})
		l.forget()
		l.establish(t, wire.ECE|wire.CWR)
		frame := packet(segmentSpec{flags: wire.ACK | wire.ECE | wire.CWR, data: data})
		ip := wire.IP{Src: addressesA[0].Addr(), Dst: addressesB[0].Addr(), Protocol: wire.ProtocolTCP, TrafficClass: uint8(wire.CE)}
		wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, len(frame)-wire.VirtioHeaderLen-wire.IPv4HeaderLen)
		wantNoAllocs(t, "marked", func() {
			if _, err := l.c.Write(data); err != nil {
				t.Fatal(err)
			}
			l.ack += uint32(len(data))
			l.numbers(frame)
			l.seq += uint32(len(data))
			l.frame(frame)
			if _, err := l.c.Read(buffer); err != nil {
				t.Fatal(err)
			}
		})
		if i := l.c.Info(); i.CEReceived != 1001 || i.ECEReductions < 500 {
			t.Errorf("%d marks and %d reductions", i.CEReceived, i.ECEReductions)
		}
	})
	t.Run("marks both ways with AccECN", func(t *testing.T) {
		l := newLone(t, Config{})
		l.forget()
		l.establish(t, wire.ECE|wire.CWR|wire.AE)
		frame := packet(segmentSpec{flags: wire.ACK | wire.ECE | wire.AE, data: data})
		ip := wire.IP{Src: addressesA[0].Addr(), Dst: addressesB[0].Addr(), Protocol: wire.ProtocolTCP, TrafficClass: uint8(wire.CE)}
		wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, len(frame)-wire.VirtioHeaderLen-wire.IPv4HeaderLen)
		wantNoAllocs(t, "marked", func() {
			if _, err := l.c.Write(data); err != nil {
				t.Fatal(err)
			}
			l.ack += uint32(len(data))
			l.numbers(frame)
			l.seq += uint32(len(data))
			l.frame(frame)
			if _, err := l.c.Read(buffer); err != nil {
				t.Fatal(err)
			}
		})
		if i := l.c.Info(); !i.AccECN.Agreed || i.AccECN.Failures&^accecn.OptionReceived != 0 || i.CEReceived != 1001 || i.AccECN.Received.CE != uint32(1001*len(data)) {
			t.Errorf("%d marks, %+v", i.CEReceived, i.AccECN)
		}
	})
	t.Run("handler answers", func(t *testing.T) {
		l := newLone(t, Config{})
		l.c.handling, l.c.entry.served = &handlerState{handler: answer{}}, l.c
		frame := packet(segmentSpec{flags: wire.ACK | wire.PSH, data: data})
		sent := l.d.sent
		wantNoAllocs(t, "answer", func() {
			l.numbers(frame)
			l.frame(frame)
			l.seq += uint32(len(data))
			l.ack += uint32(len(data))
		})
		if n := l.d.sent - sent; n != 1001 {
			t.Errorf("%d frames were sent", n)
		}
	})
	t.Run("superframe out", func(t *testing.T) {
		l := newLone(t, Config{})
		frame := packet(segmentSpec{flags: wire.ACK})
		wantNoAllocs(t, "write", func() {
			n, err := l.c.Write(buffer)
			if err != nil {
				t.Fatal(err)
			}
			for n > 0 { // acknowledge as it goes out
				sent := l.c.Info().InFlight
				l.ack += uint32(sent)
				n -= int(sent)
				l.numbers(frame)
				l.frame(frame)
			}
		})
	})
	t.Run("ping", func(t *testing.T) {
		l := newLone(t, Config{})
		ip := wire.IP{Src: addressesA[0].Addr(), Dst: addressesB[0].Addr(), Protocol: wire.ProtocolICMP}
		b := make([]byte, 64)
		n := wire.PutICMP(b, &ip, &wire.ICMP{Type: wire.ICMPv4Echo, Body: data[:40]})
		frame := ipPacket(ip.Src, ip.Dst, ip.Protocol, b[:n])
		wantNoAllocs(t, "ping", func() { l.frame(frame) })
	})
	t.Run("stray segment", func(t *testing.T) {
		l := newLone(t, Config{})
		frame := packet(segmentSpec{flags: wire.ACK, seq: 1, ack: 1, dst: l.c.entry.Key.LocalAddr()})
		binary.BigEndian.PutUint16(frame[wire.VirtioHeaderLen+wire.IPv4HeaderLen:], 999) // from another port
		h := wire.VirtioHeader{Flags: wire.VirtioDataValid}
		wire.PutVirtio(frame, &h)
		wantNoAllocs(t, "stray", func() { l.frame(frame) })
	})
}

// Stack.Connections allocates its result and a list of entries, nothing for each connection.
func TestConnectionsAllocations(t *testing.T) {
	l := newLone(t, Config{})
	const n = 1000
	for i := range n {
		l.in(segmentSpec{flags: wire.SYN, src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 99, byte(i >> 8), byte(i)}), 5000), seq: 1})
	}
	if got := len(l.s.Connections()); got != n+1 {
		t.Fatalf("%d connections are listed, want %d", got, n+1)
	}
	if allocs := testing.AllocsPerRun(10, func() { l.s.Connections() }); allocs > 20 {
		t.Errorf("a listing of %d connections makes %v allocations, want at most 20", n, allocs)
	}
}

// A copy that ends without an error allocates no addresses for one. ReadFrom allocates its source.
func TestCopyAllocations(t *testing.T) {
	l := newLone(t, Config{})
	r := strings.NewReader("")
	if got := testing.AllocsPerRun(100, func() { l.c.ReadFrom(r) }); got > 1 {
		t.Errorf("ReadFrom makes %v allocations, want 1", got)
	}
	l.c.CloseRead() // an end that WriteTo finds at once
	wantNoAllocs(t, "WriteTo", func() {
		if n, err := l.c.WriteTo(io.Discard); n != 0 || err != nil {
			t.Fatalf("WriteTo: %d bytes, %v", n, err)
		}
	})
}

// Data of several frames that is written with one call allocates nothing.
func TestFramesWrittenTogetherAllocateNothing(t *testing.T) {
	l := newLone(t, Config{})
	data := make([]byte, memory.LeastLoan)
	frame := packet(segmentSpec{flags: wire.ACK, data: data})
	wantNoAllocs(t, "three frames", func() {
		for range 3 {
			l.superframe(frame)
			l.seq += memory.LeastLoan
		}
		b, err := l.c.next()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := b.WriteTo(discardBuffers{}); n != 3*memory.LeastLoan || err != nil {
			t.Fatalf("%d bytes, %v; want %d", n, err, 3*memory.LeastLoan)
		}
		b.Release()
	})
}

type discardBuffers struct{ io.Writer }

func (discardBuffers) WriteBuffers(b *net.Buffers) (n int64, err error) {
	for _, data := range *b {
		n += int64(len(data))
	}
	return n, nil
}

// A datagram that arrives and is read, and one that is sent, allocate nothing.
func TestUDPAllocatesNothing(t *testing.T) {
	l := newLone(t, Config{})
	c, err := l.s.ListenUDP("udp", "10.77.0.2:53")
	if err != nil {
		t.Fatal(err)
	}
	d := make([]byte, wire.UDPHeaderLen, 64)
	wire.PutUDP(d, 9, 53, 4)
	frame := ipPacket(addressesA[0].Addr(), addressesB[0].Addr(), wire.ProtocolUDP, append(d, "data"...))
	wire.PutVirtio(frame, &wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum})
	b := make([]byte, 100)
	now := l.s.clock.Now()
	if n := testing.AllocsPerRun(1000, func() {
		l.q.input(now, frame)
		n, from, err := c.ReadFromUDPAddrPort(b)
		if n != 4 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := c.WriteToUDPAddrPort(b[:n], from); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a datagram that arrives and one that is sent", n)
	}
}

// Datagrams that leave in a common frame are gathered from where they lie.
func TestUDPWriteBatchAllocatesNothing(t *testing.T) {
	l := newLone(t, Config{})
	c, err := l.s.ListenUDP("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]Datagram, maxJoined)
	for i := range batch {
		batch[i] = Datagram{Buffer: make([]byte, 1000), N: 1000, Remote: netip.AddrPortFrom(addressesA[0].Addr(), 53)}
	}
	before := l.d.sent
	wantNoAllocs(t, "WriteBatch", func() {
		if _, err := c.WriteBatch(batch); err != nil {
			t.Fatal(err)
		}
	})
	if n := l.d.sent - before; n != 1001 {
		t.Errorf("%d frames for 1001 calls", n)
	}
	wantNoAllocs(t, "WriteToUDPAddrPort", func() {
		if _, err := c.WriteToUDPAddrPort(batch[0].Buffer, batch[0].Remote); err != nil {
			t.Fatal(err)
		}
	})
}
