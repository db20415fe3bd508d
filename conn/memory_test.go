package conn

import (
	"math/rand/v2"
	"testing"

	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// A connection takes data with 3000 gaps before it, in any order of arrival, and needs none of it again.
func TestThreeThousandGaps(t *testing.T) {
	const gaps, size = 3000, 1448
	o := established(t, Config{})
	o.c.rcv.wnd.Edge = 1 + 2*gaps*seq.Offset(size)
	var out Outgoing
	for i, n := range rand.New(rand.NewPCG(1, 1)).Perm(gaps) {
		if v := outOfOrder(o, (2*n+1)*size, make([]byte, size)); v != VerdictOutOfOrder {
			t.Fatalf("segment %d, which arrives after %d others, is %v", n, i, v)
		}
		o.c.Transmit(o.now, 1, &out)
	}
	if err := o.c.Check(); err != nil {
		t.Fatal(err)
	}
	for n := range gaps {
		if v := outOfOrder(o, 2*n*size, make([]byte, size)); v != VerdictAccepted {
			t.Fatalf("the segment that fills gap %d is %v", n, v)
		}
	}
	if n := o.c.rcv.buf.Readable(); n != 2*gaps*size {
		t.Errorf("%d bytes are readable, want %d", n, 2*gaps*size)
	}
}

// counter is a Pool that counts the bytes in use.
type counter struct{ memory int }

func (c *counter) Get(size int) *buffer.Page {
	c.memory += size
	return buffer.NewPage(size)
}
func (c *counter) Put(p *buffer.Page) { c.memory -= p.Size() }
func (c *counter) Charge(n int)       { c.memory += n }

// outOfOrder passes data to the connection that begins at bytes beyond the first.
func outOfOrder(o *endpoint, at int, data []byte) Verdict {
	return o.c.Receive(o.now, &Segment{
		TCP: wire.TCP{Flags: ack, Seq: testIRS + 1 + uint32(at), Ack: testISS + 1, Window: 65535}, Data: data,
	})
}

// The data out of order of one connection never takes more memory than twice its window and the memory that any
// connection may hold.
func TestOutOfOrderMemoryIsBounded(t *testing.T) {
	for _, window := range []int{2048, 64 << 10, 1 << 20} {
		for _, spread := range []int{2, 90, 1100, buffer.PageSize, 2 * buffer.PageSize} {
			var pool counter
			o := established(t, Config{ReceiveBuffer: window, Pool: &pool})
			o.c.rcv.wnd.Edge = 1 + seq.Offset(window)
			data := []byte(repeat(min(max(1, spread-1), 1448)))
			for at := spread - 1; at < window; at += spread {
				outOfOrder(o, at, data)
			}
			if n := o.c.Info(o.now).OutOfOrderBytes; n == 0 && spread < window {
				t.Errorf("window %d, one segment in %d bytes: none is kept", window, spread)
			}
			if most := 2*window + buffer.Moderate + 4*buffer.PageSize; pool.memory > most {
				t.Errorf("window %d, one segment in %d bytes: %d bytes in use, want at most %d", window, spread, pool.memory, most)
			}
			if err := o.c.Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Discarded data is not in a SACK block any more, neither by itself nor in a D-SACK, and is accepted when it arrives
// again.
func TestDiscardedDataIsNotReported(t *testing.T) {
	o := established(t, Config{})
	o.c.sack = true
	for _, at := range []int64{5, 5, 11} { // "5" twice: a D-SACK is due
		o.in(segment{flags: ack, seq: at, ack: 1, data: "xyz"})
	}
	var out Outgoing
	o.in(segment{flags: ack, seq: 5, ack: 1, data: "xyz"})
	if o.c.Transmit(o.now, 1, &out); out.TCP.Options.SACKCount != 3 {
		t.Fatalf("before shedding, the ACK has the blocks %v", out.TCP.Options.SACK[:out.TCP.Options.SACKCount])
	}
	o.in(segment{flags: ack, seq: 5, ack: 1, data: "xyz"})
	if o.c.DiscardOutOfOrder(); o.c.OutOfOrderMemory() != 0 {
		t.Errorf("%d bytes in use", o.c.OutOfOrderMemory())
	}
	o.c.acknowledgeNow(NoteNone)
	if !o.c.Transmit(o.now, 1, &out) || out.TCP.Options.SACKCount != 0 {
		t.Errorf("after shedding, the ACK has the blocks %v", out.TCP.Options.SACK[:out.TCP.Options.SACKCount])
	}
	if v := o.in(segment{flags: ack, seq: 11, ack: 1, data: "xyz"}); v != VerdictOutOfOrder {
		t.Errorf("the data is %v when it comes again", v)
	}
	o.c.Transmit(o.now, 1, &out)
	want := wire.SACKBlock{Left: testIRS + 11, Right: testIRS + 14}
	if out.TCP.Options.SACKCount != 1 || out.TCP.Options.SACK[0] != want {
		t.Errorf("the ACK has the blocks %v, want %v", out.TCP.Options.SACK[:out.TCP.Options.SACKCount], want)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "0123456789"})
	if n := o.c.rcv.buf.Readable(); n != 13 {
		t.Errorf("%d bytes are readable, want 13", n)
	}
	if err := o.c.Check(); err != nil {
		t.Fatal(err)
	}
}

// Data out of order is stored, and need not be retransmitted.
//
// Shows: SHLD-31, MAY-13.
func TestOutOfOrderDataIsKept(t *testing.T) {
	o := established(t, Config{})
	for _, at := range []int64{21, 11} {
		if v := o.in(segment{flags: ack, seq: at, ack: 1, data: "0123456789"}); v != VerdictOutOfOrder {
			t.Errorf("at %d: %v", at, v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 1}) // at once
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "abcdefghij"})
	o.want(segment{flags: ack, seq: 1, ack: 31})
	o.read("abcdefghij01234567890123456789", nil)
}

// The send buffer of a peer that stalls does not grow, and may hold 4 KiB at least; that of a peer that acknowledges
// data grows with the bytes acknowledged, to its own share.
func TestSendBufferOfStalledPeer(t *testing.T) {
	share := &sharing{share: 1 << 20, stalled: 10_000, moving: 100_000, level: buffer.Scarce}
	o := established(t, Config{Pressure: share, SendBuffer: 1 << 20})
	want := func(when string, n int) {
		t.Helper()
		if got := o.c.sendBufferLimit(); got != n {
			t.Errorf("%s: %d bytes fit into the send buffer, want %d", when, got, n)
		}
	}
	acknowledge := func(n int64, window int) {
		o.write(string(make([]byte, o.c.sendRoom())))
		for o.c.Transmit(o.now, 1<<16, &o.last) {
		}
		o.in(segment{flags: ack, seq: 1, ack: n, window: window})
	}
	want("at first", 10_000)
	acknowledge(8001, 60_000)
	want("after 8000 bytes", 16_002)
	for o.c.snd.una < 60_000 {
		acknowledge(int64(o.c.snd.max), 60_000)
	}
	want("after 60,000 bytes", 100_000)
	share.moving = 1
	want("with a small share, while memory is scarce", 64<<10)
	share.level, share.stalled = buffer.Exhausted, 1
	want("while memory is exhausted", 4<<10)
	share.level, share.moving = buffer.Scarce, 100_000
	acknowledge(int64(o.c.snd.max), -1)
	o.write("data")
	want("before a probe", 100_000)
	for range 2 {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
	}
	want("after two probes of a closed window", 4<<10)
	if s := o.c.SendState(); !s.Stalled || s.Held != o.c.snd.buf.Size() || s.Acknowledged != uint64(o.c.snd.una)-1 {
		t.Errorf("the state of the send buffer is %+v, want one that has stalled", s)
	}
	share.stalled = 0
	want("without pressure", 1<<20)
}

// SendWaits is false for every segment of a transfer that nothing holds back, and true once the window or a timer does.
func TestSendWaits(t *testing.T) {
	o := established(t, Config{})
	want := func(when string, waits bool) {
		t.Helper()
		if got := o.c.SendWaits(); got != waits {
			t.Fatalf("%s: SendWaits is %v, want %v", when, got, waits)
		}
		if err := o.c.Check(); err != nil {
			t.Fatal(err)
		}
	}
	acknowledge := func(window int) { o.in(segment{flags: ack, seq: 1, ack: int64(o.c.snd.max), window: window}) }
	for range 20 {
		o.write(string(make([]byte, 5000)))
		for o.c.Transmit(o.now, 1, &o.last) {
			want("in transfer", false)
		}
		acknowledge(60_000)
		want("after an ACK", false)
	}
	acknowledge(-1)
	o.write("data")
	o.nothing()
	want("with a closed window", true)
	acknowledge(60_000)
	o.c.Transmit(o.now, 1, &o.last)
	want("with an open window", false)
	o.now = o.c.Deadline()
	o.c.Advance(o.now) // a tail loss probe
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	want("after a timeout", true)
}

// TimeOut ends a connection with the error of a timeout and a RST.
func TestTimeOut(t *testing.T) {
	o := established(t, Config{})
	o.write("data")
	o.c.Transmit(o.now, 1, &o.last)
	o.c.TimeOut()
	o.want(segment{flags: rst | ack, seq: 5, ack: 1})
	if err := o.c.Err(); err != ErrTimeout {
		t.Errorf("the error is %v, want %v", err, ErrTimeout)
	}
	o.c.TimeOut()
	o.nothing()
}

// While memory is not scarce, a connection keeps all data in its window. While it is scarce, the connection keeps up to
// 4 KiB, or twice what the application has read, in order and beyond a gap. While memory is exhausted, it keeps 14 KiB
// at most, none beyond a gap, and cuts a superframe.
func TestUnreadDataWithoutMemory(t *testing.T) {
	var pool counter
	share := &sharing{stalled: 1, moving: 1}
	o := established(t, Config{Pool: &pool, Pressure: share})
	in := func(at int64, n int, verdict Verdict, unread int) {
		t.Helper()
		if v := o.in(segment{flags: ack, seq: at, ack: 1, data: string(make([]byte, n))}); v != verdict {
			t.Errorf("%d bytes at %d are %v, want %v", n, at, v, verdict)
		}
		if got := o.c.rcv.buf.Readable(); got != unread {
			t.Errorf("%d bytes are unread, want %d", got, unread)
		}
		if err := o.c.Check(); err != nil {
			t.Fatal(err)
		}
	}
	in(1, 3000, VerdictAccepted, 3000)
	share.level = buffer.Scarce
	in(3002, 1500, VerdictNoMemory, 3000)
	in(3002, 500, VerdictOutOfOrder, 3000)
	in(3002, 1000, VerdictNoMemory, 3000)
	o.c.DiscardOutOfOrder()
	in(3001, 3000, VerdictAccepted, 4<<10)
	in(4<<10+1, 1, VerdictNoMemory, 4<<10)
	o.read(string(make([]byte, 4<<10)), nil)
	in(4<<10+1, 40_000, VerdictAccepted, 8<<10+2)
	o.read(string(make([]byte, 8<<10+2)), nil)
	share.level, share.moving = buffer.Exhausted, 14<<10
	in(12<<10+4, 500, VerdictNoMemory, 0)
	in(12<<10+3, 40_000, VerdictAccepted, 14<<10)
	in(26<<10+3, 1, VerdictNoMemory, 14<<10)
	in(26<<10+2, 2, VerdictNoMemory, 14<<10)
	if pool.memory > 24<<10 {
		t.Errorf("%d bytes are in use, want three pages at most", pool.memory)
	}
	o.read(string(make([]byte, 14<<10)), nil)
	in(26<<10+3, 40_000, VerdictAccepted, 14<<10)
}

// The window follows the application: 14 KiB before it reads, then twice the bytes that it has read, up to the share of
// consumers that make progress. The edge of the window never moves back.
func TestReceiveWindowIsProven(t *testing.T) {
	share := &sharing{stalled: 1, moving: 100_000}
	o := established(t, Config{Pressure: share})
	edge := o.c.rcv.wnd.Edge
	want := func(when string, n int) {
		t.Helper()
		if got := o.c.receiveLimit(); got != n {
			t.Errorf("%s: %d bytes fit into the receive buffer, want %d", when, got, n)
		}
		if o.c.rcv.wnd.Edge < edge {
			t.Errorf("%s: the edge moves from %d to %d", when, edge, o.c.rcv.wnd.Edge)
		}
		edge = o.c.rcv.wnd.Edge
	}
	arrive := func(n int) {
		o.in(segment{flags: ack, seq: int64(o.c.rcv.nxt()), ack: 1, data: string(make([]byte, n))})
		o.read(string(make([]byte, n)), nil)
		for o.c.Transmit(o.now, 1, &o.last) {
		}
	}
	want("at first", 14<<10)
	arrive(10_000)
	want("after 10,000 bytes", 20_002)
	for range 5 {
		arrive(10_000)
	}
	want("after 60,000 bytes", 100_000)
	share.moving = 1
	want("with a small share", 64<<10)
	share.level = buffer.Scarce
	want("while memory is scarce", 64<<10)
	share.level, share.moving = buffer.Exhausted, 14<<10
	want("while memory is exhausted", 14<<10)
	share.moving = 1
	want("while almost all memory is spent", 4<<10)
	share.stalled, share.level = 0, buffer.NoPressure
	want("without pressure", 1<<20)
}
