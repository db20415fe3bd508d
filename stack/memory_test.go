package stack

import (
	"bytes"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/wire"
	"minitcp/stack/internal/memory"
	"minitcp/stack/stacktest"
)

// Many connections share a budget. Those whose application has read 512 KiB and then stops cannot exceed it, whatever
// they were promised. Another begins beside them and makes progress, and so do they when they are read.
func TestMemoryIsShared(t *testing.T) {
	within(t, func(t *testing.T) {
		const budget, sleepers, first = 4 << 20, 40, 512 << 10
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Memory: budget})
		pool := p.b.cfg.Conn.Pool.(*memory.Pool)
		bounded := func() {
			t.Helper()
			if used := pool.Bytes(); used > budget {
				t.Errorf("%d bytes are in use", used)
			}
		}
		l := p.listen()
		data := pattern(3, 3<<20)
		var writers sync.WaitGroup
		asleep, awake := make([]*Conn, sleepers), make([]*Conn, sleepers)
		for i := range asleep {
			c, s := p.connect(l)
			go c.Write(data[:first])
			wantBytes(t, s, data[:first])
			asleep[i], awake[i] = s, c
		}
		quiet()
		promised := int64(0)
		for _, s := range asleep {
			promised += s.Info().ReceiveWindow
		}
		if promised < 3*budget {
			t.Fatalf("only %d bytes are promised", promised)
		}
		for _, c := range awake {
			writers.Go(func() {
				c.Write(data)
				c.Close()
			})
			quiet()
			bounded()
		}
		if pool.Level() < buffer.Exhausted {
			t.Fatalf("%d pages are lent, and there is memory left", pool.Lent())
		}
		c, s := p.connect(l)
		writers.Go(func() {
			c.Write(data)
			c.Close()
		})
		receive := func(s *Conn) {
			got, err := io.ReadAll(s)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("with little memory %d bytes arrive; %v", len(got), err)
			}
			s.Close()
		}
		receive(s)
		bounded()
		if n := s.Info().ReceiveBuffer; n > 1<<20 {
			t.Errorf("the buffer has grown to %d", n)
		}
		for _, s := range asleep {
			writers.Go(func() { receive(s) })
		}
		writers.Wait()
		quiet()
		if n := pool.Lent(); n != 0 {
			t.Errorf("%d pages are lent at the end", n)
		}
	})
}

// Datagrams that are not read take less than half of the budget, in however many sockets, and each socket keeps some.
func TestUnreadDatagramsAreBounded(t *testing.T) {
	within(t, func(t *testing.T) {
		const budget, sockets, datagrams = 4 << 20, 50, 150
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Memory: budget})
		var list []*UDPConn
		data := make([]byte, 1200)
		for i := range sockets {
			local := netip.AddrPortFrom(addressesB[0].Addr(), uint16(1000+i))
			list = append(list, p.listenUDP(local))
			from := p.dialUDP(local)
			for range datagrams {
				if _, err := from.Write(data); err != nil {
					t.Fatal(err)
				}
			}
			quiet()
		}
		if used := p.b.Stats()["memory-used"]; used > budget/2 || used < budget/4 {
			t.Errorf("%d bytes are in use, want up to half of %d", used, budget)
		}
		for i, c := range list {
			if c.in.Len() == 0 {
				t.Errorf("socket %d has no datagram", i)
			}
		}
		for _, c := range list {
			for c.in.Len() > 0 {
				if n, err := c.Read(data); n != len(data) || err != nil {
					t.Fatalf("Read: %d bytes, %v", n, err)
				}
			}
			c.Close()
		}
		if n := p.b.cfg.Conn.Pool.(*memory.Pool).Charged(); n != 0 {
			t.Errorf("%d bytes are charged for closed sockets", n)
		}
	})
}

// The budget counts handshakes and fragments while they last. Fragments take at most a sixteenth of it.
func TestHandshakesAndFragmentsAreCounted(t *testing.T) {
	within(t, func(t *testing.T) {
		const handshakes, budget = 100, 2 << 20
		p := newPair(t, Config{Memory: budget})
		p.listen()
		pool := p.b.cfg.Conn.Pool.(*memory.Pool)
		want := func(when string, least, most int64) {
			t.Helper()
			quiet()
			if n := pool.Charged(); n < least || n > most {
				t.Errorf("%s: %d bytes are charged, want %d to %d", when, n, least, most)
			}
		}
		for i := range handshakes {
			src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 78, 0, byte(i)}), 5000)
			p.db.Inject(packet(segmentSpec{src: src, flags: wire.SYN}))
		}
		want("with handshakes", handshakes*int64(handshakeMemory), handshakes*int64(handshakeMemory))
		time.Sleep(5 * time.Minute)
		want("after their end", 0, 0)
		for i := range 1000 {
			ip := wire.IP{Src: netip.AddrFrom4([4]byte{10, 78, byte(i >> 8), byte(i)}), Dst: addressesB[0].Addr(), Protocol: wire.ProtocolUDP, HopLimit: 64}
			frame := make([]byte, wire.VirtioHeaderLen+wire.IPv4HeaderLen+1400)
			wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, 1400)
			wire.PutFragmentIPv4(frame[wire.VirtioHeaderLen:], wire.Fragment{ID: 7, More: true}, 1400)
			p.db.Inject(frame)
			quiet()
		}
		want("with fragments", 100<<10, budget/16)
		time.Sleep(time.Minute)
		want("after their time", 0, 0)
	})
}
