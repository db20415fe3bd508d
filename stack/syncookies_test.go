package stack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// flood injects SYNs from random addresses into b, at a rate in SYNs per second, until the returned function is called.
func (p *pair) flood(rate int) (stop func()) {
	rng := rand.New(rand.NewPCG(1, 2))
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		const tick = time.Millisecond
		for {
			select {
			case <-done:
				return
			case <-time.After(tick):
			}
			for range rate / int(time.Second/tick) {
				src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(rng.Uint32()), byte(rng.Uint32())}), uint16(rng.Uint32())|1)
				p.db.Inject(packet(segmentSpec{src: src, seq: rng.Uint32(), flags: wire.SYN}))
			}
		}
	})
	return func() { close(done); wait.Wait() }
}

// delay makes the link between a and b take d in each direction.
func (p *pair) delay(d time.Duration) {
	for from, to := range map[*stacktest.Device]*stacktest.Device{p.da: p.db, p.db: p.da} {
		from.SetHook(func(frame []byte) stacktest.Fate {
			if _, _, _, ok := stacktest.Segment(frame); !ok {
				return stacktest.Pass
			}
			later := append([]byte(nil), frame...)
			time.AfterFunc(d, func() { to.Inject(later) })
			return stacktest.Drop
		})
	}
}

// Under floods of up to 200,000 SYNs per second from random addresses, every connect of an honest client succeeds, also
// with a round trip of 120 ms, in which the flood fills the queue of handshakes many times. Memory is that of the
// queue.
func TestSYNCookiesUnderFlood(t *testing.T) {
	for _, c := range []struct {
		rate int
		rtt  time.Duration
	}{{5000, 0}, {50000, 0}, {50000, 40 * time.Millisecond}, {50000, 120 * time.Millisecond}, {200000, 40 * time.Millisecond}} {
		t.Run(fmt.Sprintf("%d per second, %v", c.rate, c.rtt), func(t *testing.T) {
			within(t, func(t *testing.T) {
				const backlog, clients = 256, 32
				p := newPairOn(t, stacktest.Config{Queue: 4096}, Config{}, Config{Backlog: backlog})
				l := p.listen()
				go func() {
					for {
						s, err := l.AcceptTCP()
						if err != nil {
							return
						}
						go func() { s.WriteTo(s); s.Close() }()
					}
				}()
				if c.rtt > 0 {
					p.delay(c.rtt / 2)
				}
				stop := p.flood(c.rate)
				time.Sleep(200 * time.Millisecond)
				var wait sync.WaitGroup
				for i := range clients {
					wait.Go(func() {
						client, err := p.a.Dial("tcp", "10.77.0.2:80")
						if err != nil {
							t.Errorf("client %d: %v", i, err)
							return
						}
						defer client.Close()
						write(t, client, "echo")
						wantRead(t, client, "echo")
					})
				}
				wait.Wait()
				stop()
				if n := p.b.Stats()["connections"]; n > backlog+clients {
					t.Errorf("%d connections, want at most %d", n, backlog+clients)
				}
				wantCount(t, p.b, "syn-cookies-received", clients)
				wantCount(t, p.b, "listen-syn-queue-full", 0)
				l.Close()
			})
		})
	}
}

