package emulate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/netem"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/internal/gso"
	"minitcp/stack/stacktest"
)

const ms = time.Millisecond

// sink is a device that keeps the frames written, with their times, and returns the frames of a channel.
type sink struct {
	epoch  time.Time
	toRead chan []byte
	done   chan struct{}
	once   sync.Once

	mu      sync.Mutex
	frames  [][]byte
	arrived []time.Duration
	err     error // of WriteFrame
}

func newSink() *sink {
	return &sink{epoch: time.Now(), toRead: make(chan []byte, 1000), done: make(chan struct{})}
}

func (s *sink) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	select {
	case f := <-s.toRead:
		sizes[0] = copy(frames[0], f)
		return 1, nil
	case <-s.done:
		return 0, os.ErrClosed
	}
}

func (s *sink) WriteFrame(parts [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.frames = append(s.frames, bytes.Join(parts, nil))
	s.arrived = append(s.arrived, time.Since(s.epoch))
	return nil
}

func (s *sink) MTU() int     { return 1500 }
func (s *sink) Close() error { s.once.Do(func() { close(s.done) }); return nil }

func open(t *testing.T, d stack.Device, cfg Config) *Device {
	t.Helper()
	cfg.Sleep = time.Sleep
	e, err := New(d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// newFrames returns buffers for ReadBatch.
func newFrames() (frames [][]byte, sizes []int) {
	r := newReading()
	return r.frames, r.sizes
}

// superframe returns a TCP superframe with a number of segments of 1448 bytes. The bytes of a segment are its number.
func superframe(segments int) []byte {
	const size = 1448
	ip := wire.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: wire.ProtocolTCP, HopLimit: 64}
	tcp := make([]byte, 32+segments*size)
	binary.BigEndian.PutUint16(tcp, 1000)
	tcp[12], tcp[13] = 8<<4, byte(wire.ACK)
	tcp[20], tcp[21], tcp[22], tcp[23] = 1, 1, 8, 10
	for i := range segments {
		binary.BigEndian.PutUint32(tcp[32+i*size:], uint32(i))
	}
	binary.BigEndian.PutUint16(tcp[16:], wire.Fold(wire.PseudoHeaderSum(ip.Src, ip.Dst, wire.ProtocolTCP, len(tcp))))
	h := wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, GSOType: wire.GSOTCPv4, GSOSize: size, HeaderLen: 52, ChecksumStart: 20, ChecksumOffset: 16}
	if segments == 1 {
		h.GSOType, h.GSOSize = wire.GSONone, 0
	}
	frame := make([]byte, wire.VirtioHeaderLen+20)
	wire.PutVirtio(frame, &h)
	wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, len(tcp))
	return append(frame, tcp...)
}

// intact reports whether the checksums of a frame are right. It fails the test if the frame is not a single packet.
func intact(t *testing.T, frame []byte) bool {
	t.Helper()
	if slices.ContainsFunc(frame[:wire.VirtioHeaderLen], func(b byte) bool { return b != 0 }) {
		t.Fatalf("virtio_net_hdr %x, want zeros", frame[:wire.VirtioHeaderLen])
	}
	p := frame[wire.VirtioHeaderLen:]
	pseudo := wire.PseudoHeaderSum(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), wire.ProtocolTCP, len(p)-20)
	return wire.Fold(wire.Sum(p[:20], 0)) == 0xffff && wire.Fold(wire.Sum(p[20:], pseudo)) == 0xffff
}

// limited is a sink that takes no packets above its MTU.
type limited struct{ *sink }

func (limited) MaxMTU() int { return 1500 }

// The limit of a device's MTU holds behind the line as well.
func TestMaxMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, d := range map[int]stack.Device{1500: limited{newSink()}, 65535: newSink()} {
			s, err := stack.New(open(t, d, Config{Out: netem.Config{Delay: ms}}), stack.Config{
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.SetMTU(want); err != nil {
				t.Errorf("an MTU of %d: %v", want, err)
			}
			if want == 1500 {
				if err := s.SetMTU(want + 1); !errors.Is(err, syscall.EINVAL) {
					t.Errorf("an MTU of %d: %v, want EINVAL", want+1, err)
				}
			}
		}
	})
}

