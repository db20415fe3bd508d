package stack

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

var fastKey = [16]byte{1, 2, 3}

// dialFast opens a connection from a to b with Fast Open, and writes.
func (p *pair) dialFast(address, request string) *Conn {
	p.t.Helper()
	c, err := p.a.DialFastOpen(context.Background(), "tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.used = append(p.used, c)
	write(p.t, c, request)
	return c.(*Conn)
}

// accept accepts a connection.
func (p *pair) accept(l *Listener) *Conn {
	p.t.Helper()
	l.SetDeadline(time.Now().Add(time.Minute))
	s, err := l.AcceptTCP()
	if err != nil {
		p.t.Fatal(err)
	}
	p.used = append(p.used, s)
	return s
}

// learn makes a connection that brings a its first cookie of b.
func (p *pair) learn(l *Listener, address string) {
	p.t.Helper()
	c := p.dialFast(address, "first")
	s := p.accept(l)
	wantRead(p.t, s, "first")
	c.Close()
	s.Close()
	quiet()
}

// fastListen makes b listen with Fast Open.
func (p *pair) fastListen(pending int) *Listener {
	p.t.Helper()
	l := p.listen()
	if err := l.SetFastOpen(pending); err != nil {
		p.t.Fatal(err)
	}
	return l
}

// fastSYN returns a SYN for b with data and a Fast Open option, from a port of 10.77.0.1.
func fastSYN(port uint16, f wire.FastOpen, data string) []byte {
	src := netip.AddrPortFrom(addressesA[0].Addr(), port)
	return packet(segmentSpec{src: src, seq: 1000, flags: wire.SYN, options: fastOptions(f), data: []byte(data)})
}

// fastOptions returns the encoded option.
func fastOptions(f wire.FastOpen) []byte {
	b := make([]byte, 60)
	n := wire.PutTCP(b, &wire.TCP{Options: wire.Options{FastOpen: f}})
	return b[20:n]
}

// cookieOf returns the cookie of b for a, by a key.
func cookieOf(key [16]byte) wire.FastOpen {
	return fastopen.FixedKeys(key).Cookie(wire.FastOpenStandard, addressesB[0].Addr(), addressesA[0].Addr())
}

// sniff collects the headers of the segments that b sends, which do not arrive. The result returns those since its last
// call.
func (p *pair) sniff() (sent func() []wire.TCP) {
	var mu sync.Mutex // timers send as well
	var list []wire.TCP
	p.db.SetHook(func(frame []byte) stacktest.Fate {
		mu.Lock()
		defer mu.Unlock()
		if _, h, _, ok := stacktest.Segment(frame); ok {
			list = append(list, h)
		}
		return stacktest.Drop
	})
	return func() []wire.TCP {
		mu.Lock()
		defer mu.Unlock()
		taken := list
		list = nil
		return taken
	}
}

// delayInOrder acts like delay, and keeps the order of frames that are sent at one instant: each takes 1 ns longer.
func (p *pair) delayInOrder(d time.Duration) {
	var frames atomic.Int64
	for from, to := range map[*stacktest.Device]*stacktest.Device{p.da: p.db, p.db: p.da} {
		from.SetHook(func(frame []byte) stacktest.Fate {
			later := bytes.Clone(frame)
			time.AfterFunc(d+time.Duration(frames.Add(1)), func() { to.Inject(later) })
			return stacktest.Drop
		})
	}
}

// The first connection brings a cookie. With it, a request and its response take one round trip: the SYN carries the
// request, and the server responds before the ACK of its SYN-ACK.
func TestFastOpen(t *testing.T) {
	for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			l := p.fastListen(1)
			const oneWay = 10 * time.Millisecond
			p.delayInOrder(oneWay)
			p.learn(l, address)
			wantCount(t, p.b, "fast-open-requests", 1)

			began := time.Now()
			c := p.dialFast(address, "request")
			s := p.accept(l)
			wantRead(t, s, "request")
			if d := time.Since(began).Truncate(time.Millisecond); d != oneWay || s.State() != conn.SynReceived {
				t.Errorf("the request arrives after %v, in %v; want %v, in SYN-RECEIVED", d, s.State(), oneWay)
			}
			write(t, s, "response")
			wantRead(t, c, "response")
			if d := time.Since(began).Truncate(time.Millisecond); d != 2*oneWay {
				t.Errorf("the response arrives after %v, want %v", d, 2*oneWay)
			}
			time.Sleep(2 * oneWay)
			quiet()
			for _, x := range []*Conn{c, s} {
				if i := x.Info(); i.State != conn.Established || !i.SYNData || i.Retransmitted != 0 {
					t.Errorf("Info %+v", i)
				}
			}
			write(t, c, "goes on")
			wantRead(t, s, "goes on")
			again := p.dialFast(address, "again") // in the place that the confirmed connection has left
			wantRead(t, p.accept(l), "again")
			again.Close()
			time.Sleep(2 * oneWay)
			for name, n := range map[string]uint64{"fast-open-active": 2, "fast-open-active-failed": 0} {
				wantCount(t, p.a, name, n)
			}
			for name, n := range map[string]uint64{"fast-open-passive": 2, "fast-open-passive-failed": 0, "connections-accepted": 3} {
				wantCount(t, p.b, name, n)
			}
		})
	}
}