// A connection through a cookie carries data both ways and ends as others do, with and without timestamps, over IPv4
// and IPv6.
func TestSYNCookiesAlways(t *testing.T) {
	for _, timestamps := range []conn.Feature{conn.Enabled, conn.Disabled} {
		for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
			t.Run(fmt.Sprintf("timestamps %v, %s", timestamps, address), func(t *testing.T) {
				within(t, func(t *testing.T) {
					cfg := Config{SYNCookies: SYNCookiesAlways, Conn: conn.Config{Timestamps: timestamps}}
					p := newPair(t, cfg)
					l := p.listen()
					for range 3 {
						c, s := p.connectTo(l, address)
						data := pattern(1, 300_000)
						go func() { c.Write(data); c.CloseWrite() }()
						wantBytes(t, s, data)
						write(t, s, "all of it")
						wantRead(t, c, "all of it")
						i, o := s.Info(), c.Info()
						if !i.SACK || i.Timestamps != (timestamps == conn.Enabled) || i.MSS != o.MSS || i.SendScale != 8 || i.ReceiveScale != 8 {
							t.Errorf("server %+v\nclient %+v", i, o)
						}
						c.Close()
						s.Close()
					}
					wantCount(t, p.b, "syn-cookies-sent", 3)
					wantCount(t, p.b, "syn-cookies-received", 3)
					wantCount(t, p.b, "connections-accepted", 3)
				})
			})
		}
	}
}

// An ACK without a valid cookie is dropped while a cookie may be valid that the listener has sent. Before and after, it
// gets a RST as any ACK without a connection.
func TestSYNCookiesForged(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Backlog: 1})
		p.listen()
		forged := func() {
			p.db.Inject(packet(segmentSpec{src: netip.MustParseAddrPort("198.18.0.1:77"), flags: wire.ACK, seq: 9, ack: 123}))
			quiet()
		}
		forged()
		wantCount(t, p.b, "syn-cookies-failed", 0)
		for i := range 3 {
			p.db.Inject(packet(segmentSpec{src: netip.MustParseAddrPort(fmt.Sprintf("198.18.0.2:%d", 1000+i)), flags: wire.SYN}))
		}
		quiet()
		wantCount(t, p.b, "syn-cookies-sent", 2)
		forged()
		wantCount(t, p.b, "syn-cookies-failed", 1)
		time.Sleep(2*time.Minute + 9*time.Second)
		forged()
		wantCount(t, p.b, "syn-cookies-failed", 1)
		wantCount(t, p.b, "resets-sent", 2)
		wantCount(t, p.b, "connections", 0)
	})
}

// cookieFor returns the number of the SYN-ACK that replies to a SYN from src.
func (p *pair) cookieFor(src netip.AddrPort) (iss uint32) {
	p.db.SetHook(func(frame []byte) stacktest.Fate {
		if ip, tcp, _, ok := stacktest.Segment(frame); ok && tcp.Flags.Has(wire.SYN|wire.ACK) && ip.Dst == src.Addr() {
			iss = tcp.Seq
		}
		return stacktest.Pass
	})
	p.db.Inject(packet(segmentSpec{src: src, seq: 500, flags: wire.SYN}))
	quiet()
	return iss
}

// A cookie is valid for at least 64 seconds and opens one connection at a time. While the queue for Accept is full, its
// ACK has no effect and does not use it up.
func TestSYNCookiesAcceptQueue(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Backlog: 1, SYNCookies: SYNCookiesAlways})
		l := p.listen()
		first, second := netip.MustParseAddrPort("198.18.0.1:77"), netip.MustParseAddrPort("198.18.0.1:78")
		reply := func(src netip.AddrPort, iss uint32, data string) {
			p.db.Inject(packet(segmentSpec{src: src, seq: 501, ack: iss + 1, flags: wire.ACK, data: []byte(data)}))
			quiet()
		}
		a, b := p.cookieFor(first), p.cookieFor(second)
		time.Sleep(time.Minute)
		reply(first, a, "one ")
		wantCount(t, p.b, "connections-accepted", 1)
		reply(second, b, "two ")
		wantCount(t, p.b, "listen-accept-queue-full", 1)
		wantCount(t, p.b, "connections", 1)
		if p.cookieFor(netip.MustParseAddrPort("198.18.0.1:79")) != 0 {
			t.Error("a SYN was answered while the queue for Accept was full")
		}
		for _, want := range []string{"one ", "two "} {
			s, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			p.used = append(p.used, s)
			wantRead(t, s, want)
			reply(second, b, "two ")
		}
		wantCount(t, p.b, "connections-accepted", 2)
		wantCount(t, p.b, "resets-sent", 0)
	})
}

