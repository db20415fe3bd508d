//go:build unix && !race

package relay

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// wrapped hides that a connection is a socket of the kernel, as a connection over TLS or through a proxy does.
type wrapped struct{ Conn }

// Idle relays between a stack and the kernel's sockets, or others, hold no large buffers. (Not with the race detector,
// which keeps memory of its own.)
func TestIdleRelaysAreSmall(t *testing.T) {
	for _, c := range []struct {
		Config
		wrap func(Conn) Conn
	}{
		{Config{}, plain}, {Config{IdleTimeout: time.Hour}, plain},
		{Config{}, wrap}, {Config{IdleTimeout: time.Hour}, wrap},
	} {
		t.Run(fmt.Sprintf("%v, a %T", c.IdleTimeout, c.wrap(nil)), func(t *testing.T) {
			const relays, most = 300, 32 << 10 // both ends of both connections take about 12 KiB; a buffer has 64
			mostStacks := int64(10 << 10)      // 4 KiB for each of two goroutines, and free ones
			if c.IdleTimeout == 0 && c.wrap(nil) == nil {
				mostStacks = 7<<10 + 512 // 2 KiB for the goroutine that writes to the socket
			}
			f := newFixture(t)
			defer f.close()
			use := func() {
				client, server := f.relayed(c.Config, c.wrap)
				for _, text := range []string{"question", "answer, a longer one"} { // the second finds buffers in use before
					io.WriteString(client, text)
					read(t, server, text)
					io.WriteString(server, text)
					read(t, client, text)
				}
			}
			use() // the stacks take memory for frames
			before, stacksBefore := heap(), stacks()
			for range relays {
				use()
			}
			if n := (stacks() - stacksBefore) / relays; n > mostStacks {
				t.Errorf("the stacks of an idle relay's goroutines take %d bytes, want at most %d", n, mostStacks)
			}
			each := (heap() - before) / relays
			for i := 0; i < 20 && each > most; i++ { // frames with the last ACKs are still in use
				each = min(each, (heap()-before)/relays)
			}
			if each > most {
				t.Errorf("an idle relay takes %d bytes, want at most %d", each, most)
			}
		})
	}
}

func plain(c Conn) Conn { return c }
func wrap(c Conn) Conn  { return wrapped{c} }

// heap returns the bytes in use on the heap.
func heap() int64 {
	runtime.GC()
	runtime.GC() // a sync.Pool keeps its objects for one collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// stacks returns the bytes in use for the stacks of goroutines.
func stacks() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.StackInuse)
}

// fixture is a stack of clients, a stack of relays, and a listener of the kernel's.
type fixture struct {
	t       *testing.T
	inner   net.Listener
	outer   net.Listener
	ended   chan struct{} // has an element for each relay that has ended
	relays  int
	toClose []io.Closer
	stacks  []*stack.Stack
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, ended: make(chan struct{}, 1000)}
	a, b := stacktest.Pipe(1500)
	for i, d := range []stack.Device{a, b} {
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), 24)
		s, err := stack.New(d, stack.Config{Addresses: []netip.Prefix{address}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		f.stacks = append(f.stacks, s)
	}
	var err error
	if f.inner, err = f.stacks[1].Listen("tcp", ":80"); err != nil {
		t.Fatal(err)
	}
	if f.outer, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.outer.Close() })
	return f
}

// relayed returns the ends of two connections with a relay between them.
func (f *fixture) relayed(c Config, wrap func(Conn) Conn) (client, server net.Conn) {
	f.t.Helper()
	var inner, outer net.Conn
	for _, step := range []func() error{
		func() (err error) { client, err = f.stacks[0].Dial("tcp", "10.77.0.2:80"); return err },
		func() (err error) { inner, err = f.inner.Accept(); return err },
		func() (err error) { outer, err = net.Dial("tcp", f.outer.Addr().String()); return err },
		func() (err error) { server, err = f.outer.Accept(); return err },
	} {
		if err := step(); err != nil {
			f.t.Fatal(err)
		}
	}
	f.relays++
	go func() {
		Relay(inner.(*stack.Conn), wrap(outer.(*net.TCPConn)), c)
		f.ended <- struct{}{}
	}()
	f.toClose = append(f.toClose, client, server)
	return client, server
}

// close ends all connections and waits for the relays.
func (f *fixture) close() {
	for _, c := range f.toClose {
		c.Close()
	}
	for range f.relays {
		<-f.ended
	}
}

// Idle relays of datagrams hold no buffers, and datagrams that pass allocate nothing.
func TestIdleDatagramsAreSmall(t *testing.T) {
	const flows, most = 300, 16 << 10 // two goroutines and three sockets; a buffer has 64 KiB
	server, to := loopbackSocket(t, "udp4")
	p, done := newDatagramPair(t, to, false)
	before := heap()
	question, b := []byte("question"), make([]byte, 100)
	exchange := func(client *stack.UDPConn) {
		client.Write(question)
		n, from, err := server.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		server.WriteToUDPAddrPort(b[:n], from)
		if _, err := client.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	var last *stack.UDPConn
	for range flows {
		last = p.dial(t)
		exchange(last)
	}
	if each := (heap() - before) / flows; each > most {
		t.Errorf("an idle relay takes %d bytes, want at most %d", each, most)
	}
	if n := testing.AllocsPerRun(1000, func() { exchange(last) }); n != 0 {
		t.Errorf("%v allocations for a datagram in each direction", n)
	}
	p.forwarder.Close()
	for range flows {
		<-done
	}
}

// Datagrams that share system calls allocate nothing.
func TestUDPSocketAllocatesNothing(t *testing.T) {
	socket, to := loopbackSocket(t, "udp4")
	server := NewUDPSocket(socket)
	sender, _ := loopbackSocket(t, "udp4")
	client := NewUDPSocket(sender)
	batch := datagramsOf(to, 100, 100, 100, 50, 60)
	count := 0
	note := func(got []stack.Datagram) { count += len(got) }
	if n := testing.AllocsPerRun(1000, func() {
		client.WriteBatch(batch)
		for count = 0; count < len(batch); {
			server.Receive(note)
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d datagrams", n, len(batch))
	}
}
