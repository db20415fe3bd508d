package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/addresses"
	"minitcp/stack/stacktest"
)

func TestConnectAndEcho(t *testing.T) {
	for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80", "[::ffff:10.77.0.2]:80"} {
		for _, link := range []stacktest.Config{{}, {Offload: stacktest.Plain}, {MTU: 9000}, {MTU: 1280}} {
			within(t, func(t *testing.T) {
				p := newPairOn(t, link, Config{}, Config{})
				l := p.listen()
				c, s := p.connectTo(l, address)
				wantState(t, c, conn.Established)
				wantState(t, s, conn.Established)
				write(t, c, "hello")
				wantRead(t, s, "hello")
				write(t, s, "and back")
				wantRead(t, c, "and back")
				if c.LocalAddr().String() != s.RemoteAddr().String() || s.LocalAddr().String() != c.RemoteAddr().String() {
					t.Errorf("%v to %v at one end, %v to %v at the other", c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr())
				}
				if port := c.LocalAddr().(*net.TCPAddr).Port; port < 32768 || port > 60999 {
					t.Errorf("port %d is not of the ephemeral range", port)
				}
			})
		}
	}
}

// Two megabytes each way at once, over links good and bad.
func TestBulk(t *testing.T) {
	links := []struct {
		name string
		link stacktest.Config
		hook func(r *rand.Rand) stacktest.Hook
	}{
		{"offloads", stacktest.Config{}, nil},
		{"plain", stacktest.Config{Offload: stacktest.Plain}, nil},
		{"jumbo", stacktest.Config{MTU: 65535}, nil},
		{"short queue", stacktest.Config{Offload: stacktest.Plain, Queue: 20}, nil},
		{"lost", stacktest.Config{}, func(r *rand.Rand) stacktest.Hook {
			return func([]byte) stacktest.Fate {
				if r.IntN(50) == 0 {
					return stacktest.Drop
				}
				return stacktest.Pass
			}
		}},
		{"damaged", stacktest.Config{}, func(r *rand.Rand) stacktest.Hook {
			return func(frame []byte) stacktest.Fate {
				if r.IntN(50) == 0 {
					stacktest.Damage(frame)
				}
				return stacktest.Pass
			}
		}},
	}
	for _, link := range links {
		t.Run(link.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				p := newPairOn(t, link.link, Config{}, Config{})
				l := p.listen()
				c, s := p.connect(l)
				if link.hook != nil {
					p.da.SetHook(locked(link.hook(rand.New(rand.NewPCG(1, 2)))))
					p.db.SetHook(locked(link.hook(rand.New(rand.NewPCG(3, 4)))))
				}
				var wait sync.WaitGroup
				wait.Go(func() { sendAndClose(t, c, 1, 2<<20) })
				wait.Go(func() { sendAndClose(t, s, 2, 2<<20) })
				wait.Go(func() { receiveAll(t, c, 2, 2<<20) })
				wait.Go(func() { receiveAll(t, s, 1, 2<<20) })
				wait.Wait()
				if p.da.Counts().TooBig+p.db.Counts().TooBig != 0 {
					t.Errorf("frames the link could not carry: %+v, %+v", p.da.Counts(), p.db.Counts())
				}
			})
		})
	}
}

// locked makes a hook that keeps state safe for the goroutines that send.
func locked(h stacktest.Hook) stacktest.Hook {
	var mu sync.Mutex
	return func(frame []byte) stacktest.Fate {
		mu.Lock()
		defer mu.Unlock()
		return h(frame)
	}
}

func pattern(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, n)
	r.Read(b)
	return b
}

func sendAndClose(t *testing.T, c *Conn, seed uint64, n int) {
	if m, err := c.Write(pattern(seed, n)); m != n || err != nil {
		t.Errorf("Write: %d, %v", m, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Errorf("CloseWrite: %v", err)
	}
}

func receiveAll(t *testing.T, c *Conn, seed uint64, n int) {
	b, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("Read: %v", err)
	}
	if len(b) != n || sha256.Sum256(b) != sha256.Sum256(pattern(seed, n)) {
		t.Errorf("received %d bytes, want %d; equal: %v", len(b), n, bytes.Equal(b, pattern(seed, n)))
	}
}