// A listener without Fast Open ignores data in SYNs, and sends no cookie. The client's data arrives nevertheless.
func TestFastOpenIsOptional(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey}})
		l := p.listen()
		p.learn(l, "10.77.0.2:80")
		p.learn(l, "10.77.0.2:80")
		sent := p.sniff()
		p.db.Inject(fastSYN(1234, cookieOf(fastKey), "data"))
		quiet()
		if sent := sent(); len(sent) != 1 || sent[0].Ack != 1001 || sent[0].Options.FastOpen != (wire.FastOpen{}) {
			t.Errorf("b sent %+v, want one SYN-ACK of the SYN", sent)
		}
		for _, name := range []string{"fast-open-requests", "fast-open-passive", "fast-open-passive-failed"} {
			wantCount(t, p.b, name, 0)
		}
		l.Close()
		wantOpError(t, l.SetFastOpen(1), "set", net.ErrClosed)
	})
}

// Without a valid cookie the handshake is an ordinary one, with a fresh cookie. A cookie of the backup key is accepted
// and replaced.
func TestFastOpenCookies(t *testing.T) {
	old, other := [16]byte{9}, [16]byte{8}
	experimental := cookieOf(fastKey)
	experimental.Kind = wire.FastOpenExperimental
	for _, c := range []struct {
		name    string
		option  wire.FastOpen
		ack     uint32
		fresh   wire.FastOpen
		counter string
	}{
		{"a request", wire.FastOpen{Kind: wire.FastOpenStandard}, 1001, cookieOf(fastKey), "fast-open-requests"},
		{"a valid cookie", cookieOf(fastKey), 1005, wire.FastOpen{}, "fast-open-passive"},
		{"an experimental option", experimental, 1005, wire.FastOpen{}, "fast-open-passive"},
		{"an experimental request", wire.FastOpen{Kind: wire.FastOpenExperimental}, 1001, experimental, "fast-open-requests"},
		{"the backup key", cookieOf(old), 1005, cookieOf(fastKey), "fast-open-backup-key"},
		{"another key", cookieOf(other), 1001, cookieOf(fastKey), "fast-open-passive-failed"},
		{"a short cookie", wire.FastOpen{Kind: wire.FastOpenStandard, Len: 4}, 1001, cookieOf(fastKey), "fast-open-passive-failed"},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey, old}})
			p.fastListen(10)
			sent := p.sniff()
			p.db.Inject(fastSYN(1234, c.option, "data"))
			quiet()
			if sent := sent(); len(sent) != 1 || sent[0].Ack != c.ack || sent[0].Options.FastOpen != c.fresh {
				t.Errorf("%s: b sent %+v, want one SYN-ACK of %d with %+v", c.name, sent, c.ack, c.fresh)
			}
			wantCount(t, p.b, c.counter, 1)
		})
	}
}

