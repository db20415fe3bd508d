package stack

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// rawPeer is a peer of b played by the test, segment by segment: 10.77.0.1:1234, which talks to port 80.
type rawPeer struct {
	t    *testing.T
	give func(frame []byte) // to b
	seq  uint32             // next to send
	ack  uint32             // next expected
	mu   sync.Mutex
	sent [][]byte // by b
}

const rawISS = 1000

// newRawPeer completes a handshake whose SYN has the options and flags, and returns b's end too.
func newRawPeer(t *testing.T, p *pair, l *Listener, options []byte, more wire.Flags) (*rawPeer, *Conn) {
	t.Helper()
	return newRawPeerOn(t, p, l, options, more, p.db.Inject)
}

func newRawPeerOn(t *testing.T, p *pair, l *Listener, options []byte, more wire.Flags, give func([]byte)) (*rawPeer, *Conn) {
	t.Helper()
	r := newRawSYN(t, p, options, more, give)
	r.send(segmentSpec{flags: wire.ACK})
	s, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

// newRawSYN sends the SYN, and takes the SYN-ACK.
func newRawSYN(t *testing.T, p *pair, options []byte, more wire.Flags, give func([]byte)) *rawPeer {
	t.Helper()
	r := &rawPeer{t: t, give: give, seq: rawISS}
	p.db.SetHook(func(frame []byte) stacktest.Fate {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sent = append(r.sent, bytes.Clone(frame))
		return stacktest.Drop
	})
	r.send(segmentSpec{flags: wire.SYN | more, options: options})
	_, tcp, _ := r.next()
	if tcp.Flags&^wire.ECE != wire.SYN|wire.ACK || tcp.Ack != rawISS+1 {
		t.Fatalf("the SYN is answered by %v, ack %d", tcp.Flags, tcp.Ack)
	}
	r.seq, r.ack = rawISS+1, tcp.Seq+1
	return r
}

// send gives b a segment with the next numbers, unless the spec has others.
func (r *rawPeer) send(s segmentSpec) {
	r.inject(r.frame(s))
}

func (r *rawPeer) frame(s segmentSpec) []byte {
	if s.seq == 0 {
		s.seq = r.seq
		r.seq += uint32(len(s.data))
	}
	if s.flags.Has(wire.ACK) && s.ack == 0 {
		s.ack = r.ack
	}
	return packet(s)
}

func (r *rawPeer) inject(frame []byte) {
	r.give(frame)
	quiet()
}

// next returns the next segment that b has sent.
func (r *rawPeer) next() (wire.IP, wire.TCP, []byte) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sent) == 0 {
		r.t.Fatal("nothing was sent")
	}
	ip, tcp, data, ok := stacktest.Segment(r.sent[0])
	if !ok {
		r.t.Fatalf("no segment: % x", r.sent[0])
	}
	r.sent = r.sent[1:]
	return ip, tcp, data
}

// none checks that b has sent nothing more.
func (r *rawPeer) none() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sent) > 0 {
		_, tcp, _, _ := stacktest.Segment(r.sent[0])
		r.t.Fatalf("%d frames were sent, the first is %v", len(r.sent), tcp.Flags)
	}
}

// Every segment leaves with a checksum that is right by RFC 1071's own, slow, way.
//
// Shows: MUST-2.
func TestChecksumsSent(t *testing.T) {
	for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		within(t, func(t *testing.T) {
			p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
			var mu sync.Mutex
			n := 0
			check := func(frame []byte) stacktest.Fate {
				mu.Lock()
				defer mu.Unlock()
				packet := frame[wire.VirtioHeaderLen:]
				var pseudo []byte
				segment := packet[20:]
				if packet[0]>>4 == 4 {
					pseudo = append(pseudo, packet[12:20]...)
				} else {
					segment = packet[40:]
					pseudo = append(pseudo, packet[8:40]...)
				}
				pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(segment)))
				pseudo = append(pseudo, 0, 0, 0, 6)
				pseudo = append(pseudo, segment...)
				if len(pseudo)%2 == 1 {
					pseudo = append(pseudo, 0)
				}
				sum := uint64(0)
				for i := 0; i < len(pseudo); i += 2 {
					sum += uint64(binary.BigEndian.Uint16(pseudo[i:]))
				}
				if sum%65535 != 0 {
					t.Errorf("a segment of %d bytes has a wrong checksum", len(segment))
				}
				n++
				return stacktest.Pass
			}
			p.da.SetHook(check)
			p.db.SetHook(check)
			c, s := p.connectTo(p.listen(), address)
			go sendAndClose(t, c, 1, 100_001)
			receiveAll(t, s, 1, 100_001)
			s.Close()
			quiet()
			if n < 70 {
				t.Errorf("only %d segments were seen", n)
			}
		})
	}
}

