package conn

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// memory is the memory in bytes that the counter has lent and been charged.
func (c *counter) memory() int { return c.lent*PageSize + c.small }

// Early data costs about as much memory as it has bytes, however it is spread: single bytes in different pages do not keep
// the pages.
func TestEarlyMemory(t *testing.T) {
	for _, c := range []struct {
		name                string
		size, stride, count int
		most                int
	}{
		{"127 single bytes in as many pages", 1, PageSize, 127, 16 << 10},
		{"one byte", 1, 1, 1, 256},
		{"every other byte", 1, 2, maxRanges, maxRanges * 64},
		{"88 bytes in each page", 88, PageSize, 127, 24 << 10},
		{"a full segment in each page", 1448, PageSize, 127, 127*PageSize + 8<<10},
		{"every other full segment", 1448, 2 * 1448, 300, 2*1448*300 + 32<<10},
		{"88 bytes after each other", 88, 88, 1000, 88*1000 + 2*PageSize},
	} {
		for _, order := range []string{"forward", "backward", "random"} {
			var pages counter
			b := receiveBuffer{start: 1, next: 1}
			list := rand.New(rand.NewPCG(1, 1)).Perm(c.count)
			if order != "random" {
				slices.Sort(list)
			}
			if order == "backward" {
				slices.Reverse(list)
			}
			for _, i := range list {
				if _, ok := b.insert(&pages, seq.Offset(100+i*c.stride), make([]byte, c.size)); !ok {
					t.Fatalf("%s, %s: refused", c.name, order)
				}
				if err := b.check(); i%50 == 0 && err != nil {
					t.Fatal(err)
				}
			}
			if got := pages.memory(); got > c.most || got != b.earlyMemory() {
				t.Errorf("%s, %s: %d bytes in use, counted are %d, want at most %d", c.name, order, got, b.earlyMemory(), c.most)
			}
			b.shed(&pages)
			if got := pages.memory(); got != 0 || b.earlyMemory() != 0 || b.arrived() != 1 {
				t.Errorf("%s, %s: %d bytes in use after all was shed", c.name, order, got)
			}
		}
	}
}