// The number of connections that wait for the end of the handshake is limited. One that is reset keeps its place for a
// minute. Beyond the limit, the SYN begins an ordinary handshake.
func TestFastOpenLimit(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey}})
		l := p.fastListen(2)
		sent := p.sniff()
		port := uint16(1000)
		syn := func(ack uint32) {
			t.Helper()
			port++
			sent()
			p.db.Inject(fastSYN(port, cookieOf(fastKey), "data"))
			quiet()
			if sent := sent(); len(sent) == 0 || sent[0].Ack != ack {
				t.Fatalf("port %d: b sent %+v, want a SYN-ACK of %d", port, sent, ack)
			}
		}
		from := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(addressesA[0].Addr(), port) }
		syn(1005)
		syn(1005)
		first := p.accept(l)
		syn(1001)
		wantCount(t, p.b, "fast-open-overflow", 1)

		p.db.Inject(packet(segmentSpec{src: from(1001), seq: 1005, flags: wire.RST}))
		quiet()
		_, err := first.Write([]byte("x"))
		wantOpError(t, err, "write", syscall.ECONNRESET)
		syn(1001)
		time.Sleep(resetHoldForTest - time.Second)
		syn(1001)
		time.Sleep(2 * time.Second)
		syn(1005)
		wantCount(t, p.b, "fast-open-passive", 3)
	})
}

// resetHoldForTest is the time for which a reset connection keeps its place.
const resetHoldForTest = 60 * time.Second

// A connection that nothing confirms ends with the last SYN-ACK, and its place is free.
func TestFastOpenUnconfirmed(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey}})
		l := p.fastListen(1)
		sent := p.sniff()
		p.db.Inject(fastSYN(1234, cookieOf(fastKey), "data"))
		s := p.accept(l)
		wantRead(t, s, "data")
		_, err := s.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		quiet()
		if sent := sent(); len(sent) != 6 {
			t.Errorf("%d SYN-ACKs, want 6", len(sent))
		}
		p.db.Inject(fastSYN(1235, cookieOf(fastKey), "data"))
		wantRead(t, p.accept(l), "data")
	})
}

// While the listener replies with SYN cookies, there is no Fast Open.
func TestFastOpenWithSYNCookies(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey}, SYNCookies: SYNCookiesAlways})
		p.fastListen(10)
		sent := p.sniff()
		p.db.Inject(fastSYN(1234, cookieOf(fastKey), "data"))
		quiet()
		if sent := sent(); len(sent) != 1 || sent[0].Ack != 1001 || sent[0].Options.FastOpen != (wire.FastOpen{}) {
			t.Errorf("b sent %+v, want one SYN-ACK of the SYN", sent)
		}
		wantCount(t, p.b, "fast-open-passive", 0)
	})
}

// fastEcho is a Handler that echoes.
type fastEcho struct{}

func (fastEcho) Received(c *Conn, data []byte) int { n, _ := c.TryWrite(data); return n }
func (fastEcho) Writable(*Conn)                    {}
func (fastEcho) Ended(c *Conn, _ error)            { c.Close() }

// A Handler gets the data of a SYN as it arrives, and its response leaves before the ACK of the SYN-ACK.
func TestFastOpenHandler(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey}})
		l, err := p.b.Handle("tcp", ":80", func(*Conn) Handler { return fastEcho{} })
		if err != nil {
			t.Fatal(err)
		}
		p.used = append(p.used, l)
		l.SetFastOpen(10)
		sent := p.sniff()
		p.db.Inject(fastSYN(1234, cookieOf(fastKey), "data"))
		quiet()
		if sent := sent(); len(sent) != 2 || sent[0].Ack != 1005 || sent[1].Flags != wire.PSH|wire.ACK {
			t.Errorf("b sent %+v, want a SYN-ACK and the response", sent)
		}
	})
}