// Options may come in any segment: unknown ones and an MSS where none belongs are skipped, and the data is taken.
//
// Shows: MUST-5, MUST-6.
func TestOptionsInAnySegment(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		r, s := newRawPeer(t, p, p.listen(), []byte{2, 4, 5, 0xb4}, 0)
		write(t, s, "x")
		quiet()
		r.next()
		lists := [][]byte{{77, 4, 1, 2}, {1, 1, 1, 0}, {2, 4, 0, 100}, {1, 77, 6, 1, 2, 3, 4, 0}, {77, 40, 39: 0}}
		for i, options := range lists {
			data := []byte{byte('a' + i)}
			r.send(segmentSpec{flags: wire.ACK, ack: r.ack + 1, options: options, data: data})
			wantRead(t, s, string(data))
		}
		if mss := s.Info().MSS; mss != 1460 {
			t.Errorf("the MSS has become %d", mss)
		}
		r.send(segmentSpec{flags: wire.FIN | wire.ACK, ack: r.ack + 1, options: []byte{77, 4, 1, 2}})
		wantEOF(t, s)
		r.seq++
		r.send(segmentSpec{flags: wire.RST, options: []byte{77, 4, 1, 2}})
		wantState(t, s, conn.Closed)
	})
}

// Unknown IP options and extension headers are skipped.
//
// Shows: MUST-50.
func TestIPOptionsAreSkipped(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		r, s := newRawPeer(t, p, p.listen(), nil, 0)
		for i, options := range [][]byte{{0x9e, 4, 0, 0}, {1, 1, 1, 0}, {7, 7, 4, 0, 0, 0, 0, 0}, {0x83, 7, 8, 10, 77, 0, 1, 0}} {
			data := []byte{byte('a' + i)}
			frame := r.frame(segmentSpec{flags: wire.ACK, data: data})
			ip := frame[wire.VirtioHeaderLen:]
			with := append(append(bytes.Clone(frame[:wire.VirtioHeaderLen+20]), options...), ip[20:]...)
			ip = with[wire.VirtioHeaderLen:]
			ip[0] = 0x45 + byte(len(options)/4)
			binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
			ip[10], ip[11] = 0, 0
			binary.BigEndian.PutUint16(ip[10:], ^wire.Fold(wire.Sum(ip[:20+len(options)], 0)))
			r.inject(with)
			wantRead(t, s, string(data))
		}
	})
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.listen()
		var answers [][]byte
		p.db.SetHook(locked(recordTo(&answers)))
		src, dst := netip.MustParseAddrPort("[fd77::1]:1234"), netip.MustParseAddrPort("[fd77::2]:80")
		syn := packet(segmentSpec{src: src, dst: dst, flags: wire.SYN})[wire.VirtioHeaderLen+wire.IPv6HeaderLen:]
		options := []byte{6, 0, 0x1e, 4, 1, 2, 3, 4} // a destination option of the kind to be skipped
		p.db.Inject(ipPacket(src.Addr(), dst.Addr(), 60, append(options, syn...)))
		quiet()
		if len(answers) != 1 || !has(answers[0], wire.SYN|wire.ACK) {
			t.Errorf("a SYN behind an unknown option has %d answers", len(answers))
		}
	})
}

