package stack

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/datagrams"
)

// pushDevice is a Pusher that records the frames it gets.
type pushDevice struct {
	link *Link
	room atomic.Int64

	mu     sync.Mutex
	frames [][]byte
}

func (d *pushDevice) Attach(l *Link) { d.link = l }
func (d *pushDevice) Room() int      { return int(d.room.Load()) }
func (d *pushDevice) Full() bool     { return false }
func (d *pushDevice) Offloads() bool { return true }
func (d *pushDevice) MTU() int       { return 1500 }
func (d *pushDevice) Close() error   { return nil }
func (d *pushDevice) ReadBatch([][]byte, []int) (int, error) {
	panic("ReadBatch of a Pusher was called")
}
func (d *pushDevice) WriteFrame(parts [][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.frames = append(d.frames, bytes.Join(parts, nil))
	return nil
}

// take returns the TCP segments of the frames since the last call.
func (d *pushDevice) take(t *testing.T) (list []pushed) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.frames {
		var p pushed
		payload, err := wire.ParseIP(f[wire.VirtioHeaderLen:], &p.ip)
		if err != nil {
			t.Fatal(err)
		}
		if p.data, err = wire.ParseTCP(payload, &p.tcp); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	d.frames = nil
	return list
}

type pushed struct {
	ip   wire.IP
	tcp  wire.TCP
	data []byte
}

func newPushed(t *testing.T, cfg Config) (*Stack, *pushDevice) {
	t.Helper()
	d := &pushDevice{}
	cfg.Addresses = addressesB
	s, err := New(d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, d
}

// receive gives the stack a segment from a peer's port.
func (d *pushDevice) receive(t *testing.T, s ...segmentSpec) {
	t.Helper()
	var packets [][]byte
	for _, s := range s {
		packets = append(packets, append(make([]byte, 6), packet(s)...)) // 16 bytes before the IP packet
	}
	if err := d.link.Receive(packets, 6+wire.VirtioHeaderLen); err != nil {
		t.Fatal(err)
	}
}

// accept opens a connection from a peer's port while the device has room, and returns it with its sequence number.
func (d *pushDevice) accept(t *testing.T, l *Listener, port uint16) (*Conn, uint32) {
	t.Helper()
	src := netip.AddrPortFrom(netip.MustParseAddr("10.77.0.1"), port)
	d.room.Store(1 << 20)
	d.receive(t, segmentSpec{src: src, flags: wire.SYN, options: []byte{2, 4, 5, 180}})
	sent := d.take(t)
	if len(sent) != 1 {
		t.Fatalf("%d frames answered the SYN, want 1", len(sent))
	}
	iss := sent[0].tcp.Seq
	d.receive(t, segmentSpec{src: src, flags: wire.ACK, seq: 1, ack: iss + 1})
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	d.take(t)
	return c, iss + 1
}

func (s *Stack) waitingEntries() int { return s.link.waiting.Len() }

// TestPushHeld checks that connections send nothing while the device has no room, and then in turn, one frame a call.
func TestPushHeld(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		var conns []*Conn
		for port := range uint16(3) {
			c, _ := d.accept(t, l, 1000+port)
			conns = append(conns, c)
		}
		d.room.Store(0)
		for _, c := range conns {
			write(t, c, string(make([]byte, 3000)))
		}
		if sent := d.take(t); len(sent) != 0 {
			t.Fatalf("%d frames were sent without room, want none", len(sent))
		}
		var order []uint16
		for range 6 {
			if !d.link.Transmit(1460) {
				t.Fatal("Transmit: nothing waits")
			}
			for _, p := range d.take(t) {
				order = append(order, p.tcp.DstPort-1000)
				if len(p.data) > 1460 {
					t.Errorf("%d bytes in a frame, want at most 1460", len(p.data))
				}
			}
		}
		if got, want := fmt.Sprint(order), "[0 1 2 0 1 2]"; got != want {
			t.Errorf("connections sent in the order %s, want %s", got, want)
		}
		for d.link.Transmit(1 << 20) {
		}
		n := 0
		for _, p := range d.take(t) {
			n += len(p.data)
		}
		if want := 3 * (3000 - 2*1460); n != want {
			t.Errorf("%d bytes were sent at the end, want %d", n, want)
		}
	})
}

// TestPushRoomReturns checks that a connection which finds no room, and then some before the device can have seen
// that it waits, sends.
func TestPushRoomReturns(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, _ := d.accept(t, l, 1000)
		s.link.device = &lateRoom{pushDevice: d}
		write(t, c, "late")
		if sent := d.take(t); len(sent) != 1 || string(sent[0].data) != "late" {
			t.Errorf("%d frames were sent, want 1", len(sent))
		}
		if n := s.waitingEntries(); n != 0 {
			t.Errorf("%d connections wait, want none", n)
		}
	})
}

// lateRoom has room from the second question on.
type lateRoom struct {
	*pushDevice
	asked int
}

func (d *lateRoom) Room() int {
	d.asked++
	if d.asked == 1 {
		return 0
	}
	return 1460
}