// A superframe is cut into packets. Each leaves the line when its bytes have been sent, arrives after the delay, and
// has the right checksums.
func TestOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		e := open(t, s, Config{Out: netem.Config{Rate: 12e6, Delay: 20 * ms}}) // 1500 bytes in a millisecond
		if !e.Offloads() || !e.SegmentsUDP() || e.MTU() != 1500 {
			t.Errorf("Offloads %v, SegmentsUDP %v, MTU %d", e.Offloads(), e.SegmentsUDP(), e.MTU())
		}
		if err := e.WriteFrame([][]byte{superframe(10)}); err != nil {
			t.Fatal(err)
		}
		if out, _ := e.Report(); out.Wait != 10*ms {
			t.Errorf("Wait = %v, want that for ten packets, 10ms", out.Wait)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(s.frames) != 10 {
			t.Fatalf("%d packets, want 10", len(s.frames))
		}
		for i, f := range s.frames {
			if want := 20*ms + time.Duration(i+1)*ms; s.arrived[i] != want {
				t.Errorf("packet %d arrived at %v, want %v", i, s.arrived[i], want)
			}
			if number := binary.BigEndian.Uint32(f[wire.VirtioHeaderLen+52:]); len(f) != wire.VirtioHeaderLen+1500 || int(number) != i || !intact(t, f) {
				t.Errorf("packet %d: %d bytes, number %d, checksums right: %v", i, len(f), number, intact(t, f))
			}
		}
		out, in := e.Report()
		mean, largest := out.Delay()
		if out.Counts.Packets != 10 || out.Counts.Bytes != 15000 || out.Rate() != 0 || mean != 20*ms || largest != 20*ms || out.Wait != 0 || out.Capacity != 1_500_000 || in != (Report{}) {
			t.Errorf("out %+v, in %+v", out, in)
		}
	})
}

// The frames of a device are packets as well, and come out of ReadBatch when their time has come.
func TestIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		e := open(t, s, Config{In: netem.Config{Delay: 30 * ms}})
		if e.Offloads() || e.SegmentsUDP() {
			t.Error("the direction to the device has offloads that the device does not have")
		}
		s.toRead <- superframe(3)
		frames, sizes := newFrames()
		n, err := e.ReadBatch(frames, sizes)
		if at := time.Since(s.epoch); n != 3 || err != nil || at != 30*ms {
			t.Fatalf("%d packets, %v, at %v; want 3 at 30ms", n, err, at)
		}
		for i := range n {
			if !intact(t, frames[i][:sizes[i]]) {
				t.Errorf("packet %d has a wrong checksum", i)
			}
		}
		frame := superframe(2)
		if err := e.WriteFrame([][]byte{frame[:50], frame[50:]}); err != nil || !bytes.Equal(s.frames[0], frame) || s.arrived[0] != 30*ms {
			t.Errorf("%v: the direction that is not emulated has changed or delayed the frame", err)
		}
	})
}

