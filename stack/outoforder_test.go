package stack

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/wire"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/memory"
	"minitcp/stack/stacktest"
)

// hoarder is a peer that opens a connection to b and sends data beyond a gap that it never fills.
type hoarder struct {
	addr     netip.AddrPort
	seq, ack uint32
	conn     *Conn
}

// newHoarder opens the connection number i.
func newHoarder(p *pair, l *Listener, i int) *hoarder {
	p.t.Helper()
	h := &hoarder{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 78, byte(i >> 8), byte(i)}), 5000), seq: 1001}
	p.db.Inject(packet(segmentSpec{src: h.addr, flags: wire.SYN, seq: 1000, options: []byte{3, 3, 7, 0}}))
	quiet()
	k := flow.KeyOf(addressesB[0].Addr(), h.addr.Addr(), 80, h.addr.Port())
	e := p.b.table.Find(&k)
	if e == nil {
		p.t.Fatalf("hoarder %d has no connection", i)
	}
	h.ack = e.iss + 1
	p.db.Inject(packet(segmentSpec{src: h.addr, flags: wire.ACK, seq: h.seq, ack: h.ack}))
	quiet()
	var err error
	if h.conn, err = l.AcceptTCP(); err != nil {
		p.t.Fatal(err)
	}
	p.db.Inject(packet(segmentSpec{src: h.addr, flags: wire.ACK, seq: h.seq - 1, ack: h.ack})) // the ACK opens the window
	quiet()
	return h
}

// send injects data that lies at bytes beyond the first missing one.
func (h *hoarder) send(p *pair, at int, data []byte) {
	p.db.Inject(packet(segmentSpec{src: h.addr, flags: wire.ACK, seq: h.seq + uint32(at), ack: h.ack, data: data}))
}

// hoarding describes peers that send data beyond a gap: their number, and the segments of each, one in stride.
type hoarding struct{ hoarders, segments, stride, size int }

func (h hoarding) String() string {
	return fmt.Sprintf("%d hoarders with %d segments of %d bytes, one in %d", h.hoarders, h.segments, h.size, h.stride)
}

// outcome is the result of an honest transfer beside hoarders.
type outcome struct {
	window   int64         // offered in the end
	took     time.Duration // virtual
	repeated int           // bytes sent again that were not lost
}

// besideHoarders transfers 24 MiB from a to b, of which 96 frames are lost, while the hoarders go on sending.
func besideHoarders(t *testing.T, h hoarding) (o outcome) {
	const budget, limit = 64 << 20, 64 << 20 / 4
	p := newPairOn(t, stacktest.Config{Queue: 20000}, Config{}, Config{Memory: budget})
	pool, l := p.b.cfg.Conn.Pool.(*memory.Pool), p.listen()
	var list []*hoarder
	for i := range h.hoarders {
		list = append(list, newHoarder(p, l, i))
	}
	data := bytes.Repeat([]byte{1}, h.size)
	inject := func(from, to int) {
		for _, who := range list[from:to] {
			for i := range h.segments {
				who.send(p, 10+i*h.stride, data)
			}
			quiet()
			if early := p.b.outOfOrder.Total(); early > limit+4<<20 || pool.Level() >= buffer.Scarce {
				t.Fatalf("%v: out-of-order data takes %d bytes, %d are in use of %d", h, early, pool.Used()*buffer.PageSize, budget)
			}
		}
	}
	inject(0, len(list))
	time.Sleep(5 * time.Second)

	client, server := p.connect(l)
	first, next, lost, most := client.entry.iss+1, 100_000, 0, int64(0)
	p.da.SetHook(func(frame []byte) stacktest.Fate {
		_, tcp, data, ok := stacktest.Segment(frame)
		if at := int(tcp.Seq - first); ok && len(data) > 0 && at <= next && at+len(data) > next {
			next += 256 << 10
			lost += len(data)
			return stacktest.Drop
		}
		return stacktest.Pass
	})
	begin := time.Now()
	chunk, got := pattern(1, 1<<20), make([]byte, 1<<20)
	for i := range 24 {
		go client.Write(chunk)
		if len(list) > 0 {
			inject(i*len(list)/24, (i+1)*len(list)/24)
		}
		if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, chunk) {
			t.Fatalf("%v: %v, or wrong bytes", h, err)
		}
		quiet()
		most = max(most, p.b.outOfOrder.Total())
	}
	i := server.Info()
	o = outcome{window: i.ReceiveWindow, took: time.Since(begin), repeated: int(client.Info().Resent) - lost}
	t.Logf("%v: %+v; at most %d bytes early, %d shed", h, o, most, p.b.Stats()["early-data-shed"])
	return o
}