// TestPushFlood checks that handshakes that make way for others do not stay on the list. Without room for a SYN-ACK, a
// listener sends no cookies.
func TestPushFlood(t *testing.T) {
	for mode, first := range map[SYNCookies]uint16{SYNCookiesOff: 1984, SYNCookiesAuto: 1000} {
		within(t, func(t *testing.T) {
			s, d := newPushed(t, Config{Backlog: 16, SYNCookies: mode})
			l, err := s.ListenTCP("tcp", ":80")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for port := range uint16(1000) {
				d.receive(t, segmentSpec{src: netip.AddrPortFrom(netip.MustParseAddr("10.77.0.1"), 1000+port), flags: wire.SYN})
			}
			if n := s.waitingEntries(); n != 16 {
				t.Errorf("%d handshakes wait, want 16", n)
			}
			var ports []uint16
			for d.link.Transmit(1460) {
				for _, p := range d.take(t) {
					ports = append(ports, p.tcp.DstPort)
				}
			}
			if len(ports) != 16 || ports[0] != first {
				t.Errorf("SYN-ACKs to %v, want those to 16 ports from %d on", ports, first)
			}
		})
	}
}

// TestPushReset checks that the RST of a connection that waits is sent, after which the connection is gone.
func TestPushReset(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, _ := d.accept(t, l, 1000)
		d.room.Store(0)
		c.SetLinger(0)
		c.Close()
		if n := s.table.Len(); n != 1 {
			t.Errorf("%d connections before the RST was sent, want 1", n)
		}
		for d.link.Transmit(1460) {
		}
		if sent := d.take(t); len(sent) != 1 || !sent[0].tcp.Flags.Has(wire.RST) {
			t.Errorf("%d frames were sent, want a RST", len(sent))
		}
		if n := s.table.Len(); n != 0 {
			t.Errorf("%d connections after the RST, want none", n)
		}
	})
}

// TestPushReceive checks that segments of one batch are joined, and reach the application in order.
func TestPushReceive(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, seq := d.accept(t, l, 1000)
		src := netip.MustParseAddrPort("10.77.0.1:1000")
		data := bytes.Repeat([]byte("0123456789"), 6000)
		var list []segmentSpec
		for at := 0; at < len(data); at += 1000 {
			list = append(list, segmentSpec{src: src, flags: wire.ACK, seq: 1 + uint32(at), ack: seq, data: data[at : at+1000]})
		}
		before := s.Stats()
		d.receive(t, list...)
		got := make([]byte, len(data))
		if n, err := c.Read(got); n != len(data) || err != nil || !bytes.Equal(got, data) {
			t.Errorf("Read: %d bytes, %v, or other bytes than those sent", n, err)
		}
		stats := s.Stats()
		if n := stats["frames-received"] - before["frames-received"]; n != 1 {
			t.Errorf("the segments came in %d frames, want 1", n)
		}
		if n := stats["segments-received"] - before["segments-received"]; n != 60 {
			t.Errorf("%d segments were counted, want 60", n)
		}
	})
}

// TestPushEnd checks that a Pusher's calls after the end of the stack do nothing, and that the end waits for none of
// them.
func TestPushEnd(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, _ := d.accept(t, l, 1000)
		d.room.Store(0)
		write(t, c, "never sent")
		var running sync.WaitGroup
		running.Go(func() {
			_, err := c.Read(make([]byte, 1))
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read: %v, want net.ErrClosed", err)
			}
		})
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		running.Wait()
		if err := d.link.Receive([][]byte{packet(segmentSpec{flags: wire.SYN})}, wire.VirtioHeaderLen); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Receive after the end: %v, want os.ErrClosed", err)
		}
		if d.link.Transmit(1460) {
			t.Error("Transmit after the end: a connection waits")
		}
	})
}

// TestPushTimer checks that the timer of a connection that waits does not run for segments that are due, and that the
// retransmission timer runs when the connection has sent.
func TestPushTimer(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, _ := d.accept(t, l, 1000)
		c.SetKeepAlive(false)
		d.room.Store(0)
		s.wheels[0].Disarm(&c.entry.timer)
		write(t, c, "x")
		least := s.clock.Now().Add(leastHeldDeadline)
		if at := c.entry.timer.At(); at < least {
			t.Errorf("the timer of a connection that waits is armed for %d ns, want %d ns at least", at, least)
		}
		for d.link.Transmit(1460) {
		}
		if at := c.entry.timer.At(); at >= least {
			t.Errorf("the retransmission timer is armed for %d ns, want a time in less than %v", at, leastHeldDeadline)
		}
	})
}

