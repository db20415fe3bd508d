package stack

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// Shows: MUST-43.
func TestListenAddresses(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		inUse := func(network, address string) {
			t.Helper()
			_, err := p.b.Listen(network, address)
			wantOpError(t, err, "listen", syscall.EADDRINUSE)
		}
		listen := func(network, address string) net.Listener {
			t.Helper()
			l, err := p.b.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			p.used = append(p.used, l)
			return l
		}
		l4 := listen("tcp4", ":80")
		listen("tcp6", ":80")
		inUse("tcp", ":80")
		inUse("tcp", "10.77.0.2:80")
		listen("tcp", "10.77.0.2:81")
		inUse("tcp4", ":81")
		listen("tcp6", ":81")
		l4.Close()
		listen("tcp4", ":80")
		wantOpError(t, l4.Close(), "close", net.ErrClosed)
		_, err := l4.Accept()
		wantOpError(t, err, "accept", net.ErrClosed)

		_, err = p.b.Listen("tcp", "10.77.0.3:80")
		wantOpError(t, err, "listen", syscall.EADDRNOTAVAIL)
		chosen := listen("tcp", ":0").Addr().(*net.TCPAddr)
		if chosen.Port == 0 {
			t.Error("no port was chosen")
		}
		if _, err := p.a.Dial("tcp", netip.AddrPortFrom(addressesB[0].Addr(), uint16(chosen.Port)).String()); err != nil {
			t.Error(err)
		}
		wantCount(t, p.b, "connections-accepted", 1)
		for _, address := range []string{"80", "host:80"} {
			if _, err := p.b.Listen("tcp", address); err == nil {
				t.Errorf("Listen(%q) worked", address)
			}
		}
	})
}

// While the queue for Accept is full, SYNs and the final ACKs of handshakes have no effect. Both are sent again, and
// the connections are made as soon as there is room. RFC 9293 leaves this open; Linux does the same.
func TestBacklog(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Backlog: 3})
		l := p.listen()
		for range 2 {
			c, err := p.a.Dial("tcp", "10.77.0.2:80")
			if err != nil {
				t.Fatal(err)
			}
			p.used = append(p.used, c)
		}
		// Two handshakes are in progress when the third place is taken.
		p.delay(10 * time.Millisecond)
		clients := make(chan net.Conn)
		dial := func() {
			c, err := p.a.Dial("tcp", "10.77.0.2:80")
			if err != nil {
				t.Error(err)
			}
			clients <- c
		}
		go dial()
		go dial()
		for range 2 { // the second knows nothing of the full queue
			p.used = append(p.used, <-clients)
		}
		time.Sleep(20 * time.Millisecond)
		if n := p.b.Stats()["listen-accept-queue-full"]; n == 0 {
			t.Error("listen-accept-queue-full is 0")
		}
		wantCount(t, p.b, "connections-accepted", 3)
		go dial() // whose SYN is dropped
		quiet()
		select {
		case <-clients:
			t.Error("a SYN was answered while the queue for Accept was full")
		case <-time.After(10 * time.Second):
		}
		for range 5 {
			s, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			p.used = append(p.used, s)
		}
		last := <-clients
		p.used = append(p.used, last)
		write(t, last, "in at last")
	})
}

// Closing a listener resets connections that were not accepted, drops handshakes, and keeps accepted connections.
func TestListenerClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		c, s := p.connect(l)
		waiting, err := p.a.Dial("tcp", "10.77.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		p.db.Inject(packet(segmentSpec{flags: wire.SYN})) // the answer has no receiver
		quiet()
		done := make(chan error)
		other := p.listenOn(":81")
		go func() { _, err := other.Accept(); done <- err }()
		quiet()
		other.Close()
		wantOpError(t, <-done, "accept", net.ErrClosed)

		l.Close()
		_, err = waiting.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNRESET)
		write(t, c, "we go on")
		wantRead(t, s, "we go on")
		wantCount(t, p.b, "connections", 1)
		_, err = p.a.Dial("tcp", "10.77.0.2:80")
		wantOpError(t, err, "dial", syscall.ECONNREFUSED)
	})
}

func (p *pair) listenOn(address string) *Listener {
	p.t.Helper()
	l, err := p.b.ListenTCP("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

// A thousand connections at once, from several goroutines.
func TestManyConnections(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Queue: 100000}, Config{Backlog: 1000}, Config{Backlog: 1000})
		l := p.listen()
		var wait sync.WaitGroup
		wait.Go(func() {
			for range 1000 {
				s, err := l.AcceptTCP()
				if err != nil {
					t.Error(err)
					return
				}
				wait.Go(func() {
					s.WriteTo(s)
					s.Close()
				})
			}
		})
		for i := range 1000 {
			wait.Go(func() {
				c, err := p.a.Dial("tcp", "10.77.0.2:80")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				want := pattern(uint64(i), 3000)
				if _, err := c.Write(want); err != nil {
					t.Error(err)
				}
				wantBytes(t, c.(*Conn), want)
			})
		}
		wait.Wait()
		wantCount(t, p.b, "connections-accepted", 1000)
	})
}

// With ResetOnBadHeader a segment with a malformed header resets the connection. By default it is dropped.
//
// Shows: MUST-7.
func TestResetOnBadHeader(t *testing.T) {
	for _, reset := range []bool{false, true} {
		within(t, func(t *testing.T) {
			p := newPairOn(t, stacktest.Config{}, Config{}, Config{ResetOnBadHeader: reset})
			c, s := p.connect(p.listen())
			bad := packet(segmentSpec{src: c.entry.Key.LocalAddr(), flags: wire.ACK, options: []byte{2, 0, 0, 0}})
			p.db.Inject(bad)
			quiet()
			wantCount(t, p.b, "dropped-tcp-option-length", 1)
			if !reset {
				write(t, c, "as if nothing had been")
				wantRead(t, s, "as if nothing had been")
				return
			}
			wantState(t, s, conn.Closed)
			_, err := c.Read(make([]byte, 1))
			wantOpError(t, err, "read", syscall.ECONNRESET)
		})
	}
}