// An ICMP error about a segment reaches the connection that sent it and no other. A soft error is in Info and does not
// end the connection. A hard error ends it. Source Quench has no effect.
//
// Shows: MUST-47, MUST-54, MUST-55, MUST-56, SHLD-25, SHLD-26.
func TestICMPErrorsOfConnections(t *testing.T) {
	const v4, v6 = "10.77.0.2:80", "[fd77::2]:80"
	unreachable := func(code uint8) wire.ICMP { return wire.ICMP{Type: wire.ICMPv4Unreachable, Code: code} }
	unreachable6 := func(code uint8) wire.ICMP { return wire.ICMP{Type: wire.ICMPv6Unreachable, Code: code} }
	for _, c := range []struct {
		name    string
		address string
		message wire.ICMP
		soft    error // shown
		hard    error // shown, and the end of an attempt to connect
	}{
		{"net unreachable", v4, unreachable(0), conn.ErrNetUnreachable, nil},
		{"host unreachable", v4, unreachable(1), conn.ErrHostUnreachable, nil},
		{"protocol unreachable", v4, unreachable(2), nil, syscall.ENOPROTOOPT},
		{"port unreachable", v4, unreachable(3), nil, syscall.ECONNREFUSED},
		{"source route failed", v4, unreachable(5), conn.ErrHostUnreachable, nil},
		{"time to live exceeded", v4, wire.ICMP{Type: 11, Code: 0}, conn.ErrHostUnreachable, nil},
		{"reassembly time exceeded", v4, wire.ICMP{Type: 11, Code: 1}, conn.ErrHostUnreachable, nil},
		{"parameter problem", v4, wire.ICMP{Type: 12}, conn.ErrHostUnreachable, nil},
		{"source quench", v4, wire.ICMP{Type: 4}, nil, nil},
		{"no route", v6, unreachable6(0), conn.ErrNetUnreachable, nil},
		{"address unreachable", v6, unreachable6(3), conn.ErrHostUnreachable, nil},
		{"port unreachable, IPv6", v6, unreachable6(4), nil, syscall.ECONNREFUSED},
		{"hop limit exceeded", v6, wire.ICMP{Type: 3, Code: 0}, conn.ErrHostUnreachable, nil},
		{"reassembly time exceeded, IPv6", v6, wire.ICMP{Type: 3, Code: 1}, conn.ErrHostUnreachable, nil},
		{"erroneous header", v6, wire.ICMP{Type: 4, Code: 0}, conn.ErrHostUnreachable, nil},
		{"unknown option", v6, wire.ICMP{Type: 4, Code: 2}, conn.ErrHostUnreachable, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				l := p.listen()
				other, _ := p.connectTo(l, c.address)
				client, server := p.connectTo(l, c.address)
				window := client.Info().CongestionWindow
				p.da.SetHook(func(frame []byte) stacktest.Fate {
					p.da.Inject(icmpFrame(frame, c.message))
					return stacktest.Drop
				})
				write(t, client, "x")
				quiet()
				p.da.SetHook(nil)
				if err := client.Info().SoftError; c.hard == nil && err != c.soft || c.hard != nil && err == nil {
					t.Errorf("the error shown is %v, want %v", err, cmp.Or(c.soft, c.hard))
				}
				if err := other.Info().SoftError; err != nil {
					t.Errorf("another connection is shown %v", err)
				}
				write(t, other, "x")
				if w := client.Info().CongestionWindow; w != window {
					t.Errorf("the congestion window went from %d to %d", window, w)
				}
				wantRead(t, server, "x") // sent again
				if c.hard == nil {
					return
				}
				p.da.SetHook(func(frame []byte) stacktest.Fate {
					p.da.Inject(icmpFrame(frame, c.message))
					return stacktest.Drop
				})
				_, err := p.a.Dial("tcp", c.address)
				wantOpError(t, err, "dial", c.hard)
			})
		})
	}
}

// The application sets the DSCP and the hop limit of a connection's packets, at any time. Until then they are
// the stack's.
//
// Shows: MUST-48, MUST-49, SHLD-21, SHLD-22.
func TestDSCPAndHopLimit(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{HopLimit: 33})
		r, s := newRawPeer(t, p, p.listen(), nil, 0)
		sends := func(class, hops uint8) {
			t.Helper()
			write(t, s, "x")
			quiet()
			ip, _, _ := r.next()
			if ip.TrafficClass != class || ip.HopLimit != hops {
				t.Errorf("traffic class %#x, hop limit %d; want %#x, %d", ip.TrafficClass, ip.HopLimit, class, hops)
			}
		}
		sends(0, 33)
		for dscp := range 64 {
			if err := s.SetTrafficClass(dscp); err != nil {
				t.Fatal(err)
			}
			sends(uint8(dscp<<2), 33)
		}
		for _, hops := range []int{1, 255} {
			if err := s.SetHopLimit(hops); err != nil {
				t.Fatal(err)
			}
			sends(63<<2, uint8(hops))
		}
		// ACKs without data too.
		r.send(segmentSpec{flags: wire.ACK, seq: r.seq + 100, data: []byte("early")})
		if ip, tcp, data := r.next(); ip.TrafficClass != 63<<2 || ip.HopLimit != 255 || len(data) > 0 || tcp.Flags != wire.ACK {
			t.Errorf("an ACK has traffic class %#x and hop limit %d", ip.TrafficClass, ip.HopLimit)
		}
		for _, err := range []error{s.SetTrafficClass(64), s.SetTrafficClass(-1), s.SetHopLimit(0), s.SetHopLimit(256)} {
			wantOpError(t, err, "set", syscall.EINVAL)
		}
	})
}