// A fault concerns one packet of a superframe, and the report counts it.
func TestFaults(t *testing.T) {
	const frames, segments = 250, 40
	const n = frames * segments
	run := func(seed uint64, cfg netem.Config) (s *sink, out Report) {
		synctest.Test(t, func(t *testing.T) {
			s = newSink()
			e := open(t, s, Config{Out: cfg, Seed: seed})
			for range frames {
				if err := e.WriteFrame([][]byte{superframe(segments)}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(ms)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			out, _ = e.Report()
		})
		return s, out
	}
	within := func(name string, got int64, share float64) {
		t.Helper()
		if limit := 4 * math.Sqrt(n*share*(1-share)); math.Abs(float64(got)-n*share) > limit {
			t.Errorf("%s: %d of %d packets, want %.0f ± %.0f", name, got, n, n*share, limit)
		}
	}
	s, out := run(1, netem.Config{Loss: 0.02})
	within("lost", out.Lost, 0.02)
	if len(s.frames) != n-int(out.Lost) || out.Meter.Packets != n-out.Lost {
		t.Errorf("%d packets arrived, %d counted, of %d, %d lost", len(s.frames), out.Meter.Packets, n, out.Lost)
	}
	if other, again := sum(run(2, netem.Config{Loss: 0.02})), sum(run(1, netem.Config{Loss: 0.02})); other == out.Lost || again != out.Lost {
		t.Errorf("seed 1 loses %d and %d packets, seed 2 %d", out.Lost, again, other)
	}

	before, _ := run(1, netem.Config{Delay: 1})
	s, out = run(1, netem.Config{Corruption: 0.02})
	damaged := int64(0)
	for i, f := range s.frames {
		if !intact(t, f) {
			damaged++
			n := 0
			for j := range f {
				n += bits.OnesCount8(f[j] ^ before.frames[i][j])
			}
			if n != 1 {
				t.Errorf("packet %d: %d bits differ, want 1", i, n)
			}
		}
	}
	within("damaged", damaged, 0.02)
	if damaged != out.Damaged || len(s.frames) != n {
		t.Errorf("%d packets of %d are damaged, %d counted", damaged, len(s.frames), out.Damaged)
	}

	s, out = run(1, netem.Config{Duplication: 0.02})
	within("duplicated", out.Duplicated, 0.02)
	if len(s.frames) != n+int(out.Duplicated) {
		t.Errorf("%d packets arrived, %d duplicated", len(s.frames), out.Duplicated)
	}

	s, out = run(1, netem.Config{Reordering: 0.02, ReorderingDelay: 10 * ms})
	within("reordered", out.Reordered, 0.02)
	if len(s.frames) != n {
		t.Errorf("%d packets arrived, want %d", len(s.frames), n)
	}
}

func sum(_ *sink, out Report) int64 { return out.Lost }

// CoDel marks packets with ECT, whose checksums stay right.
func TestMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		e := open(t, s, Config{Out: netem.Config{Rate: 12e6, Discipline: netem.CoDel}})
		frame := superframe(40)
		frame[wire.VirtioHeaderLen+1] |= byte(wire.ECT0)
		ip := frame[wire.VirtioHeaderLen : wire.VirtioHeaderLen+20]
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], ^wire.Fold(wire.Sum(ip, 0)))
		for range 20 {
			e.WriteFrame([][]byte{frame})
			time.Sleep(20 * ms)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		out, _ := e.Report()
		marked := int64(0)
		for i, f := range s.frames {
			if wire.ECN(f[wire.VirtioHeaderLen+1]&3) == wire.CE {
				marked++
			}
			if !intact(t, f) {
				t.Errorf("packet %d has a wrong checksum", i)
			}
		}
		if marked == 0 || marked != out.Marked || len(s.frames) != 800 {
			t.Errorf("%d packets, %d marked, %d counted", len(s.frames), marked, out.Marked)
		}
	})
}

// Two stacks over a link have its round-trip time, and TCP uses its rate.
func TestStacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, delay = 10e6, 20 * ms
		near, far := stacktest.Pipe(1500)
		way := netem.Config{Rate: rate, QueueTime: 100 * ms, Delay: delay}
		e := open(t, near, Config{Out: way, In: way})
		a := newStack(t, e, "10.0.0.1/24")
		b := newStack(t, far, "10.0.0.2/24")
		l, err := b.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		const size = 5_000_000
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}()
		began := time.Now()
		c, err := a.DialContext(t.Context(), "tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		if rtt := time.Since(began); rtt < 2*delay || rtt > 2*delay+ms {
			t.Errorf("the handshake took %v, want 40ms", rtt)
		}
		if _, err := c.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := a.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		took := time.Since(began)
		if least := time.Duration(size * 8 / rate * float64(time.Second)); took < least || took > least*115/100 {
			t.Errorf("%d bytes in %v, want %v to 15 %% more", size, took, least)
		}
		out, in := e.Report()
		if r := out.Rate(); math.Abs(float64(r)-rate) > rate/100 {
			t.Errorf("a rate of %d bit/s, want %.0f ± 1 %%", r, rate)
		}
		for _, r := range []Report{out, in} {
			if mean, largest := r.Delay(); mean != delay || largest != delay {
				t.Errorf("a delay of %v, at most %v, want %v", mean, largest, delay)
			}
		}
	})
}