// The receive buffer gives out the stream whatever the sizes of its pieces, in any order, with repetitions that overlap,
// and sheds now and then; its count of early memory is right after every step.
func TestEarlyDataMovesIntoPages(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for range 30 {
		start, data := stream(r, 150_000)
		var pages counter
		b := receiveBuffer{start: start, next: start}
		p, got := make([]byte, 5000), []byte(nil)
		for len(got) < len(data) {
			size := []int{1, 1, 10, 100, 900, 1100, 1448, 20_000, 40_000}[r.IntN(9)]
			from := int(b.next-start) + r.IntN(60_000)*min(r.IntN(5), 1) - 100
			from = max(0, min(from, len(data)-1))
			to := min(from+1+r.IntN(size), len(data))
			if start+seq.Offset(to) > b.next {
				b.insert(&pages, start+seq.Offset(from), data[from:to])
			}
			if r.IntN(500) == 0 {
				b.shed(&pages)
			}
			got = append(got, p[:b.read(&pages, p[:r.IntN(len(p))])]...)
			if err := b.check(); err != nil {
				t.Fatal(err)
			}
			if err := b.checkEarly(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, data) || pages.memory() != 0 {
			t.Fatalf("wrong bytes, or %d bytes of memory kept", pages.memory())
		}
	}
}

// A connection takes data with 3000 gaps before it, in any order of arrival, and needs none of it again. Neither a segment
// nor the ACK it is answered with looks at more than a few dozen ranges.
func TestThreeThousandGaps(t *testing.T) {
	const gaps, size = 3000, 1448
	for _, size := range []int{size, 1} {
		for _, order := range []string{"forward", "backward", "random", "from both ends"} {
			list := rand.New(rand.NewPCG(1, 1)).Perm(gaps)
			switch order {
			case "forward", "backward":
				slices.Sort(list)
			case "from both ends":
				for i := range list {
					if list[i] = i / 2; i%2 > 0 {
						list[i] = gaps - 1 - i/2
					}
				}
			}
			if order == "backward" {
				slices.Reverse(list)
			}
			o := established(t, Config{})
			o.c.rcv.edge = 1 + 2*gaps*seq.Offset(size)
			most := int64(0)
			give := func(at int, want Verdict) {
				before := looks(o)
				if v := early(o, at, make([]byte, size)); v != want {
					t.Fatalf("%d bytes, %s: the segment at %d is %v with %d ranges, want %v", size, order, at, v, len(o.c.rcv.buf.ahead()), want)
				}
				most = max(most, looks(o)-before)
			}
			var out Outgoing
			for _, i := range list {
				give((2*i+1)*size, VerdictOutOfOrder)
				o.c.Transmit(o.now, 1, &out)
			}
			if n := len(o.c.rcv.buf.ahead()); n != gaps {
				t.Fatalf("%d bytes, %s: %d ranges, want %d", size, order, n, gaps)
			}
			if err := o.c.Check(); err != nil {
				t.Fatal(err)
			}
			slices.Sort(list)
			for _, i := range list {
				give(2*i*size, VerdictAccepted)
			}
			if n := o.c.rcv.buf.readable(); n != 2*gaps*size {
				t.Errorf("%d bytes, %s: %d bytes are readable, want %d", size, order, n, 2*gaps*size)
			}
			if limit := int64(4*bits.Len(maxRanges) + 8); most > limit {
				t.Errorf("%d bytes, %s: a segment looks at %d ranges, want at most %d", size, order, most, limit)
			}
		}
	}
}

// A segment that would need one range too many is dropped; one that joins ranges, or has arrived already, is taken.
func TestTooManyRanges(t *testing.T) {
	var pages counter
	b := receiveBuffer{start: 1, next: 1}
	refused := 0
	for i := range maxRanges + 100 {
		if _, ok := b.insert(&pages, seq.Offset(2+2*i), []byte{1}); !ok {
			refused++
		}
	}
	if len(b.ahead()) != maxRanges || refused != 100 {
		t.Errorf("%d ranges, %d refused", len(b.ahead()), refused)
	}
	for _, o := range []seq.Offset{4, 5, 1} {
		if _, ok := b.insert(&pages, o, []byte{1}); !ok {
			t.Errorf("byte %d is refused", o)
		}
	}
	if b.next != 3 || len(b.ahead()) != maxRanges-2 {
		t.Errorf("next %d and %d ranges, want 3 and %d", b.next, len(b.ahead()), maxRanges-2)
	}
	if b.discard(&pages); pages.memory() != 0 {
		t.Errorf("%d bytes kept", pages.memory())
	}
}

// looks is the number of ranges and pieces that the connection has looked at so far.
func looks(o *one) int64 {
	if o.c.rcv.buf.early == nil {
		return 0
	}
	return o.c.rcv.buf.early.looks
}

// early gives the connection data that lies at bytes beyond the first.
func early(o *one, at int, data []byte) Verdict {
	return o.c.Receive(o.now, &Segment{
		TCP: wire.TCP{Flags: ack, Seq: testIRS + 1 + uint32(at), Ack: testISS + 1, Window: 65535}, Data: data,
	})
}

// The early data of one connection never keeps more memory in use than twice its window and what any connection may hold.
func TestEarlyMemoryIsBounded(t *testing.T) {
	for _, window := range []int{2048, 64 << 10, 1 << 20} {
		for _, spread := range []int{2, 90, 1100, PageSize, 2 * PageSize} {
			var pages counter
			o := established(t, Config{ReceiveBuffer: window, Pages: &pages})
			o.c.rcv.edge = 1 + seq.Offset(window)
			data := []byte(repeat(min(max(1, spread-1), 1448)))
			for at := spread - 1; at < window; at += spread {
				early(o, at, data)
			}
			if n := o.c.Info(o.now).Early; n == 0 && spread < window {
				t.Errorf("window %d, one segment in %d bytes: none is kept", window, spread)
			}
			if most := 2*window + scarceBuffer + 4*PageSize; pages.memory() > most {
				t.Errorf("window %d, one segment in %d bytes: %d bytes in use, want at most %d", window, spread, pages.memory(), most)
			}
			if err := o.c.Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Data that was shed is not in a SACK block any more, neither by itself nor as a D-SACK, and is taken when it comes again.
func TestShedDataIsNotReported(t *testing.T) {
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
	if o.c.ShedEarly(); o.c.EarlyMemory() != 0 {
		t.Errorf("%d bytes in use", o.c.EarlyMemory())
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
	if n := o.c.rcv.buf.readable(); n != 13 {
		t.Errorf("%d bytes are readable, want 13", n)
	}
	if err := o.c.Check(); err != nil {
		t.Fatal(err)
	}
}
