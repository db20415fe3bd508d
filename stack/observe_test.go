package stack

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

// endList records the ends that a stack reports.
type endList struct {
	mu   sync.Mutex
	list []ConnEnd
}

func (o *endList) ended(v *ConnEnd) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, *v)
}

// take returns the ends since the last call.
func (o *endList) take() []ConnEnd {
	quiet()
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}

func TestObserveEnd(t *testing.T) {
	for _, test := range []struct {
		name   string
		finish func(client, server *Conn)
		by     End // as client's stack sees it
		err    error
		state  conn.State
	}{
		{"first FIN here", func(client, server *Conn) { client.Close(); quiet(); server.Close() }, LocalEnd, nil, conn.TimeWait},
		{"first FIN there", func(client, server *Conn) { server.Close(); quiet(); client.Close() }, RemoteEnd, nil, conn.Closed},
		{"RST here", func(client, server *Conn) { client.SetLinger(0); client.Close() }, LocalEnd, conn.ErrClosed, conn.Closed},
		{"RST there", func(client, server *Conn) { server.SetLinger(0); server.Close() }, RemoteEnd, conn.ErrReset, conn.Closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				time.Sleep(time.Second)
				var seen endList
				stop := p.a.Observe(Observer{Ended: seen.ended})
				client, server := p.connect(p.listen())
				write(t, client, "hello")
				wantRead(t, server, "hello")
				time.Sleep(3 * time.Second)
				test.finish(client, server)
				list := seen.take()
				if len(list) != 1 {
					t.Fatalf("%d ends, want 1: %+v", len(list), list)
				}
				v := list[0]
				if v.By != test.by || v.Err != test.err || v.Info.State != test.state || v.Info.Sent != 5 {
					t.Errorf("by %v, %v, state %v, %d bytes sent; want %v, %v, %v, 5", v.By, v.Err, v.Info.State, v.Info.Sent, test.by, test.err, test.state)
				}
				if v.Began != time.Second || v.Ended-v.Began < 3*time.Second || v.Remote != netip.MustParseAddrPort("10.77.0.2:80") {
					t.Errorf("from %v to %v, to %v", v.Began, v.Ended, v.Remote)
				}
				stop()
				client, _ = p.connect(p.used[0].(*Listener))
				client.Close()
				if list := seen.take(); len(list) != 0 {
					t.Errorf("after stop: %+v", list)
				}
			})
		})
	}
}

// A connection whose peer vanishes is ended by neither end.
func TestObserveTimeout(t *testing.T) {
	within(t, func(t *testing.T) {
		var seen endList
		p := newPair(t, Config{})
		p.da.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
		p.a.Observe(Observer{Ended: seen.ended})
		if _, err := p.a.Dial("tcp", "10.77.0.2:80"); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Fatal(err)
		}
		if list := seen.take(); len(list) != 1 || list[0].By != NoEnd || list[0].Err != conn.ErrTimeout {
			t.Errorf("%+v, want one by none with %v", list, conn.ErrTimeout)
		}
	})
}

// Observers of segments come and go while the stack runs, beside Config.Trace.
func TestObserveSegments(t *testing.T) {
	within(t, func(t *testing.T) {
		var mu sync.Mutex
		var always, sometimes int
		count := func(n *int) func(*TraceEvent) {
			return func(*TraceEvent) {
				mu.Lock()
				defer mu.Unlock()
				*n++
			}
		}
		counts := func() (int, int) {
			quiet()
			mu.Lock()
			defer mu.Unlock()
			return always, sometimes
		}
		p := newPairOn(t, stacktest.Config{}, Config{Trace: count(&always)}, Config{})
		client, server := p.connect(p.listen())
		if a, s := counts(); a != 3 || s != 0 {
			t.Errorf("%d and %d segments, want 3 and 0", a, s)
		}
		stop := p.a.Observe(Observer{Segment: count(&sometimes)})
		write(t, client, "x")
		wantRead(t, server, "x")
		quiet()
		stop()
		stop()
		write(t, client, "x")
		wantRead(t, server, "x")
		a, s := counts()
		if s != 1 || a < 5 {
			t.Errorf("%d and %d segments, want at least 5, and 1", a, s)
		}
	})
}

