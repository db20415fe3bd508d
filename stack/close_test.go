package stack

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// Shows: MUST-12.
func TestHalfClose(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				first, second := p.connect(p.listen())
				if who == "server" {
					first, second = second, first
				}
				write(t, first, "the last of it")
				if err := first.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				wantRead(t, second, "the last of it")
				wantEOF(t, second)
				quiet()
				wantState(t, second, conn.CloseWait)
				wantState(t, first, conn.FinWait2)
				_, err := first.Write([]byte("more"))
				wantOpError(t, err, "write", syscall.EPIPE)

				// Data keeps flowing to the side that closed.
				time.Sleep(10 * time.Minute)
				for range 3 {
					write(t, second, "there is more")
					wantRead(t, first, "there is more")
				}
				second.CloseWrite()
				wantEOF(t, first)
				quiet()
				wantState(t, first, conn.TimeWait)
				wantState(t, second, conn.Closed)
			})
		})
	}
}

// Data written before Close arrives, although Close does not wait for it.
func TestCloseSendsWhatWasWritten(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		b := pattern(1, 900<<10)
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		took(t, begin, 0, 0)
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		wantOpError(t, c.Close(), "close", net.ErrClosed)
		_, err = c.Write(b)
		wantOpError(t, err, "write", net.ErrClosed)
		_, err = c.Read(b)
		wantOpError(t, err, "read", net.ErrClosed)
		wantOpError(t, c.SetDeadline(time.Time{}), "set", net.ErrClosed)
	})
}

// Shows: MUST-12.
func TestLingerZeroResets(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		c.SetLinger(0)
		c.Close()
		_, err := s.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNRESET)
		_, err = s.Write([]byte("x"))
		wantOpError(t, err, "write", syscall.EPIPE)
		wantCount(t, p.a, "connections", 0)
		wantCount(t, p.b, "connections", 0)
	})
}

// SetLinger(3): a peer that takes nothing gets three seconds.
func TestLingerTimeout(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		for n := 1; n > 0; { // fill everything there is
			c.SetWriteDeadline(time.Now().Add(time.Second))
			n, _ = c.Write(pattern(1, 1<<20))
		}
		c.SetLinger(3)
		begin := time.Now()
		c.Close()
		took(t, begin, 0, 0)
		time.Sleep(2900 * time.Millisecond)
		wantState(t, s, conn.Established)
		time.Sleep(200 * time.Millisecond)
		wantState(t, s, conn.Closed)
		wantCount(t, p.a, "connections", 0)
	})
}

// Closing with unread data is an abort (RFC 9293 3.6.1, SHLD-3).
//
// Shows: SHLD-3.
func TestCloseUnread(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		write(t, c, "unread data")
		quiet()
		s.Close()
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNRESET)
	})
}

// Data that comes after Close is answered with a RST, and the next Write fails with EPIPE, as on the kernel's sockets.
//
// Shows: SHLD-3, MAY-1.
func TestDataAfterClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		s.Close()
		wantEOF(t, c)
		write(t, c, "anybody there?")
		quiet()
		_, err := c.Write([]byte("hello?"))
		wantOpError(t, err, "write", syscall.EPIPE)
		wantEOF(t, c)
		wantCount(t, p.b, "connections", 0)
	})
}

func TestCloseRead(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		done := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
		quiet()
		c.CloseRead()
		if err := <-done; err != io.EOF {
			t.Errorf("Read: %v", err)
		}
		write(t, s, "into the void")
		write(t, c, "but this way it works")
		wantRead(t, s, "but this way it works")
	})
}

// Shows: MUST-13.
func TestTimeWaitEnds(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Conn: conn.Config{TimeWait: 30 * time.Second}})
		c, s := p.connect(p.listen())
		c.CloseWrite()
		wantEOF(t, s)
		s.Close()
		wantEOF(t, c)
		quiet()
		wantState(t, c, conn.TimeWait)
		list := p.a.Connections()
		if len(list) != 1 || list[0].State != conn.TimeWait || list[0].Info.State != conn.TimeWait {
			t.Fatalf("connections %+v", list)
		}
		wantCount(t, p.b, "connections", 0)
		time.Sleep(29 * time.Second)
		wantState(t, c, conn.TimeWait)
		time.Sleep(2 * time.Second)
		wantState(t, c, conn.Closed)
		wantCount(t, p.a, "connections", 0)
	})
}