// A link discards packets of more than 1,400 bytes, in one direction or both. Transfers in both directions complete
// within three seconds of their time without that, with 40 ms of round trip and 10 Mbit/s.
func TestBlackHole(t *testing.T) {
	for _, back := range []int{0, 1400} {
		synctest.Test(t, func(t *testing.T) {
			const rate, size = 10e6, 2_000_000
			near, far := stacktest.Pipe(1500)
			out := netem.Config{Rate: rate, QueueTime: 100 * ms, Delay: 20 * ms, MaxPacket: 1400}
			in := out
			in.MaxPacket = back
			e := open(t, near, Config{Out: out, In: in})
			a := newStack(t, e, "10.0.0.1/24")
			b := newStack(t, far, "10.0.0.2/24")
			l, err := b.ListenTCP("tcp", ":80")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			c, err := a.DialContext(t.Context(), "tcp", "10.0.0.2:80")
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			for _, end := range []*stack.Conn{c.(*stack.Conn), s} {
				group.Go(func() {
					if n, err := end.Write(make([]byte, size)); n != size || err != nil {
						t.Errorf("Write: %d, %v", n, err)
					}
					end.CloseWrite()
				})
				group.Go(func() {
					if n, err := io.Copy(io.Discard, end); n != size || err != nil {
						t.Errorf("Copy: %d, %v", n, err)
					}
				})
			}
			group.Wait()
			took := time.Since(began)
			if least := time.Duration(size * 8 / rate * float64(time.Second)); took > least*115/100+3*time.Second {
				t.Errorf("took %v, and without the loss at least %v", took, least)
			}
			reports := make([]Report, 2)
			reports[0], reports[1] = e.Report()
			for i, end := range []*stack.Conn{c.(*stack.Conn), s} {
				info, want := end.Info(), 1400
				if i == 1 && back == 0 {
					want = 1500
				}
				if lost := reports[i].TooLarge; info.PathMTU != want || (lost > 0) != (want == 1400) || lost > 60 {
					t.Errorf("end %d: path MTU %d, want %d; %d packets discarded", i, info.PathMTU, want, lost)
				}
			}
		})
	}
}

func newStack(t *testing.T, d stack.Device, address string) *stack.Stack {
	t.Helper()
	s, err := stack.New(d, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Close delivers the packets on their way to the device, and ends calls that wait.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		e := open(t, s, Config{Out: netem.Config{Delay: 300 * ms}, In: netem.Config{Delay: time.Hour}})
		read := make(chan error)
		go func() {
			_, err := e.ReadBatch(newFrames())
			read <- err
		}()
		s.toRead <- superframe(1)
		e.WriteFrame([][]byte{superframe(1)})
		began := time.Now()
		go e.Close()
		synctest.Wait()
		if err := <-read; !errors.Is(err, os.ErrClosed) {
			t.Errorf("ReadBatch: %v, want os.ErrClosed", err)
		}
		if err := e.WriteFrame([][]byte{superframe(1)}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("WriteFrame: %v, want os.ErrClosed", err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); len(s.frames) != 1 || took != 300*ms {
			t.Errorf("%d packets delivered in %v, want 1 in 300ms", len(s.frames), took)
		}
	})
}

// Close does not wait longer than two seconds, nor for a device that is closed.
func TestCloseLimit(t *testing.T) {
	for _, failing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSink()
			e := open(t, s, Config{Out: netem.Config{Delay: time.Minute}})
			want := drainTime
			if failing {
				s.err = os.ErrClosed
				e = open(t, s, Config{Out: netem.Config{Delay: ms}})
				want = ms
			}
			e.WriteFrame([][]byte{superframe(1)})
			began := time.Now()
			e.Close()
			if took := time.Since(began); took != want {
				t.Errorf("failing %v: Close took %v, want %v", failing, took, want)
			}
			if err := e.WriteFrame([][]byte{superframe(1)}); !errors.Is(err, os.ErrClosed) {
				t.Errorf("WriteFrame: %v, want os.ErrClosed", err)
			}
		})
	}
}

