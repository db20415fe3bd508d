package stack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// Segments that complete no handshake do not wait for a listener's lock: SYNs, with and without a cookie, RSTs that end
// handshakes, and ACKs without a valid cookie.
func TestHandshakesLockNothing(t *testing.T) {
	l := newLone(t, Config{Backlog: 2})
	l.listener.mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 4 { // the last two get cookies
			l.in(segmentSpec{src: netip.MustParseAddrPort(fmt.Sprintf("198.18.0.2:%d", 1000+i)), flags: wire.SYN, seq: 7})
		}
		l.in(segmentSpec{src: netip.MustParseAddrPort("198.18.0.2:1000"), flags: wire.RST, seq: 8})
		l.in(segmentSpec{src: netip.MustParseAddrPort("198.18.0.2:1002"), flags: wire.ACK, seq: 8, ack: 123})
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("a segment waits for a lock")
	}
	l.listener.mu.Unlock()
	<-done
	stats := l.s.Stats()
	if n := l.listener.handshakes.Len(); n != 1 || stats["syn-cookies-sent"] != 2 || stats["syn-cookies-failed"] != 1 {
		t.Errorf("%d handshakes, %d cookies sent, %d failed; want 1, 2 and 1", n, stats["syn-cookies-sent"], stats["syn-cookies-failed"])
	}
}

// Of two SYNs at the same time, with room for one handshake, one is kept and one gets a cookie. The handshake of a
// client that has got a SYN-ACK without a cookie does not give way to another.
func TestHandshakesReserved(t *testing.T) {
	const rounds = 2000
	l := newLone(t, Config{Backlog: 1})
	queues := []*queue{l.q, newQueue(l.s, 0)}
	for round := range rounds {
		var both sync.WaitGroup
		for i, q := range queues {
			syn := packet(segmentSpec{src: netip.MustParseAddrPort(fmt.Sprintf("198.18.0.2:%d", 1+2*round+i)), flags: wire.SYN, seq: 7})
			both.Go(func() {
				q.Sizes[0] = copy(q.Frames[0], syn)
				q.receiveBatch(1)
			})
		}
		both.Wait()
		stats := l.s.Stats()
		if kept, sent := l.listener.handshakes.Len(), stats["syn-cookies-sent"]; kept != 1 || sent != uint64(round+1) {
			t.Fatalf("round %d: %d handshakes are kept and %d cookies have been sent, want 1 and %d", round, kept, sent, round+1)
		}
		for i := range queues {
			l.in(segmentSpec{src: netip.MustParseAddrPort(fmt.Sprintf("198.18.0.2:%d", 1+2*round+i)), flags: wire.RST, seq: 8})
		}
		if kept := l.listener.handshakes.Len(); kept != 0 {
			t.Fatalf("round %d: %d handshakes are kept after a RST, want none", round, kept)
		}
	}
}

// With several queues, every client gets its connection under a flood, unless there are no cookies. After the flood
// there are no more handshakes than the backlog, and none when the listener has closed. The frames of a connection
// arrive on all queues in turn.
func TestHandshakesOfQueues(t *testing.T) {
	for _, queues := range []int{4, 8} {
		for _, mode := range []SYNCookies{SYNCookiesAuto, SYNCookiesAlways, SYNCookiesOff} {
			t.Run(fmt.Sprintf("%d queues, cookies %v", queues, mode), func(t *testing.T) {
				within(t, func(t *testing.T) { testHandshakesOfQueues(t, queues, mode) })
			})
		}
	}
}

func testHandshakesOfQueues(t *testing.T, queues int, mode SYNCookies) {
	const backlog = 8
	clients := 64
	if mode == SYNCookiesOff {
		clients = 0
	}
	near, far := stacktest.New(stacktest.Config{Queues: queues, Queue: 4096})
	d := &lanesDevice{Device: near, read: make([]int, queues)}
	p := &pair{t: t, da: far, db: near}
	var err error
	if p.a, err = New(far, Config{Addresses: addressesA}); err != nil {
		t.Fatal(err)
	}
	defer p.a.Close()
	if p.b, err = New(d, Config{Addresses: addressesB, Backlog: backlog, SYNCookies: mode}); err != nil {
		t.Fatal(err)
	}
	defer p.b.Close()
	defer d.wantAllUsed(t)
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
	stop := p.flood(20_000)
	var ends sync.WaitGroup
	for range clients {
		ends.Go(func() {
			time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
			c, err := p.a.Dial("tcp", "10.77.0.2:80")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			write(t, c, "echo")
			wantRead(t, c, "echo")
		})
	}
	time.Sleep(100 * time.Millisecond)
	ends.Wait()
	stop()
	quiet()
	if mode == SYNCookiesAuto {
		wantCount(t, p.b, "listen-syn-queue-full", 0)
	}
	if n := l.handshakes.Len(); n > backlog {
		t.Errorf("%d handshakes, want at most %d", n, backlog)
	}
	l.Close()
	quiet()
	if n := l.handshakes.Len(); n != 0 {
		t.Errorf("%d handshakes after Close", n)
	}
	for e := range p.b.table.All() {
		if e.state() < conn.Established {
			t.Errorf("a handshake is left in %v", e.state())
		}
	}
}
