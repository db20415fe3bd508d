package stack_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/netem"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/emulate"
	"minitcp/stack/stacktest"
)

// crowd is a server's stack with many raw peers, and an honest client behind a path of 40 ms and 100 Mbit/s.
type crowd struct {
	t              *testing.T
	server, client *stack.Stack
	device         *stacktest.Device // the server's
	takes          int               // bytes of data that each raw peer acknowledges

	mu    sync.Mutex
	peers map[netip.AddrPort]*rawPeer
	kept  []*stack.Conn // that the garbage collector must not close
}

// rawPeer is the state of a raw peer's connection.
type rawPeer struct {
	seq, ack uint32 // SND.NXT and RCV.NXT of the peer
	window   uint16 // that it offers, after the data that it acknowledges
	takes    int    // bytes of data that it will acknowledge
	opened   bool
	reset    bool
}

// newCrowd returns the stacks. The server has the settings cfg.
func newCrowd(t *testing.T, cfg stack.Config) *crowd {
	t.Helper()
	c := &crowd{t: t, peers: make(map[netip.AddrPort]*rawPeer)}
	a, b := stacktest.New(stacktest.Config{Queue: 1 << 14})
	c.device = b
	b.SetHook(c.receive)
	link, err := emulate.New(a, emulate.Config{
		Out: netem.Config{Delay: 20 * time.Millisecond, Rate: 100_000_000, QueueBytes: 500_000}, In: netem.Config{Delay: 20 * time.Millisecond, Rate: 100_000_000, QueueBytes: 500_000},
		Sleep: time.Sleep,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Addresses = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")}
	c.server = c.start(b, cfg)
	c.client = c.start(link, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")}})
	return c
}

func (c *crowd) start(d stack.Device, cfg stack.Config) *stack.Stack {
	s, err := stack.New(d, cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { s.Close() })
	return s
}

// receive takes the frames for raw peers, which acknowledge the SYN-ACK and the first data, and reply to probes.
func (c *crowd) receive(frame []byte) stacktest.Fate {
	ip, tcp, data, ok := stacktest.Segment(frame)
	if !ok {
		return stacktest.Pass
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := netip.AddrPortFrom(ip.Dst, tcp.DstPort)
	p := c.peers[at]
	switch {
	case p == nil:
		return stacktest.Pass
	case tcp.Flags.Has(wire.RST):
		p.reset = true
	case tcp.Flags.Has(wire.SYN):
		p.ack, p.opened = tcp.Seq+1, true
		c.send(at, p, wire.ACK, 0, nil)
	case len(data) > 0:
		if n := min(len(data), p.takes); tcp.Seq == p.ack {
			p.ack += uint32(n)
			p.takes -= n
		}
		c.send(at, p, wire.ACK, 0, nil)
	}
	return stacktest.Drop
}

// send injects a segment of a raw peer, ahead bytes beyond its next one.
func (c *crowd) send(from netip.AddrPort, p *rawPeer, flags wire.Flags, ahead uint32, data []byte) {
	h := wire.TCP{SrcPort: from.Port(), DstPort: 80, Seq: p.seq + ahead, Ack: p.ack, Flags: flags, Window: max(p.window, uint16(p.takes))}
	frame := make([]byte, wire.VirtioHeaderLen+wire.IPv6HeaderLen+60+len(data))
	ip := wire.IP{Src: from.Addr(), Dst: netip.MustParseAddr("10.77.0.2"), Protocol: wire.ProtocolTCP, HopLimit: 64}
	segment := make([]byte, 60)
	n := wire.PutTCP(segment, &h)
	segment = append(segment[:n], data...)
	sum := wire.PseudoHeaderSum(ip.Src, ip.Dst, wire.ProtocolTCP, len(segment))
	binary.BigEndian.PutUint16(segment[16:], 0)
	binary.BigEndian.PutUint16(segment[16:], ^wire.Fold(wire.Sum(segment, sum)))
	n = wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, len(segment))
	frame = append(frame[:wire.VirtioHeaderLen+n], segment...)
	c.device.Inject(frame)
}

// connect opens connections from the raw peers first up to, not including, end, which offer a window, a batch at a
// time.
func (c *crowd) connect(first, end int, window uint16) {
	c.t.Helper()
	for from := first; from < end; from += 100 {
		c.inject(from, min(end, from+100), window)
		synctest.Wait()
	}
}

// inject sends the SYNs of raw peers, as connect does, and returns at once.
func (c *crowd) inject(first, end int, window uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := first; i < end; i++ {
		at := peerAddress(i)
		p := &rawPeer{seq: 1000, window: window, takes: c.takes}
		c.peers[at] = p
		c.send(at, p, wire.SYN, 0, nil)
		p.seq++
	}
}

// peerAddress returns the address of raw peer number i.
func peerAddress(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 78, byte(i >> 8), byte(i)}), uint16(5000+i>>16))
}