// The error of the device's ReadBatch is returned by that of the link.
func TestReadError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		e := open(t, s, Config{In: netem.Config{Delay: ms}})
		s.Close()
		if _, err := e.ReadBatch(newFrames()); err != os.ErrClosed {
			t.Errorf("%v, want the device's error", err)
		}
	})
}

// The memory of packets on their way is limited. Small packets take little of it.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, newSink(), Config{Out: netem.Config{Delay: time.Hour}})
		frame := superframe(44)
		for range 1000 {
			e.WriteFrame([][]byte{frame})
		}
		out, _ := e.Report()
		if limit := int64(maxHeld / 2048); out.Overflowed == 0 || out.Counts.Packets+out.Overflowed != 44_000 || out.Counts.Packets > limit+1 {
			t.Errorf("%d packets accepted, %d not, of 44,000; the limit is %d", out.Counts.Packets, out.Overflowed, limit)
		}
		small := superframe(1)[:wire.VirtioHeaderLen+52]
		wire.PutVirtio(small, &wire.VirtioHeader{})
		e = open(t, newSink(), Config{Out: netem.Config{Delay: time.Hour}})
		for range 1000 {
			e.WriteFrame([][]byte{small})
		}
		if held := e.out.memory.held; held != 256_000 {
			t.Errorf("%d bytes for 1,000 ACKs, want 256,000", held)
		}
	})
}

// A malformed frame is an error, and has no effect.
func TestBadFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, newSink(), Config{Out: netem.Config{Delay: ms}})
		for _, frame := range [][]byte{{}, make([]byte, 9), superframe(3)[:30]} {
			if err := e.WriteFrame([][]byte{frame}); err == nil {
				t.Errorf("a frame of %d bytes: no error", len(frame))
			}
		}
		if out, _ := e.Report(); out.Counts.Packets != 0 {
			t.Errorf("%d packets", out.Counts.Packets)
		}
	})
}

// pusher is a stack.Pusher.
type pusher struct{ *sink }

func (pusher) Attach(*stack.Link) {}
func (pusher) Room() int          { return 0 }
func (pusher) Full() bool         { return false }

func TestNewErrors(t *testing.T) {
	for want, open := range map[string]func() (*Device, error){
		"stack.Pusher": func() (*Device, error) { return New(pusher{}, Config{}) },
		"Out: netem: Loss 2 is not a probability from 0 to 1": func() (*Device, error) { return New(newSink(), Config{Out: netem.Config{Loss: 2}}) },
		"In: netem: Delay is negative":                        func() (*Device, error) { return New(newSink(), Config{In: netem.Config{Delay: -1}}) },
	} {
		if _, err := open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Packets of an instant direction stay on their goroutine: they are at the device when WriteFrame returns, and
// ReadBatch reads the device.
func TestInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		loss := netem.Config{Loss: 0.5}
		e := open(t, s, Config{Out: loss, In: loss, Seed: 3})
		const segments, frames = 10, 20
		for range frames {
			if err := e.WriteFrame([][]byte{superframe(segments)}); err != nil {
				t.Fatal(err)
			}
			s.toRead <- superframe(segments)
		}
		out, _ := e.Report()
		if n := len(s.frames); n < 80 || n > 120 || int64(n) != 200-out.Lost {
			t.Errorf("%d packets written, %d of 200 lost", n, out.Lost)
		}
		got, sizes := make([][]byte, 3), make([]int, 3) // less room than packets
		for i := range got {
			got[i] = make([]byte, stack.MaxFrame)
		}
		read := 0
		for len(s.toRead) > 0 || e.in.transit.Len() > 0 {
			n, err := e.ReadBatch(got, sizes)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			for i := range n {
				if !intact(t, got[i][:sizes[i]]) {
					t.Error("a wrong checksum")
				}
			}
			read += n
		}
		if _, in := e.Report(); int64(read) != 200-in.Lost || in.Lost < 80 || in.Lost > 120 {
			t.Errorf("%d packets read, %d of 200 lost", read, in.Lost)
		}
		s.err = os.ErrClosed
		for e.WriteFrame([][]byte{superframe(segments)}) == nil { // until a packet is not lost
		}
		if err := e.WriteFrame([][]byte{superframe(segments)}); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v, want the device's error", err)
		}
		began := time.Now()
		if e.Close(); time.Since(began) != 0 {
			t.Error("Close waits")
		}
		if _, err := e.ReadBatch(got, sizes); !errors.Is(err, os.ErrClosed) {
			t.Errorf("ReadBatch: %v, want os.ErrClosed", err)
		}
	})
}