// The first segment of a client is overtaken by the second. The connection is opened by the first when it arrives.
func TestSYNCookiesReordered(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{SYNCookies: SYNCookiesAlways})
		l := p.listen()
		src := netip.MustParseAddrPort("198.18.0.1:77")
		iss := p.cookieFor(src)
		for _, s := range []segmentSpec{{seq: 504, data: []byte("two")}, {seq: 501, data: []byte("one")}, {seq: 504, data: []byte("two")}} {
			s.src, s.ack, s.flags = src, iss+1, wire.ACK
			p.db.Inject(packet(s))
			quiet()
		}
		s, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		p.used = append(p.used, s)
		wantRead(t, s, "onetwo")
		wantCount(t, p.b, "resets-sent", 0)
		wantCount(t, p.b, "syn-cookies-failed", 1)
	})
}

// The first SYN of a client gets a cookie. When a copy of it arrives, there is room for a handshake. The ACK of the
// cookie opens the connection.
func TestSYNCookiesBeforeHandshake(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Backlog: 1})
		l := p.listen()
		other, src := netip.MustParseAddrPort("198.18.0.2:77"), netip.MustParseAddrPort("198.18.0.1:77")
		p.cookieFor(other) // a handshake, which fills the backlog
		iss := p.cookieFor(src)
		wantCount(t, p.b, "syn-cookies-sent", 1)
		p.db.Inject(packet(segmentSpec{src: other, seq: 501, flags: wire.RST}))
		quiet()
		if p.cookieFor(src) == iss {
			t.Fatal("no handshake was kept for the copy of the SYN")
		}
		for _, s := range []segmentSpec{{seq: 503, data: []byte("llo")}, {seq: 501, data: []byte("hello")}} { // reordered
			s.src, s.ack, s.flags = src, iss+1, wire.ACK
			p.db.Inject(packet(s))
			quiet()
		}
		wantCount(t, p.b, "syn-cookies-failed", 1)
		wantCount(t, p.b, "resets-sent", 0)
		wantCount(t, p.b, "connections-accepted", 1)
		s, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		p.used = append(p.used, s)
		wantRead(t, s, "hello")
	})
}

// With SYNCookiesOff the oldest handshakes make way.
func TestSYNCookiesOff(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Backlog: 10, SYNCookies: SYNCookiesOff})
		l := p.listen()
		for i := range 1000 {
			p.db.Inject(packet(segmentSpec{
				src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(1000+i)), flags: wire.SYN,
			}))
		}
		quiet()
		if n := p.b.Stats()["connections"]; n > 10 {
			t.Errorf("%d handshakes", n)
		}
		wantCount(t, p.b, "listen-syn-queue-full", 990)
		wantCount(t, p.b, "syn-cookies-sent", 0)
		c, s := p.connect(l)
		write(t, c, "x")
		wantRead(t, s, "x")
	})
}

// A SYN that gets a cookie costs no allocation, nor does an ACK without a valid one.
func TestSYNCookiesAllocs(t *testing.T) {
	l := newLone(t, Config{SYNCookies: SYNCookiesAlways})
	syn := packet(segmentSpec{src: netip.MustParseAddrPort("198.18.0.1:77"), flags: wire.SYN, seq: 1})
	ack := packet(segmentSpec{src: netip.MustParseAddrPort("198.18.0.1:77"), flags: wire.ACK, seq: 2, ack: 77})
	tcp := syn[wire.VirtioHeaderLen+wire.IPv4HeaderLen:]
	sent := l.d.sent
	trusted := wire.VirtioHeader{Flags: wire.VirtioDataValid}
	wire.PutVirtio(syn, &trusted)
	n := testing.AllocsPerRun(1000, func() {
		binary.BigEndian.PutUint32(tcp[4:], binary.BigEndian.Uint32(tcp[4:])+7919)
		l.frame(syn)
		l.frame(ack)
	})
	if n != 0 || l.d.sent-sent < 1000 {
		t.Errorf("%v allocations, want none; %d SYN-ACKs", n, l.d.sent-sent)
	}
}