// Listening does not disturb the connections there are, on the same port or not, and works while one is being opened
// from that port.
//
// Shows: MUST-41, MUST-42.
func TestListenBesideConnections(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		c, s := p.connect(l)
		l.Close()
		again := p.listen()
		if _, err := p.b.Listen("tcp", ":80"); err == nil {
			t.Error("one port has two listeners")
		}
		write(t, c, "still")
		wantRead(t, s, "still")
		c2, s2 := p.connect(again)
		write(t, c2, "new")
		wantRead(t, s2, "new")
	})
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		there := netip.MustParseAddrPort("10.77.0.1:9000") // without a stack
		p.da.SetHook(silence)
		done := make(chan error)
		ctx := t.Context()
		go func() {
			_, err := p.b.DialTCP(ctx, netip.MustParseAddrPort("10.77.0.2:80"), there)
			done <- err
		}()
		quiet()
		l := p.listen()
		p.da.SetHook(nil)
		c, s := p.connect(l)
		write(t, c, "x")
		wantRead(t, s, "x")
		if err := <-done; err == nil {
			t.Error("a call without an answer succeeded")
		}
	})
}

// A connection's packets come from the address it was made with: the one called, the one given, or one the stack chose.
//
// Shows: MUST-43, MUST-44, MUST-45.
func TestLocalAddressStays(t *testing.T) {
	within(t, func(t *testing.T) {
		da, db := stacktest.New(stacktest.Config{})
		open := func(d *stacktest.Device, addresses ...string) *Stack {
			s, err := New(d, Config{Addresses: prefixes(addresses...)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}
		a := open(da, "10.77.0.1/24", "10.77.0.11/24", "10.88.0.1/24")
		b := open(db, "10.77.0.2/24", "10.77.0.3/24", "10.88.0.2/24")
		for _, c := range []struct{ local, remote, want string }{
			{"", "10.77.0.2", "10.77.0.1"},
			{"", "10.77.0.3", "10.77.0.1"},
			{"", "10.88.0.2", "10.88.0.1"},
			{"10.77.0.11:0", "10.77.0.3", "10.77.0.11"},
			{"10.77.0.11:0", "10.88.0.2", "10.77.0.11"},
		} {
			l, err := b.ListenTCP("tcp", ":80")
			if err != nil {
				t.Fatal(err)
			}
			from := func(want string) stacktest.Hook {
				return func(frame []byte) stacktest.Fate {
					if ip, _, _, ok := stacktest.Segment(frame); !ok || ip.Src.String() != want {
						t.Errorf("%+v: a packet from %v", c, ip.Src)
					}
					return stacktest.Pass
				}
			}
			da.SetHook(from(c.want))
			db.SetHook(from(c.remote))
			var local netip.AddrPort
			if c.local != "" {
				local = netip.MustParseAddrPort(c.local)
			}
			client, err := a.DialTCP(t.Context(), local, netip.AddrPortFrom(netip.MustParseAddr(c.remote), 80))
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			write(t, client, "x")
			wantRead(t, server, "x")
			write(t, server, "y")
			wantRead(t, client, "y")
			if got := server.RemoteAddr().(*net.TCPAddr).IP.String(); got != c.want {
				t.Errorf("%+v: the connection is from %s", c, got)
			}
			client.Close()
			server.Close()
			l.Close()
			quiet()
		}
	})
}

// A RST to a handshake leaves the listener as it was: in LISTEN, without the connection.
//
// Shows: MUST-11.
func TestResetOfHandshake(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		r := newRawSYN(t, p, nil, 0, p.db.Inject)
		wantCount(t, p.b, "connections", 1)
		r.send(segmentSpec{flags: wire.RST})
		wantCount(t, p.b, "connections", 0)
		r.none()
		r, s := newRawPeer(t, p, l, nil, 0) // the same addresses and ports
		r.send(segmentSpec{flags: wire.ACK, data: []byte("x")})
		wantRead(t, s, "x")
	})
}