// A SYN with data and FIN is dropped, also with a valid cookie.
func TestFastOpenSYNFIN(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey}})
		p.fastListen(10)
		sent := p.sniff()
		p.db.Inject(packet(segmentSpec{flags: wire.SYN | wire.FIN, options: fastOptions(cookieOf(fastKey)), data: []byte("data")}))
		quiet()
		if sent := sent(); len(sent) != 0 {
			t.Errorf("b sent %+v, want nothing", sent)
		}
		wantCount(t, p.b, "dropped-syn-fin", 1)
	})
}

// A duplicate of the SYN that arrives after the end of the connection opens another one with the same data, as the
// documentation of SetFastOpen warns.
func TestFastOpenDuplicateSYN(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{FastOpenKeys: [][16]byte{fastKey}})
		l := p.fastListen(10)
		p.sniff()
		for range 2 {
			p.db.Inject(fastSYN(1234, cookieOf(fastKey), "data"))
			s := p.accept(l)
			wantRead(t, s, "data")
			s.SetLinger(0)
			s.Close()
			quiet()
		}
		wantCount(t, p.b, "fast-open-passive", 2)
	})
}

// If a server speaks first, a Read without a Write sends the SYN after 50 ms, and an empty Write sends it at once. Data
// written after that follows.
func TestFastOpenServerFirst(t *testing.T) {
	t.Run("Read", func(t *testing.T) { fastOpenServerFirst(t, 50*time.Millisecond, func(net.Conn) {}) })
	t.Run("empty Write", func(t *testing.T) { fastOpenServerFirst(t, 0, func(c net.Conn) { write(t, c, "") }) })
}

// fastOpenServerFirst opens a connection, calls begin, and wants the server's data to arrive after the given time.
func fastOpenServerFirst(t *testing.T, after time.Duration, begin func(net.Conn)) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.fastListen(10)
		p.learn(l, "10.77.0.2:80")
		began := time.Now()
		c, err := p.a.DialFastOpen(context.Background(), "tcp", "10.77.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		p.used = append(p.used, c)
		go func() {
			s, err := l.AcceptTCP()
			if err != nil {
				t.Error(err)
				return
			}
			write(t, s, "banner")
			wantBytes(t, s, []byte("reply"))
			s.Close()
		}()
		begin(c)
		wantRead(t, c, "banner")
		if d := time.Since(began); d != after {
			t.Errorf("the banner arrives after %v, want %v", d, after)
		}
		write(t, c, "reply")
		wantCount(t, p.b, "fast-open-passive", 1)
		wantCount(t, p.a, "fast-open-active", 0)
	})
}

// Write and Close before the handshake has ended deliver the data and the FIN. More data than a SYN holds follows it.
func TestFastOpenWriteClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.fastListen(10)
		p.learn(l, "10.77.0.2:80")
		p.delayInOrder(10 * time.Millisecond)
		data := pattern(1, 20000)
		c := p.dialFast("10.77.0.2:80", string(data))
		c.Close()
		s := p.accept(l)
		wantBytes(t, s, data)
		wantEOF(t, s)
		s.Close()
		quiet()
		wantCount(t, p.a, "fast-open-active", 1)
	})
}

// A path that drops SYNs with data costs one timeout. For two minutes no SYN to the server has the option; then the
// client tries again.
func TestFastOpenSYNLost(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.fastListen(10)
		p.learn(l, "10.77.0.2:80")
		p.da.SetHook(func(frame []byte) stacktest.Fate {
			if _, h, data, ok := stacktest.Segment(frame); ok && h.Flags.Has(wire.SYN) && len(data) > 0 {
				return stacktest.Drop
			}
			return stacktest.Pass
		})
		exchange := func(failure fastopen.Failure, took time.Duration) {
			t.Helper()
			began := time.Now()
			c := p.dialFast("10.77.0.2:80", "request")
			s := p.accept(l)
			wantRead(t, s, "request")
			if d := time.Since(began); d != took || c.Info().FastOpenFailure != failure {
				t.Errorf("%v after %v, want %v after %v", c.Info().FastOpenFailure, d, failure, took)
			}
			c.Close()
			s.Close()
			quiet()
		}
		exchange(fastopen.SYNRetransmitted, time.Second)
		exchange(fastopen.NoCookie, 0)
		time.Sleep(2 * time.Minute)
		exchange(fastopen.SYNRetransmitted, time.Second)
		time.Sleep(2 * time.Minute)
		exchange(fastopen.NoCookie, 0)
		wantCount(t, p.a, "fast-open-active-failed", 2)
		wantCount(t, p.a, "fast-open-black-holes", 0)
	})
}

