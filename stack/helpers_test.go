package stack

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

var (
	addressesA = []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}
	addressesB = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")}
)

// pair is two stacks joined by a link in memory: a calls, b listens.
type pair struct {
	t      *testing.T
	a, b   *Stack
	da, db *stacktest.Device
	used   []any // all that pair's methods have opened: the stack closes sockets that the garbage collector finds
}

// newPair makes two stacks with one Config, which may be zero. They are closed when the test ends; in a bubble of
// testing/synctest that also shows that no goroutine is left.
func newPair(t *testing.T, cfg Config) *pair {
	return newPairOn(t, stacktest.Config{}, cfg, cfg)
}

func newPairOn(t *testing.T, link stacktest.Config, a, b Config) *pair {
	t.Helper()
	p := &pair{t: t}
	p.da, p.db = stacktest.New(link)
	a.Addresses, b.Addresses = addressesA, addressesB
	var err error
	if p.a, err = New(p.da, a); err != nil {
		t.Fatal(err)
	}
	if p.b, err = New(p.db, b); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := p.b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

// listen makes b listen on port 80 of both families.
func (p *pair) listen() *Listener {
	p.t.Helper()
	l, err := p.b.ListenTCP("tcp", ":80")
	if err != nil {
		p.t.Fatal(err)
	}
	p.used = append(p.used, l)
	return l
}

// connect dials from a to b's port 80, and accepts.
func (p *pair) connect(l *Listener) (client, server *Conn) {
	p.t.Helper()
	return p.connectTo(l, "10.77.0.2:80")
}

func (p *pair) connectTo(l *Listener, address string) (client, server *Conn) {
	p.t.Helper()
	c, err := p.a.Dial("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	server, err = l.AcceptTCP()
	if err != nil {
		p.t.Fatal(err)
	}
	p.used = append(p.used, c, server)
	return c.(*Conn), server
}

// within runs a test in a bubble: virtual time, no goroutine may outlive it.
func within(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func write(t *testing.T, c io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(c, s); n != len(s) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
}

func wantRead(t *testing.T, c io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("Read: %v, want %q", err, want)
	}
	if string(b) != want {
		t.Fatalf("read %q, want %q", b, want)
	}
}

// wantBytes reads as many bytes as want has, and checks them. It may be called on any goroutine.
func wantBytes(t *testing.T, c io.Reader, want []byte) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil {
		t.Errorf("Read: %v after %d bytes", err, n)
		return
	}
	if !bytes.Equal(b, want) {
		t.Error("other bytes than were written")
	}
}

func wantEOF(t *testing.T, c io.Reader) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("Read: %d, %v; want io.EOF itself", n, err)
	}
}

// wantOpError checks that err is a *net.OpError of that operation around target.
func wantOpError(t *testing.T, err error, op string, target error) {
	t.Helper()
	var e *net.OpError
	if !errors.As(err, &e) || e.Op != op {
		t.Fatalf("%v (%T), want a *net.OpError of %q", err, err, op)
	}
	if !errors.Is(err, target) {
		t.Fatalf("%v, want one for which errors.Is finds %v", err, target)
	}
}

func wantState(t *testing.T, c *Conn, want conn.State) {
	t.Helper()
	if got := c.State(); got != want {
		t.Fatalf("state %v, want %v", got, want)
	}
}

func wantCount(t *testing.T, s *Stack, name string, want uint64) {
	t.Helper()
	quiet() // a frame is counted when it has been sent, and may have been answered by then
	stats := s.Stats()
	got, ok := stats[name]
	if !ok {
		t.Fatalf("there is no counter %q", name)
	}
	if got != want {
		t.Fatalf("%s is %d, want %d", name, got, want)
	}
}

// took checks that as much virtual time has passed since begin.
func took(t *testing.T, begin time.Time, least, most time.Duration) {
	t.Helper()
	if d := time.Since(begin); d < least || d > most {
		t.Fatalf("took %v, want %v to %v", d, least, most)
	}
}

// quiet waits until nothing more happens at this instant.
func quiet() { synctest.Wait() }

// has reports whether a frame is a segment with all those flags.
func has(frame []byte, flags wire.Flags) bool {
	_, tcp, _, ok := stacktest.Segment(frame)
	return ok && tcp.Flags.Has(flags)
}

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// emptyDatagram returns a UDP datagram without data and without a checksum.
func emptyDatagram() []byte {
	b := make([]byte, wire.UDPHeaderLen)
	wire.PutUDP(b, 9, 9, 0)
	return b
}