// A superframe is one frame: far fewer leave than there are segments.
func TestSuperframes(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		var wait sync.WaitGroup
		wait.Go(func() { sendAndClose(t, c, 1, 8<<20) })
		wait.Go(func() { receiveAll(t, s, 1, 8<<20) })
		wait.Wait()
		stats := p.a.Stats()
		segments, frames := stats["segments-sent"], stats["frames-sent"]
		if segments < 8<<20/1448 {
			t.Errorf("%d segments are too few", segments)
		}
		if frames*10 > segments {
			t.Errorf("%d segments went out in %d frames", segments, frames)
		}
	})
}

func TestRefused(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		begin := time.Now()
		for _, address := range []string{"10.77.0.2:81", "[fd77::2]:81"} {
			_, err := p.a.Dial("tcp", address)
			wantOpError(t, err, "dial", syscall.ECONNREFUSED)
		}
		took(t, begin, 0, time.Second)
		wantCount(t, p.b, "resets-sent", 2)
		wantCount(t, p.a, "connections", 0)
	})
}

// A host that says nothing: the SYN is sent again and again, then ETIMEDOUT.
//
// Shows: MUST-22, MUST-23.
func TestDialTimesOut(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.da.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
		begin := time.Now()
		_, err := p.a.Dial("tcp", "10.77.0.2:80")
		wantOpError(t, err, "dial", syscall.ETIMEDOUT)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v: Timeout is false", err)
		}
		took(t, begin, 3*time.Minute, 4*time.Minute) // MUST-23
		if n := p.da.Counts().ByTheHook; n < 6 || n > 10 {
			t.Errorf("%d SYNs", n)
		}
	})
}

func TestDialContext(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.da.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := p.a.DialContext(ctx, "tcp", "10.77.0.2:80")
		wantOpError(t, err, "dial", context.DeadlineExceeded)
		wantOpError(t, err, "dial", os.ErrDeadlineExceeded)
		took(t, begin, 3*time.Second, 3*time.Second)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = p.a.DialContext(ctx, "tcp", "10.77.0.2:80")
		wantOpError(t, err, "dial", context.Canceled)

		_, err = p.a.DialContext(ctx, "tcp", "10.77.0.2:80") // already over
		wantOpError(t, err, "dial", context.Canceled)
		wantCount(t, p.a, "connections", 0)
	})
}

// Fifty destinations that say nothing do not keep the fifty-first waiting.
func TestBlackHolesDoNotBlock(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		p.da.SetHook(func(frame []byte) stacktest.Fate {
			if _, tcp, _, ok := stacktest.Segment(frame); ok && tcp.DstPort != 80 {
				return stacktest.Drop
			}
			return stacktest.Pass
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for i := range 50 {
			wait.Go(func() {
				_, err := p.a.DialTCP(ctx, netip.AddrPort{}, netip.AddrPortFrom(addressesB[0].Addr(), uint16(1000+i)))
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Dial: %v", err)
				}
			})
		}
		quiet()
		begin := time.Now()
		c, s := p.connect(l)
		write(t, c, "x")
		wantRead(t, s, "x")
		took(t, begin, 0, 0)
		cancel()
		wait.Wait()
	})
}

// Shows: MUST-43.
func TestDialFrom(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		local := netip.MustParseAddrPort("10.77.0.1:4000")
		remote := netip.MustParseAddrPort("10.77.0.2:80")
		c, err := p.a.DialTCP(t.Context(), local, remote)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.LocalAddr().String(); got != local.String() {
			t.Errorf("local address %v, want %v", got, local)
		}
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		_, err = p.a.DialTCP(t.Context(), local, remote)
		wantOpError(t, err, "dial", syscall.EADDRINUSE)
		_, err = p.a.DialTCP(t.Context(), netip.MustParseAddrPort("10.77.0.9:0"), remote)
		wantOpError(t, err, "dial", syscall.EADDRNOTAVAIL)
		_, err = p.a.DialTCP(t.Context(), netip.MustParseAddrPort("[fd77::1]:0"), remote)
		wantOpError(t, err, "dial", syscall.EADDRNOTAVAIL)
	})
}