// SYNCookies has the names of the flag --syn-cookies.
func TestSYNCookiesText(t *testing.T) {
	for _, m := range []SYNCookies{SYNCookiesAuto, SYNCookiesAlways, SYNCookiesOff} {
		text, _ := m.MarshalText()
		var got SYNCookies
		if err := got.UnmarshalText(text); err != nil || got != m {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if new(SYNCookies).UnmarshalText([]byte("sometimes")) == nil {
		t.Error("an unknown mode has no error")
	}
}

// The segments of a connection leave before the cookies of the same batch, wherever its frames are in the batch.
func TestSYNCookiesAfterConnections(t *testing.T) {
	l := newLone(t, Config{SYNCookies: SYNCookiesAlways})
	var left []netip.Addr // destinations of the frames sent
	defer l.s.Observe(Observer{Frame: func(f *Frame) {
		if f.Outgoing {
			left = append(left, netip.AddrFrom4([4]byte(f.Parts[0][wire.VirtioHeaderLen+16:])))
		}
	}})()
	const syns = 5
	var want []netip.Addr
	batch := func(i int, s segmentSpec) { l.q.Sizes[i] = copy(l.q.Frames[i], packet(s)) }
	for i := range syns {
		src := netip.AddrFrom4([4]byte{198, 18, 0, byte(i)})
		want = append(want, src)
		batch(i, segmentSpec{src: netip.AddrPortFrom(src, 77), flags: wire.SYN})
	}
	const size = 1400 // two segments of this size are acknowledged at once
	for i := range 2 {
		batch(syns+i, segmentSpec{flags: wire.ACK | wire.PSH, seq: l.seq + uint32(i*size), ack: l.ack, data: make([]byte, size)})
	}
	l.q.receiveBatch(syns + 2)
	if want = append([]netip.Addr{l.c.entry.Key.RemoteAddr().Addr()}, want...); !slices.Equal(left, want) {
		t.Errorf("the frames sent go to %v, want %v", left, want)
	}
}

// A goroutine that has got data from a batch replies before the cookies of the batch leave, on one processor too.
func TestSYNCookiesAfterGoroutines(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	within(t, func(t *testing.T) {
		l := newLone(t, Config{SYNCookies: SYNCookiesAlways})
		go func() { l.c.WriteTo(l.c) }()
		var first atomic.Pointer[netip.Addr] // destination of the first frame of the batch
		defer l.s.Observe(Observer{Frame: func(f *Frame) {
			if to := netip.AddrFrom4([4]byte(f.Parts[0][wire.VirtioHeaderLen+16:])); f.Outgoing {
				first.CompareAndSwap(nil, &to)
			}
		}})()
		const rounds, size = 20, 4
		early := 0
		for i := range uint32(rounds) {
			quiet() // the goroutine waits for data
			l.q.Sizes[0] = copy(l.q.Frames[0], packet(segmentSpec{src: netip.MustParseAddrPort("198.18.0.1:77"), flags: wire.SYN, seq: i}))
			l.q.Sizes[1] = copy(l.q.Frames[1], packet(segmentSpec{flags: wire.ACK | wire.PSH, seq: l.seq + i*size, ack: l.ack + i*size, data: make([]byte, size)}))
			first.Store(nil)
			l.q.receiveBatch(2)
			if to := first.Load(); to != nil && *to == l.c.entry.Key.RemoteAddr().Addr() {
				early++
			}
		}
		if early < rounds/2 { // Go's scheduler prefers the goroutine of the queue now and then
			t.Errorf("%d of %d replies left before the cookie", early, rounds)
		}
		l.c.Close()
	})
}