// However many connections hold out-of-order data that never gets in order, and however it is spread, a transfer
// beside them has the window and the rate it has without them, and keeps its own out-of-order data. The window in the
// end depends on how the application's reads fall between the batches of one instant, and is 0.9 to 2.2 MB with or
// without hoarders. Scarce memory would hold it at 64 KiB.
func TestHonestBesideHoarders(t *testing.T) {
	within(t, func(t *testing.T) {
		alone := besideHoarders(t, hoarding{})
		for _, h := range []hoarding{
			{700, 127, buffer.PageSize, 1},
			{700, 60, 2 * buffer.PageSize, 1400},
			{10_000, 5, buffer.PageSize, 1100},
		} {
			if o := besideHoarders(t, h); o.window < 512<<10 || o.took > alone.took+alone.took/10 || o.repeated > alone.repeated {
				t.Errorf("beside %v: %+v, alone %+v", h, o, alone)
			}
		}
	})
}

// The worst connection is the one that has held much for long. One that gets as much in order as it holds early begins
// anew, and one that ends or whose gap is filled is not listed any more.
func TestWorstEarlyData(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l, list := p.listen(), p.b.outOfOrder
		var h []*hoarder
		for i := range 4 {
			h = append(h, newHoarder(p, l, i))
		}
		worst := func(want int) {
			t.Helper()
			quiet()
			e := list.Worst(p.b.clock.Now())
			for i := range h {
				if e == h[i].conn.entry && i != want {
					t.Errorf("the worst is hoarder %d, want %d", i, want)
				}
			}
			if (e == nil) != (want < 0) {
				t.Errorf("the worst is %p, want hoarder %d", e, want)
			}
		}
		spread := func(i, pages int) {
			for n := range pages {
				h[i].send(p, 10+n*buffer.PageSize, make([]byte, 1200))
			}
			quiet()
		}
		worst(-1)
		spread(0, 1)
		time.Sleep(2 * time.Second)
		spread(1, 7)
		worst(0) // it has held less data, for 2 s
		time.Sleep(2 * time.Second)
		worst(1)
		spread(2, 7)
		worst(1) // it came before
		h[1].send(p, 0, make([]byte, 10))
		spread(3, 1)
		time.Sleep(time.Second)
		worst(1) // 10 bytes in order are no progress
		h[1].conn.SetReadBuffer(1 << 20)
		for at := 10; at < 7*buffer.PageSize; at += 1400 {
			h[1].send(p, at, make([]byte, 1400))
		}
		worst(0) // of hoarder 1 nothing is early any more
		p.db.Inject(packet(segmentSpec{src: h[0].addr, flags: wire.RST, seq: h[0].seq, ack: h[0].ack}))
		worst(2)
		h[2].conn.SetLinger(0)
		h[2].conn.Close()
		worst(3)
		h[3].conn.SetLinger(0)
		h[3].conn.Close()
		worst(-1)
		if early, bytes := list.Total(), p.b.cfg.Conn.Pool.(*memory.Pool).Charged(); early != 0 || bytes != int64(connectionMemory) {
			t.Errorf("%d bytes early and %d charged are left, want those of a connection", early, bytes)
		}
	})
}

// While memory is scarce, out-of-order data that takes more than a sixteenth of it is discarded, the worst first, and
// the data of a connection with little is not.
func TestEarlyDataIsShedWhileScarce(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Queue: 10000}, Config{}, Config{Memory: 128 * buffer.PageSize})
		pool, l := p.b.cfg.Conn.Pool.(*memory.Pool), p.listen()
		large, small := newHoarder(p, l, 0), newHoarder(p, l, 1)
		small.send(p, 10, make([]byte, 100))
		for n := range 8 { // as many as fit into the window of a SYN
			large.send(p, 10+n*buffer.PageSize, make([]byte, 1200))
		}
		quiet()
		wantCount(t, p.b, "early-data-shed", 0)
		pool.Lend(96)
		small.send(p, 10, make([]byte, 100))
		wantCount(t, p.b, "early-data-shed", 1)
		if a, b := large.conn.Info().OutOfOrderBytes, small.conn.Info().OutOfOrderBytes; a != 0 || b != 100 {
			t.Errorf("%d and %d bytes are kept, want 0 and 100", a, b)
		}
		pool.Lend(-96)
	})
}