// Shows: MUST-46.
func TestDialBadAddresses(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		for _, address := range []string{
			"224.0.0.1:80", "255.255.255.255:80", "10.77.0.255:80", "0.0.0.0:80", "127.0.0.1:80", // MUST-46
			"[ff02::1]:80", "[::]:80", "[::1]:80", "10.77.0.2:0",
		} {
			_, err := p.a.Dial("tcp", address)
			wantOpError(t, err, "dial", syscall.ENETUNREACH)
		}
		for network, address := range map[string]string{
			"tcp": "example.org:80", "tcp4": "[fd77::2]:80", "tcp6": "10.77.0.2:80", "unix": "10.77.0.2:80",
		} {
			if c, err := p.a.Dial(network, address); err == nil {
				c.Close()
				t.Errorf("Dial(%q, %q) worked", network, address)
			}
		}
		if _, err := p.a.Dial("tcp", "10.77.0.2"); err == nil {
			t.Error("Dial without a port worked")
		}
		wantCount(t, p.a, "frames-sent", 0)
	})
}

// All ephemeral ports towards one place used: EADDRNOTAVAIL; towards another they are free.
func TestPortsRunOut(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{EphemeralPorts: [2]uint16{50000, 50009}})
		l := p.listen()
		seen := make(map[string]bool)
		for range 10 {
			c, _ := p.connect(l)
			seen[c.LocalAddr().String()] = true
		}
		if len(seen) != 10 {
			t.Errorf("ports %v", seen)
		}
		_, err := p.a.Dial("tcp", "10.77.0.2:80")
		wantOpError(t, err, "dial", syscall.EADDRNOTAVAIL)
		p.connectTo(l, "[fd77::2]:80")
	})
}

// Both ends call each other from the ports they call: one connection (RFC 9293 3.5, MUST-10).
//
// Shows: MUST-10.
func TestSimultaneousOpen(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		here, there := netip.MustParseAddrPort("10.77.0.1:700"), netip.MustParseAddrPort("10.77.0.2:700")
		var held [][]byte
		hold := locked(func(frame []byte) stacktest.Fate { // the SYNs are to cross
			held = append(held, bytes.Clone(frame))
			return stacktest.Drop
		})
		p.da.SetHook(hold)
		p.db.SetHook(hold)
		var wait sync.WaitGroup
		var c, s *Conn
		wait.Go(func() { c, _ = p.a.DialTCP(t.Context(), here, there) })
		wait.Go(func() { s, _ = p.b.DialTCP(t.Context(), there, here) })
		quiet()
		p.da.SetHook(nil)
		p.db.SetHook(nil)
		for _, frame := range held {
			if ip, _, _, _ := stacktest.Segment(frame); ip.Src == here.Addr() {
				p.db.Inject(frame)
			} else {
				p.da.Inject(frame)
			}
		}
		wait.Wait()
		if c == nil || s == nil {
			t.Fatal("no connection")
		}
		write(t, c, "both")
		wantRead(t, s, "both")
		write(t, s, "called")
		wantRead(t, c, "called")
	})
}

// The handshake survives the loss of each of its segments.
func TestHandshakeLoss(t *testing.T) {
	for name, flags := range map[string]wire.Flags{"SYN": wire.SYN, "SYN-ACK": wire.SYN | wire.ACK, "ACK": wire.ACK} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				l := p.listen()
				lost := false
				hook := locked(func(frame []byte) stacktest.Fate {
					_, tcp, _, _ := stacktest.Segment(frame)
					if !lost && tcp.Flags == flags {
						lost = true
						return stacktest.Drop
					}
					return stacktest.Pass
				})
				p.da.SetHook(hook)
				p.db.SetHook(hook)
				c, s := p.connect(l)
				write(t, c, "x")
				wantRead(t, s, "x")
				if !lost {
					t.Error("nothing was lost")
				}
			})
		})
	}
}

// The queue of an active OPEN is in range whatever the number of OPENs, also where int has 32 bits.
func TestQueueFor(t *testing.T) {
	s := &Stack{loop: loop{number: 3}}
	s.addresses.Store(addresses.NewSet(addressesA))
	for _, n := range []uint32{0, 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32} {
		if got, want := s.queueFor(addressesB[0].Addr(), n), uint8(uint64(n)%3); got != want {
			t.Errorf("queueFor(%d) is %d, want %d", n, got, want)
		}
	}
}