// counts returns the numbers of raw peers whose connection has been opened and reset.
func (c *crowd) counts() (opened, reset int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		if p.opened {
			opened++
		}
		if p.reset {
			reset++
		}
	}
	return opened, reset
}

// serve accepts connections and writes to each for ever.
func (c *crowd) serve() {
	data := make([]byte, 1<<20)
	c.accept(func(s *stack.Conn) {
		go func() {
			defer s.Close()
			for err := error(nil); err == nil; {
				_, err = s.Write(data)
			}
		}()
	})
}

// isClient reports whether the peer of s is the honest client.
func (c *crowd) isClient(s *stack.Conn) bool {
	return s.RemoteAddr().(*net.TCPAddr).IP.Equal(net.IPv4(10, 77, 0, 1))
}

// keep makes s open until the end of the test.
func (c *crowd) keep(s *stack.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, s)
}

// dial connects the client.
func (c *crowd) dial() net.Conn {
	c.t.Helper()
	conn, err := c.client.Dial("tcp", "10.77.0.2:80")
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// read reads n bytes.
func (c *crowd) read(conn net.Conn, n int64) {
	c.t.Helper()
	if _, err := io.CopyN(io.Discard, conn, n); err != nil {
		c.t.Fatal(err)
	}
}

// accept calls handle for each connection that the server accepts, one after the other.
func (c *crowd) accept(handle func(*stack.Conn)) {
	l := c.listen()
	go func() {
		for {
			s, err := l.AcceptTCP()
			if err != nil {
				return
			}
			handle(s)
		}
	}()
}

// download returns the time in which the client downloads n bytes.
func (c *crowd) download(n int64) time.Duration {
	c.t.Helper()
	begin := time.Now()
	conn := c.dial()
	defer conn.Close()
	c.read(conn, n)
	return time.Since(begin)
}

// Six thousand peers that request data and keep their window at zero (sockstress, slow read), and three thousand that
// acknowledge nothing, take less than three quarters of the budget. A download beside them, at 40 ms and 100 Mbit/s,
// takes at most twice as long as without them.
func TestDownloadBesideStalledReaders(t *testing.T) {
	const budget, size = 256 << 20, 25_000_000
	for _, stalled := range []struct {
		readers int
		window  uint16
	}{{6000, 0}, {3000, 65535}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, stack.Config{Memory: budget})
			c.serve()
			alone := c.download(size)
			c.connect(0, stalled.readers, stalled.window)
			time.Sleep(10 * time.Second)
			if opened, reset := c.counts(); opened != stalled.readers || reset != 0 {
				t.Fatalf("%d connections are open and %d reset, want %d and 0", opened, reset, stalled.readers)
			}
			used := c.server.Stats()["memory-used"]
			if used > budget*3/4 {
				t.Errorf("%d bytes are in use of a budget of %d, want at most three quarters", used, budget)
			}
			beside := c.download(size)
			t.Logf("alone %v, beside %+v %v; %d bytes in use", alone, stalled, beside, used)
			if beside > 2*alone {
				t.Errorf("the download takes %v, alone %v", beside, alone)
			}
		})
	}
}

// While memory is scarce, connections are reset whose peer has stalled for 3 s, or for 30 s if it has acknowledged 32
// KiB before, the oldest first, until memory is no longer scarce.
func TestStalledReadersAreReset(t *testing.T) {
	const budget = 4 << 20
	for _, stalled := range []struct {
		readers  int
		takes    int
		patience time.Duration
	}{{360, 0, 3 * time.Second}, {50, 40_000, 30 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, stack.Config{Memory: budget})
			c.takes = stalled.takes
			c.serve()
			c.connect(0, stalled.readers/2, 0)
			time.Sleep(stalled.patience / 6)
			first := make(map[*rawPeer]bool)
			for _, p := range c.peers {
				first[p] = true
			}
			c.connect(stalled.readers/2, stalled.readers, 0)
			time.Sleep(stalled.patience * 2 / 3)
			if _, reset := c.counts(); reset != 0 || c.server.Stats()["connections-stalled"] != uint64(stalled.readers) {
				t.Fatalf("%+v: %d connections are reset and %d stalled", stalled, reset, c.server.Stats()["connections-stalled"])
			}
			if used := c.server.Stats()["memory-used"]; used < budget*3/4 {
				t.Fatalf("%+v: %d bytes are in use, want three quarters of %d or more", stalled, used, budget)
			}
			time.Sleep(2 * stalled.patience)
			_, reset := c.counts()
			stats := c.server.Stats()
			if stats["stalled-reset"] != uint64(reset) || reset == 0 || reset > stalled.readers/2 {
				t.Errorf("%+v: %d connections are reset, counted are %d", stalled, reset, stats["stalled-reset"])
			}
			if used := stats["memory-used"]; used >= budget*3/4 {
				t.Errorf("%+v: %d bytes are in use, want less than three quarters of %d", stalled, used, budget)
			}
			for _, p := range c.peers {
				if p.reset && !first[p] {
					t.Fatalf("%+v: a connection is reset that has stalled for less time than others", stalled)
				}
			}
		})
	}
}