// A path that loses the segments after a SYN with data is a black hole: no SYN has the option for an hour.
func TestFastOpenBlackHole(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.fastListen(10)
		p.learn(l, "10.77.0.2:80")
		c := p.dialFast("10.77.0.2:80", "request")
		s := p.accept(l)
		wantRead(t, s, "request")
		p.da.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
		write(t, c, "lost")
		time.Sleep(10 * time.Second)
		p.da.SetHook(nil)
		wantCount(t, p.a, "fast-open-black-holes", 1)
		for _, want := range []fastopen.Failure{fastopen.NoCookie, fastopen.NoFailure} {
			c := p.dialFast("10.77.0.2:80", "request")
			wantRead(t, p.accept(l), "request")
			if got := c.Info().FastOpenFailure; got != want {
				t.Errorf("failure %v, want %v", got, want)
			}
			time.Sleep(time.Hour)
		}
	})
}

// A refused connection is an error of Read and of one Write.
func TestFastOpenConnectionRefused(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.fastListen(10)
		p.learn(l, "10.77.0.2:80")
		l.Close()
		c := p.dialFast("10.77.0.2:80", "request")
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNREFUSED)
		_, err = p.a.DialFastOpen(context.Background(), "tcp", "10.77.0.2:80") // without a cookie, for two minutes
		wantOpError(t, err, "dial", syscall.ECONNREFUSED)
		if _, err := p.a.DialFastOpen(context.Background(), "udp", "10.77.0.2:80"); err == nil {
			t.Error("there is Fast Open over UDP")
		}
	})
}

// A stack refuses more keys than two.
func TestFastOpenKeysRefused(t *testing.T) {
	if _, err := New(nil, Config{Addresses: addressesA, FastOpenKeys: make([][16]byte, 3)}); err == nil {
		t.Error("a stack has three keys")
	}
}

// A SYN without the option costs the same with and without Fast Open. One with an invalid cookie costs one allocation
// more, for the fresh cookie, and takes no lock of the listener.
func TestFastOpenSYNAllocs(t *testing.T) {
	measure := func(pending int, option wire.FastOpen) float64 {
		l := newLone(t, Config{SYNCookies: SYNCookiesOff, Backlog: 8})
		if err := l.listener.SetFastOpen(pending); err != nil {
			t.Fatal(err)
		}
		syn := fastSYN(0, option, "")
		tcp := syn[wire.VirtioHeaderLen+wire.IPv4HeaderLen:]
		wire.PutVirtio(syn, &wire.VirtioHeader{Flags: wire.VirtioDataValid})
		l.listener.mu.Lock() // a SYN that took it would wait for ever
		defer l.listener.mu.Unlock()
		port := uint16(0)
		return testing.AllocsPerRun(1000, func() {
			port++
			binary.BigEndian.PutUint16(tcp, port)
			l.frame(syn)
		})
	}
	without := measure(0, wire.FastOpen{})
	for name, c := range map[string]struct {
		option wire.FastOpen
		want   float64
	}{
		"no option":      {wire.FastOpen{}, without},
		"a wrong cookie": {wire.FastOpen{Kind: wire.FastOpenStandard, Len: 8, Cookie: [16]byte{1}}, without + 1},
		"a request":      {wire.FastOpen{Kind: wire.FastOpenStandard}, without + 1},
	} {
		if got := measure(10, c.option); got != c.want {
			t.Errorf("%s: %v allocations, want %v", name, got, c.want)
		}
	}
}