// Data that arrived before TIME-WAIT can be read in TIME-WAIT.
func TestReadInTimeWait(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		c.CloseWrite()
		wantEOF(t, s)
		write(t, s, "last words")
		s.Close()
		quiet()
		wantState(t, c, conn.TimeWait)
		wantRead(t, c, "last words")
		wantEOF(t, c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Both close at once: CLOSING, then TIME-WAIT at both ends.
func TestSimultaneousClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		quiet()
		var held [][]byte
		hold := locked(func(frame []byte) stacktest.Fate {
			held = append(held, bytes.Clone(frame))
			return stacktest.Drop
		})
		p.da.SetHook(hold)
		p.db.SetHook(hold)
		c.CloseWrite()
		s.CloseWrite()
		var last []conn.State
		p.da.SetHook(nil)
		p.db.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop }) // b's ACK of a's FIN is lost
		p.da.Inject(held[1])
		quiet()
		last = append(last, c.State())
		p.db.SetHook(nil)
		p.db.Inject(held[0])
		quiet()
		last = append(last, c.State(), s.State())
		want := []conn.State{conn.Closing, conn.TimeWait, conn.TimeWait}
		for i := range want {
			if last[i] != want[i] {
				t.Fatalf("states %v, want %v", last, want)
			}
		}
	})
}

// The same two ports meet again while one is in TIME-WAIT: a SYN with a later timestamp opens (RFC 6191).
//
// Shows: SHLD-4, MAY-2.
func TestReopenTimeWait(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		local, remote := netip.MustParseAddrPort("10.77.0.1:4000"), netip.MustParseAddrPort("10.77.0.2:80")
		c, err := p.a.DialTCP(t.Context(), local, remote)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := l.AcceptTCP()
		s.CloseWrite() // first, so that TIME-WAIT is the server's
		wantEOF(t, c)
		c.Close()
		wantEOF(t, s)
		quiet()
		wantState(t, s, conn.TimeWait)

		time.Sleep(5 * time.Millisecond)
		c, err = p.a.DialTCP(t.Context(), local, remote)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := l.AcceptTCP()
		write(t, c, "again")
		wantRead(t, again, "again")
		wantState(t, s, conn.Closed)
		wantCount(t, p.b, "time-wait-reopened", 1)
	})
}

// A RST does not end TIME-WAIT (RFC 1337), and an old duplicate is answered with an ACK.
func TestTimeWaitAssassination(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		var fin []byte
		p.db.SetHook(locked(func(frame []byte) stacktest.Fate {
			if has(frame, wire.FIN) {
				fin = bytes.Clone(frame)
			}
			return stacktest.Pass
		}))
		c.CloseWrite()
		wantEOF(t, s)
		s.Close()
		quiet()
		wantState(t, c, conn.TimeWait)
		p.da.Inject(fin) // late
		quiet()          // its ACK meets no connection at b, which sends a RST
		wantCount(t, p.b, "resets-sent", 1)
		wantState(t, c, conn.TimeWait)
	})
}

// A peer that never sends its FIN does not hold a closed connection for ever.
func TestOrphanInFinWait2(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{KeepAlive: -1})
		c, s := p.connect(p.listen())
		c.Close()
		quiet()
		wantState(t, c, conn.FinWait2)
		time.Sleep(61 * time.Second)
		wantState(t, c, conn.Closed)
		wantState(t, s, conn.CloseWait)
		wantCount(t, p.a, "connections", 0)
	})
}

// A FIN and its ACK that are lost are sent again.
func TestFINLost(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		lost := 0
		p.da.SetHook(locked(func(frame []byte) stacktest.Fate {
			if has(frame, wire.FIN) && lost < 3 {
				lost++
				return stacktest.Drop
			}
			return stacktest.Pass
		}))
		c.Close()
		wantEOF(t, s)
		if lost != 3 {
			t.Errorf("%d FINs were lost", lost)
		}
	})
}