// listen returns a listener of the server.
func (c *crowd) listen() *stack.Listener {
	c.t.Helper()
	l, err := c.server.ListenTCP("tcp", ":80")
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

// An upload at 40 ms and 100 Mbit/s takes at most twice as long beside ten thousand peers that send data beyond a gap.
func TestUploadBesideHoarders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, hoarders, size = 64 << 20, 10_000, 25_000_000
		c := newCrowd(t, stack.Config{Memory: budget})
		c.accept(func(s *stack.Conn) {
			go func() {
				io.Copy(io.Discard, s)
				s.Close()
			}()
		})
		alone := c.upload(size)
		c.connect(0, hoarders, 65535)
		data := make([]byte, 1100)
		for i := range hoarders {
			at := peerAddress(i)
			c.mu.Lock()
			for n := range uint32(5) {
				c.send(at, c.peers[at], wire.ACK, 10+n*8192, data)
			}
			c.mu.Unlock()
			if i%1000 == 999 {
				synctest.Wait()
			}
		}
		time.Sleep(5 * time.Second)
		beside := c.upload(size)
		stats := c.server.Stats()
		t.Logf("alone %v, beside %d hoarders %v; %d bytes in use, %d shed", alone, hoarders, beside, stats["memory-used"], stats["early-data-shed"])
		if beside > 2*alone {
			t.Errorf("the upload takes %v, alone %v", beside, alone)
		}
		if stats["memory-used"] > budget*3/4 || stats["early-data-shed"] == 0 {
			t.Errorf("%d bytes are in use of %d, and the data of %d connections was discarded", stats["memory-used"], budget, stats["early-data-shed"])
		}
	})
}

// upload returns the time in which the client uploads n bytes.
func (c *crowd) upload(n int) time.Duration {
	c.t.Helper()
	begin := time.Now()
	conn := c.dial()
	defer conn.Close()
	if _, err := conn.Write(make([]byte, n)); err != nil {
		c.t.Fatal(err)
	}
	conn.(*stack.Conn).CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		c.t.Fatalf("Read: %v, want EOF", err)
	}
	return time.Since(begin)
}

// An upload at 40 ms and 100 Mbit/s takes at most twice as long beside three thousand peers that send all that their
// windows permit to an application that does not read. Together their windows permit one and a half times the budget.
func TestUploadBesideUnreadData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, peers, size, sent = 128 << 20, 3000, 25_000_000, 64 << 10
		c := newCrowd(t, stack.Config{Memory: budget})
		c.accept(func(s *stack.Conn) {
			if !c.isClient(s) {
				c.keep(s)
				return
			}
			go func() {
				io.Copy(io.Discard, s)
				s.Close()
			}()
		})
		alone := c.upload(size)
		c.connect(0, peers, 65535)
		data := make([]byte, 1448)
		for i := range peers {
			at := peerAddress(i)
			c.mu.Lock()
			for n := uint32(0); n+uint32(len(data)) < sent; n += uint32(len(data)) {
				c.send(at, c.peers[at], wire.ACK, n, data)
			}
			c.mu.Unlock()
			synctest.Wait()
		}
		used := c.server.Stats()["memory-used"]
		if used > budget*7/8 || used < budget/2 {
			t.Errorf("%d bytes are in use of a budget of %d, want up to seven eighths", used, budget)
		}
		beside := c.upload(size)
		t.Logf("alone %v, beside %d peers %v; %d bytes in use", alone, peers, beside, used)
		if beside > 2*alone {
			t.Errorf("the upload takes %v, alone %v", beside, alone)
		}
	})
}
