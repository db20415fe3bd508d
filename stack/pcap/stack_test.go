package pcap

import (
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// The file has all packets of a connection between two stacks. In the bubble time is virtual, so the times of packets
// are exact, and the test would not end if the goroutine of the capture remained.
func TestStack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture")
	var began time.Time
	synctest.Test(t, func(t *testing.T) {
		c, err := Create(Config{Path: path, Interface: "memory"})
		if err != nil {
			t.Fatal(err)
		}
		da, db := stacktest.Pipe(1500)
		a, err := stack.New(da, stack.Config{Addresses: []netip.Prefix{netip.PrefixFrom(theirs4, 24)}})
		if err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		b, err := stack.New(db, stack.Config{Addresses: []netip.Prefix{netip.PrefixFrom(ours4, 24)}, Tap: c.Tap})
		if err != nil {
			t.Fatal(err)
		}
		talk(t, a, b)
		for _, close := range []func() error{a.Close, b.Close, c.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	})

	got := readFile(t, path).packets
	type seen struct {
		outgoing bool
		flags    wire.Flags
		after    time.Duration
		comment  string
	}
	want := []seen{
		{false, wire.SYN, time.Second, "no connection"},
		{true, wire.SYN | wire.ACK, time.Second, "SYN-RECEIVED"},
		{false, wire.ACK, time.Second, "SYN-RECEIVED"},
	}
	var first []seen
	for _, p := range got[:min(3, len(got))] {
		_, tcp, _ := p.segment(t)
		first = append(first, seen{p.outgoing(), tcp.Flags, p.at.Sub(began), p.comment()})
	}
	if !slices.Equal(first, want) {
		t.Errorf("began with %+v, want %+v", first, want)
	}

	// The file has the whole stream, in superframes.
	stream := make([]byte, dataLen)
	covered, largest := 0, 0
	var iss uint32
	var states []string
	for _, p := range got {
		_, tcp, data := p.segment(t)
		if state := p.options.Comments[0]; len(states) == 0 || states[len(states)-1] != state {
			states = append(states, state)
		}
		if !p.outgoing() {
			continue
		}
		if tcp.Flags.Has(wire.SYN) {
			iss = tcp.Seq
		}
		if len(data) > 0 {
			covered += copy(stream[tcp.Seq-iss-1:], data)
			largest = max(largest, len(data))
		}
	}
	if covered != dataLen || largest < 20000 || !slices.Equal(stream, pattern()) {
		t.Errorf("%d bytes of data, at most %d in a packet; want the %d bytes written", covered, largest, dataLen)
	}
	if want := []string{"no connection", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"}; !slices.Equal(states, want) {
		t.Errorf("states %q, want %q", states, want)
	}
}

func (r *read) outgoing() bool {
	return r.options.Flags.Direction == pcapgo.NgEpbFlagDirectionOutbound
}

const dataLen = 200000

func pattern() []byte {
	b := make([]byte, dataLen)
	for i := range b {
		b[i] = byte(i * (i >> 8))
	}
	return b
}

// talk opens a connection from a to b, on which b writes and closes first.
func talk(t *testing.T, a, b *stack.Stack) {
	t.Helper()
	l, err := b.ListenTCP("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // virtual time
	client, err := a.Dial("tcp", netip.AddrPortFrom(ours4, 80).String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(pattern()); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, client); n != dataLen || err != nil {
		t.Fatalf("%d bytes read, %v", n, err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if s := client.(*stack.Conn).State(); s != conn.Closed {
		t.Errorf("the client is in %v", s)
	}
}