func TestAbort(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		client, server := p.connect(p.listen())
		local, remote := client.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort(), netip.MustParseAddrPort("10.77.0.2:80")
		if i, ok := p.a.Connection(local, remote); !ok || i.State != conn.Established || i.Local != local || i.Info.MSS != 1448 || i.Began != 0 {
			t.Errorf("Connection: %+v, %v", i, ok)
		}
		if p.a.Abort(remote, local) || p.a.Abort(netip.AddrPort{}, remote) {
			t.Error("Abort has found a connection that does not exist")
		}
		time.Sleep(2 * time.Second)
		if i, ok := p.a.Connection(local, remote); !ok || i.Age < 2*time.Second || i.Age > 3*time.Second {
			t.Errorf("age %v, want about 2s", i.Age)
		}
		if !p.a.Abort(local, remote) {
			t.Error("Abort has not found the connection")
		}
		_, err := client.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNABORTED)
		_, err = server.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNRESET)
		if _, ok := p.a.Connection(local, remote); ok || p.a.Abort(local, remote) {
			t.Error("the connection still exists")
		}
	})
}

func TestListeners(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Backlog: 5})
		p.listen()
		if _, err := p.a.Dial("tcp", "10.77.0.2:80"); err != nil {
			t.Fatal(err)
		}
		quiet()
		want := ListenerInfo{Local: netip.MustParseAddrPort("[::]:80"), Waiting: 1, Backlog: 5}
		if list := p.b.Listeners(); len(list) != 1 || list[0] != want {
			t.Errorf("%+v, want %+v", list, want)
		}
		if list := p.a.Listeners(); len(list) != 0 {
			t.Errorf("%+v, want none", list)
		}
	})
}

func TestAbortTimeWait(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		client, server := p.connect(p.listen())
		client.Close()
		quiet()
		server.Close()
		quiet()
		list := p.a.Connections()
		if len(list) != 1 || list[0].State != conn.TimeWait {
			t.Fatalf("%+v, want one in TIME-WAIT", list)
		}
		if !p.a.Abort(list[0].Local, list[0].Remote) || len(p.a.Connections()) != 0 {
			t.Error("the connection still exists")
		}
	})
}

// A connection is reported by both ends when it is established, with the times of its first SYN and of that.
func TestObserveOpened(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.da.SetHook(dropFirst())
		p.db.SetHook(dropFirst())
		var mu sync.Mutex
		var dialed, accepted []ConnOpen
		record := func(list *[]ConnOpen) func(*ConnOpen) {
			return func(v *ConnOpen) {
				mu.Lock()
				defer mu.Unlock()
				*list = append(*list, *v)
			}
		}
		p.a.Observe(Observer{Opened: record(&dialed)})
		p.b.Observe(Observer{Opened: record(&accepted)})
		time.Sleep(time.Second)
		client, _ := p.connect(p.listen())
		if _, err := p.a.Dial("tcp", "10.77.0.2:81"); err == nil {
			t.Fatal("Dial to a closed port has succeeded")
		}
		quiet()
		mu.Lock()
		defer mu.Unlock()
		local, remote := client.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort(), netip.MustParseAddrPort("10.77.0.2:80")
		if want := (ConnOpen{local, remote, time.Second, 3 * time.Second}); len(dialed) != 1 || dialed[0] != want {
			t.Errorf("%+v, want %+v", dialed, want)
		}
		if want := (ConnOpen{remote, local, 2 * time.Second, 3 * time.Second}); len(accepted) != 1 || accepted[0] != want {
			t.Errorf("%+v, want %+v", accepted, want)
		}
	})
}

// dropFirst returns a hook that drops the first frame.
func dropFirst() func([]byte) stacktest.Fate {
	var seen atomic.Bool
	return func([]byte) stacktest.Fate {
		if seen.Swap(true) {
			return stacktest.Pass
		}
		return stacktest.Drop
	}
}

// A connection that began with a SYN cookie is reported by the end that has sent the SYN only.
func TestObserveOpenedCookie(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{SYNCookies: SYNCookiesAlways})
		p.da.SetHook(dropFirst())
		var opened [2]atomic.Int32
		p.a.Observe(Observer{Opened: func(*ConnOpen) { opened[0].Add(1) }})
		p.b.Observe(Observer{Opened: func(*ConnOpen) { opened[1].Add(1) }})
		p.connect(p.listen())
		quiet()
		if a, b := opened[0].Load(), opened[1].Load(); a != 1 || b != 0 {
			t.Errorf("%d and %d, want 1 and 0", a, b)
		}
	})
}