// A Dial, a connection and a request end at their time limits also while the device has no room.
func TestPushTimeouts(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{Conn: conn.Config{SYNTimeout: 20 * time.Second}})
		d.room.Store(0)
		begin := time.Now()
		_, err := s.Dial("tcp", "10.77.0.1:80")
		wantOpError(t, err, "dial", syscall.ETIMEDOUT)
		if took := time.Since(begin); took != 20*time.Second {
			t.Errorf("Dial took %v, want 20s", took)
		}

		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, _ := d.accept(t, l, 1000)
		c.SetUserTimeout(30 * time.Second)
		write(t, c, "x")
		if sent := d.take(t); len(sent) != 1 {
			t.Fatalf("%d segments, want 1", len(sent))
		}
		d.room.Store(0) // for retransmissions
		begin = time.Now()
		_, err = c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		if took := time.Since(begin); took < 30*time.Second || took > 31*time.Second {
			t.Errorf("Read took %v, want 30s", took)
		}

		requests := forwarding(t, s, ForwardConfig{})
		syn := segmentSpec{dst: netip.MustParseAddrPort("192.0.2.1:80"), flags: wire.SYN}
		d.receive(t, syn)
		begin = time.Now()
		r := <-requests
		<-r.Context().Done()
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("the context of a request ended after %v, want 7s", took)
		}
		wantCount(t, s, "forward-pending", 0)
	})
}

// A RST ends a request at once also while the device has no room for the probes of its client.
func TestPushForwardReset(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		requests := forwarding(t, s, ForwardConfig{})
		syn := segmentSpec{dst: netip.MustParseAddrPort("192.0.2.1:80"), flags: wire.SYN}
		d.receive(t, syn)
		r := <-requests
		time.Sleep(2 * time.Second) // probes wait
		if s.waitingEntries() != 1 {
			t.Fatal("the request does not wait for the device")
		}
		reset := syn
		reset.flags, reset.seq = wire.RST, syn.seq+1
		begin := time.Now()
		d.receive(t, reset)
		<-r.Context().Done()
		if took := time.Since(begin); took != 0 {
			t.Errorf("the context ended after %v", took)
		}
		wantCount(t, s, "forward-pending", 0)
		if n := s.waitingEntries(); n != 0 {
			t.Errorf("%d entries wait for the device", n)
		}
	})
}

// TestPushDatagrams checks that the caller of deliverAll lets others run when a queue has become half full, once.
func TestPushDatagrams(t *testing.T) {
	within(t, func(t *testing.T) {
		s, _ := newPushed(t, Config{})
		c, err := s.ListenUDP("udp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const each = 1000
		c.in.Limit = 10 * (each + datagrams.Overhead)
		var yields []int
		for i := range 20 {
			if c.deliverAll(datagrams.Datagram{}, make([]byte, each), each) == deliveredHalfFull {
				yields = append(yields, i)
			}
		}
		if fmt.Sprint(yields) != "[5]" {
			t.Errorf("others run after the datagrams %v, want after number 5 of 10", yields)
		}
	})
}

// A connection that waits again while Transmit waits for its lock is on the list once.
func TestPushHeldAgain(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		l, err := s.ListenTCP("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, _ := d.accept(t, l, 1000)
		e := c.entry
		e.mu.Lock()
		s.link.hold(e)
		done := make(chan bool)
		go func() { done <- s.link.Transmit(1000) }()
		for s.waitingEntries() > 0 {
			runtime.Gosched()
		}
		s.link.release(e)
		s.link.hold(e)
		e.mu.Unlock()
		<-done
		if n := s.waitingEntries(); n != 0 {
			t.Errorf("%d places on the list, want 0: there is nothing to send", n)
		}
	})
}

// A connection that is accepted while the device has no room sends its SYN-ACK as soon as there is some.
func TestPushForwardAccept(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		requests := forwarding(t, s, ForwardConfig{})
		d.receive(t, segmentSpec{dst: netip.MustParseAddrPort("192.0.2.1:80"), flags: wire.SYN, options: []byte{2, 4, 5, 180}})
		c, err := (<-requests).Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		d.room.Store(1 << 20)
		for s.link.Transmit(1 << 20) {
		}
		sent := d.take(t)
		if len(sent) != 1 || !sent[0].tcp.Flags.Has(wire.SYN|wire.ACK) || sent[0].tcp.Options.MSS != 1460 {
			t.Errorf("%+v, want a SYN-ACK", sent)
		}
	})
}

// A client that has given up while the device has no room gets no connection.
func TestPushForwardGone(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		requests := forwarding(t, s, ForwardConfig{})
		d.receive(t, segmentSpec{dst: netip.MustParseAddrPort("192.0.2.1:80"), flags: wire.SYN, options: []byte{2, 4, 5, 180}})
		r := <-requests
		time.Sleep(time.Minute)
		if _, err := r.Accept(); !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("%v, want ECONNABORTED", err)
		}
	})
}

// fullDevice has room for no datagram.
type fullDevice struct{ *pushDevice }

func (fullDevice) Full() bool { return true }

// A socket whose Write has failed is not kept until the device is drained.
func TestPushBlockedForgotten(t *testing.T) {
	within(t, func(t *testing.T) {
		s, d := newPushed(t, Config{})
		s.link.device = fullDevice{d}
		c, err := s.DialUDP(netip.AddrPort{}, netip.MustParseAddrPort("10.77.0.1:53"))
		if err != nil {
			t.Fatal(err)
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write([]byte("x")); err == nil {
			t.Fatal("written to a full device")
		}
		c.Close()
		if n := s.link.blocked.Len(); n != 0 {
			t.Errorf("%d sockets are kept", n)
		}
	})
}
