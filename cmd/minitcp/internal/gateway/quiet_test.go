//go:build linux

package gateway

import (
	"errors"
	"io"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/stack"
	"minitcp/stack/relay"
	"minitcp/stack/stacktest"
)

// quietPair returns the ends of a connection between two stacks. The stack of the first has no keep-alive. Probes are
// the frames that the second sends.
func quietPair(t *testing.T) (peer, end *stack.Conn, link [2]*stacktest.Device) {
	t.Helper()
	link[0], link[1] = stacktest.Pipe(1500)
	var stacks [2]*stack.Stack
	for i, d := range link {
		var err error
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), 24)
		if stacks[i], err = stack.New(d, stack.Config{Addresses: []netip.Prefix{address}, KeepAlive: -1}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stacks[i].Close() })
	}
	l, err := stacks[1].ListenTCP("tcp", ":22")
	if err != nil {
		t.Fatal(err)
	}
	c, err := stacks[0].Dial("tcp", "10.77.0.2:22")
	if err != nil {
		t.Fatal(err)
	}
	if end, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	return c.(*stack.Conn), end, link
}

// TestQuietConnection relays a connection that has no data for 2 hours and 4 minutes, in virtual time, as a session of
// ssh may. The gateway probes both ends every 2 minutes, and ends the connection only when one of them has vanished. A
// connection between stacks takes the place of that of the kernel's, whose options TestKeepAliveOptions checks.
func TestQuietConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, inside, clientLink := quietPair(t)
		server, outside, serverLink := quietPair(t)
		outside.SetKeepAliveConfig(keepAlive)
		done := make(chan error, 1)
		go func() {
			_, err := relayQuietly(inside, outside)
			done <- err
		}()
		io.WriteString(client, "question")
		expect(t, server, "question")
		time.Sleep(time.Second) // the delayed ACK, which is no probe
		probes := [2]int64{clientLink[1].Counts().Sent, serverLink[1].Counts().Sent}
		time.Sleep(2*time.Hour + 4*time.Minute)
		for i, link := range [][2]*stacktest.Device{clientLink, serverLink} {
			if n := link[1].Counts().Sent - probes[i]; n != 61 && n != 62 { // one in 2 minutes; that of the last may follow
				t.Errorf("the %s got %d probes, want 61 or 62", []string{"client", "server"}[i], n)
			}
		}
		if len(done) != 0 {
			t.Fatalf("the relay has ended: %v", <-done)
		}
		io.WriteString(server, "late answer")
		expect(t, client, "late answer")

		time.Sleep(time.Second) // the delayed ACK
		clientLink[0].SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
		began := time.Now()
		if err := <-done; !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("the end of a relay whose client has vanished: %v, want ETIMEDOUT", err)
		}
		if took := time.Since(began); took < 2*time.Minute || took > 2*time.Minute+10*15*time.Second {
			t.Errorf("it took %v, want 2 minutes and 9 probes of 15 seconds", took)
		}
		expectEnd(t, server, syscall.ECONNRESET)
	})
}

// TestKeepAliveOptions checks the options of the sockets by which the gateway connects: they have the keep-alive of
// [keepAlive] and no timeout that would end a quiet connection.
func TestKeepAliveOptions(t *testing.T) {
	outbounds(t, func(t *testing.T, rules []Rule) {
		var mu sync.Mutex
		copies := make(map[string]int) // copy of the socket, by its network address
		f := newFixture(t, Options{Rules: rules, Control: func(_, address string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) {
				var n int
				if n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
					mu.Lock()
					defer mu.Unlock()
					copies[address] = n
				}
			})
			return err
		}})
		l, address := listen(t, 0)
		c, err := f.dial(t, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		io.WriteString(c, "x")
		expect(t, accepted.(relay.Conn), "x")
		mu.Lock()
		defer mu.Unlock()
		if len(copies) != 1 {
			t.Errorf("sockets to %v, want one", copies)
		}
		for _, fd := range copies {
			defer unix.Close(fd)
			for _, option := range []struct {
				name                string
				level, number, want int
			}{
				{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 120},
				{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
				{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
				{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0},
			} {
				if got, err := unix.GetsockoptInt(fd, option.level, option.number); err != nil || got != option.want {
					t.Errorf("%s is %d, %v; want %d", option.name, got, err, option.want)
				}
			}
		}
	})
}

// TestDialed checks that connections are reported with their time, and those that were refused are not.
func TestDialed(t *testing.T) {
	dialed := make(chan time.Duration, 10)
	f := newFixture(t, Options{Dialed: func(took time.Duration) { dialed <- took }})
	l, address := listen(t, 0)
	if _, err := f.dial(t, "tcp", address); err != nil {
		t.Fatal(err)
	}
	if took := <-dialed; took <= 0 || took > patience {
		t.Errorf("%v", took)
	}
	l.Close()
	if _, err := f.dial(t, "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("to a closed port: %v", err)
	}
	f.awaitLog(t, "refused")
	if len(dialed) != 0 {
		t.Errorf("%d more are reported", len(dialed))
	}
}