// batches is a device whose ReadBatch returns the given batches.
type batches struct {
	*stacktest.Device
	next chan [][]byte
	done chan struct{}
}

func (b *batches) ReadBatch(to [][]byte, sizes []int) (int, error) {
	select {
	case <-b.done:
		return 0, os.ErrClosed
	case batch := <-b.next:
		for i, frame := range batch {
			sizes[i] = copy(to[i], frame)
		}
		return len(batch), nil
	}
}

func (b *batches) Close() error {
	close(b.done)
	return b.Device.Close()
}

// newBatches returns a stack, which the test's end closes, and its device.
func newBatches(t *testing.T) (*Stack, *batches) {
	t.Helper()
	_, inner := stacktest.New(stacktest.Config{})
	device := &batches{Device: inner, next: make(chan [][]byte), done: make(chan struct{})}
	s, err := New(device, Config{Addresses: addressesB})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, device
}

// Segments that are read together are answered by one ACK, when all are taken.
//
// Shows: MUST-58, MUST-59.
func TestBatchIsAcknowledgedOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		b, device := newBatches(t)
		p := &pair{t: t, b: b, db: device.Device}
		r, s := newRawPeerOn(t, p, p.listen(), nil, 0, func(frame []byte) { device.next <- [][]byte{frame} })
		const n = 10
		var batch [][]byte
		for range n {
			batch = append(batch, r.frame(segmentSpec{flags: wire.ACK, data: bytes.Repeat([]byte("x"), 536)}))
		}
		device.next <- batch
		quiet()
		_, tcp, _ := r.next()
		if tcp.Flags != wire.ACK || tcp.Ack != rawISS+1+n*536 {
			t.Errorf("%v, ack %d, want %d", tcp.Flags, tcp.Ack-rawISS, 1+n*536)
		}
		r.none()
		if got := s.Info().Unread; got != n*536 {
			t.Errorf("%d bytes arrived", got)
		}
	})
}

// A SYN ends TIME-WAIT only if there is a listener for it. Without one, it gets an ACK.
func TestSYNInTimeWaitWithoutListener(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		r, s := newRawPeer(t, p, l, nil, 0)
		s.CloseWrite()
		quiet()
		r.next() // its FIN
		r.ack++
		r.send(segmentSpec{flags: wire.FIN | wire.ACK})
		r.next()
		r.seq++
		wantState(t, s, conn.TimeWait)
		l.Close()
		r.send(segmentSpec{flags: wire.SYN, seq: r.seq + 100_000})
		_, tcp, _ := r.next()
		if tcp.Flags != wire.ACK || tcp.Seq != r.ack || tcp.Ack != r.seq {
			t.Errorf("answered by %v, seq %d, ack %d; want ACK, %d, %d", tcp.Flags, tcp.Seq, tcp.Ack, r.ack, r.seq)
		}
		r.none()
		wantState(t, s, conn.TimeWait)
		time.Sleep(61 * time.Second)
		wantState(t, s, conn.Closed)
	})
}

// Urgent data crosses the stack, and package conn reports at any time how much of it is ahead. Conn has no method for
// it (RFC 6093).
//
// Shows: MUST-30, MUST-32, MUST-33.
func TestUrgentData(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		urgent := func() (int, bool) {
			s.entry.mu.Lock()
			defer s.entry.mu.Unlock()
			return s.tcp.Urgent()
		}
		c.entry.mu.Lock()
		n, err := c.tcp.WriteUrgent(p.a.clock.Now(), []byte("stop!"))
		c.afterCall()
		c.entry.mu.Unlock()
		if n != 5 || err != nil {
			t.Fatal(n, err)
		}
		write(t, c, "later")
		quiet()
		if n, pending := urgent(); n != 5 || !pending {
			t.Errorf("%d bytes are urgent (%v), want 5", n, pending)
		}
		wantRead(t, s, "stop!")
		if n, pending := urgent(); n != 0 || pending {
			t.Errorf("%d bytes are urgent (%v), want none", n, pending)
		}
		wantRead(t, s, "later")
	})
}
