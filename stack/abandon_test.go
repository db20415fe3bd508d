package stack

import (
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/memory"
)

// collectorOff turns the garbage collector off until the test ends: only collect runs it. A cycle at another time
// would find abandoned connections while frames still arrive, and the stack would close them before collect runs.
func collectorOff(t *testing.T) {
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
}

// collect runs the garbage collector until s has found n abandoned connections and listeners.
func collect(t *testing.T, s *Stack, n int) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		found := s.abandoned.Len()
		if found == n {
			return
		}
	}
	t.Fatalf("the garbage collector has not found %d abandoned connections or listeners", n)
}

// forget accepts a connection from a, calls use with both ends and forgets b's.
//
//go:noinline
func (p *pair) forget(l *Listener, use func(client, server *Conn)) (client *Conn) {
	p.t.Helper()
	c, err := p.a.Dial("tcp", "10.77.0.2:80")
	if err != nil {
		p.t.Fatal(err)
	}
	server, err := l.AcceptTCP()
	if err != nil {
		p.t.Fatal(err)
	}
	use(c.(*Conn), server)
	quiet()
	return c.(*Conn)
}

// A connection that the application forgets is closed as by Close: with a RST if data is unread, else with a FIN, and
// with the linger time that was set. Its memory comes back.
func TestAbandonedConn(t *testing.T) {
	reset := func(t *testing.T, c *Conn) {
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNRESET)
	}
	for name, c := range map[string]struct {
		use  func(client, server *Conn)
		want func(*testing.T, *Conn)
	}{
		"unread data": {
			func(client, _ *Conn) { client.Write(make([]byte, 100_000)) },
			reset,
		},
		"nothing unread": {
			func(_, server *Conn) { server.Write([]byte("x")) },
			func(t *testing.T, c *Conn) { wantRead(t, c, "x"); wantEOF(t, c) },
		},
		"linger of 0": {
			func(_, server *Conn) { server.SetLinger(0) },
			reset,
		},
	} {
		t.Run(name, func(t *testing.T) {
			collectorOff(t)
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				client := p.forget(p.listen(), c.use)
				collect(t, p.b, 1)
				time.Sleep(16 * time.Second) // a keep-alive
				c.want(t, client)
				client.Close()
				quiet()
				wantNothingHeld(t, p.b, 0)
			})
		})
	}
}

// wantNothingHeld checks that s holds no memory besides connections without data, of which it has the given number.
func wantNothingHeld(t *testing.T, s *Stack, connections int64) {
	t.Helper()
	pool := s.cfg.Conn.Pool.(*memory.Pool)
	want := int64(s.timeWaits.Len())*int64(timeWaitMemory) + connections*int64(connectionMemory)
	if n, bytes := pool.Lent(), pool.Charged(); n != 0 || bytes != want {
		t.Errorf("%d pages and %d bytes are in use, want none and %d of connections without data", n, bytes, want)
	}
}

// A connection that has ended before the application forgets it gives its memory back, too: after a RST, and in
// TIME-WAIT.
func TestAbandonedAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(client, server *Conn){
		"reset": func(client, server *Conn) {
			client.SetLinger(0)
			client.Close()
		},
		"TIME-WAIT": func(client, server *Conn) {
			server.CloseWrite()
			quiet()
			client.CloseWrite()
		},
	} {
		t.Run(name, func(t *testing.T) {
			collectorOff(t)
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				l := p.listen()
				client := p.forget(l, func(client, server *Conn) {
					client.Write(make([]byte, 100_000))
					quiet()
					end(client, server)
				})
				if n := p.b.cfg.Conn.Pool.(*memory.Pool).Lent(); n == 0 {
					t.Error("no memory is in use for unread data")
				}
				collect(t, p.b, 1)
				client.Close()
				p.connect(l) // a frame
				quiet()
				wantNothingHeld(t, p.b, 1)
			})
		})
	}
}

// A call that waits keeps its connection, and so does a Handler without a variable that refers to it.
func TestConnInUseIsNotAbandoned(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		read := make(chan int)
		client := p.forget(p.listen(), func(_, server *Conn) {
			go func() {
				n, _ := server.Read(make([]byte, 1))
				read <- n
			}()
		})
		if _, err := p.b.Handle("tcp", ":81", func(*Conn) Handler { return answer{} }); err != nil {
			t.Fatal(err)
		}
		served, err := p.a.Dial("tcp", "10.77.0.2:81")
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			runtime.GC()
		}
		write(t, served, "x")
		wantRead(t, served, "x")
		write(t, client, "x")
		if n := <-read; n != 1 {
			t.Errorf("%d bytes were read, want 1", n)
		}
		wantState(t, served.(*Conn), conn.Established)
		client.Close()
		served.Close()
	})
}

// A listener that the application forgets frees its port. The connections that wait in it are reset.
func TestAbandonedListener(t *testing.T) {
	collectorOff(t)
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.forgetListener()
		waiting := p.dial()
		quiet()
		collect(t, p.b, 1)
		l := p.listen()
		_, err := waiting.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNRESET)
		p.connect(l)
	})
}

//go:noinline
func (p *pair) forgetListener() {
	if _, err := p.b.Listen("tcp", ":80"); err != nil {
		p.t.Fatal(err)
	}
}

// Shutdown ends connections that the application has forgotten, whether their finalizers have run or not.
func TestShutdownEndsAbandoned(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{KeepAlive: -1})
		client := p.forget(p.listen(), func(_, _ *Conn) {})
		runtime.GC()
		done := make(chan error)
		go func() { done <- p.b.Shutdown(t.Context()) }()
		wantEOF(t, client)
		client.Close()
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}