// joiningSink is a sink that takes superframes.
type joiningSink struct{ *sink }

func (joiningSink) Offloads() bool { return true }

// Packets that are due together are joined for a device that takes superframes, which stands for the same packets. A
// damaged packet stays alone.
func TestJoined(t *testing.T) {
	for _, cfg := range []netem.Config{{}, {Delay: ms}} {
		synctest.Test(t, func(t *testing.T) {
			s, calls := newSink(), 0
			e := open(t, joiningSink{s}, Config{Out: cfg, Fate: func(w Way, packet []byte, f *netem.Fate) {
				if calls++; w == Out && calls == 5 {
					f.Damage = true
				}
			}})
			e.WriteFrame([][]byte{superframe(10)})
			time.Sleep(time.Second)
			synctest.Wait()
			if len(s.frames) != 3 {
				t.Fatalf("%d frames, want 3: four packets, the damaged one, and five", len(s.frames))
			}
			var c gso.Cutter
			number, b := uint32(0), make([]byte, stack.MaxFrame)
			for i, f := range s.frames {
				if err := c.Load([][]byte{f}); err != nil {
					t.Fatal(err)
				}
				for c.More() {
					n := c.Next(b[wire.VirtioHeaderLen:])
					if got := binary.BigEndian.Uint32(b[wire.VirtioHeaderLen+52:]); i != 1 && got != number || intact(t, b[:wire.VirtioHeaderLen+n]) != (i != 1) {
						t.Errorf("frame %d: packet %d, want %d; intact %v", i, got, number, intact(t, b[:wire.VirtioHeaderLen+n]))
					}
					number++
				}
			}
			if out, _ := e.Report(); number != 10 || out.Meter.Packets != 10 || out.Damaged != 1 {
				t.Errorf("%d packets, %+v", number, out)
			}
		})
	}
}

// Config.Fate decides for each packet, in both directions, and may change it.
func TestFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		var calls [2]int
		e := open(t, s, Config{Fate: func(w Way, packet []byte, f *netem.Fate) {
			switch calls[w]++; calls[w] {
			case 1:
				f.Copies = 0
			case 2:
				packet[len(packet)-1] ^= 1
			case 3:
				f.Copies = 2
			}
		}})
		e.WriteFrame([][]byte{superframe(4)})
		s.toRead <- superframe(4)
		frames, sizes := newFrames()
		n, err := e.ReadBatch(frames, sizes)
		if err != nil || n != 4 || len(s.frames) != 4 {
			t.Fatalf("%d packets read, %v, %d written; want 4 of each", n, err, len(s.frames))
		}
		for i := range n {
			frames[i] = frames[i][:sizes[i]]
		}
		for _, list := range [][][]byte{frames[:n], s.frames} {
			for i, f := range list {
				want := []uint32{1, 2, 2, 3}[i]
				if number := binary.BigEndian.Uint32(f[wire.VirtioHeaderLen+52:]); number != want || intact(t, f) != (i > 0) {
					t.Errorf("packet %d is number %d, want %d; its checksum is right: %v", i, number, want, intact(t, f))
				}
			}
		}
	})
}

// A stack ends when the link is closed by another owner.
func TestStackEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, newSink(), Config{In: netem.Config{Delay: ms}, Out: netem.Config{Delay: ms}})
		s := newStack(t, e, "10.0.0.1/24")
		e.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		select {
		case <-s.Done():
		case <-ctx.Done():
			t.Error("the stack goes on")
		}
		if err := s.Err(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v, want os.ErrClosed", err)
		}
	})
}
