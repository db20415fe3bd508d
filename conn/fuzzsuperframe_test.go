package conn_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// FuzzSuperframes has two connections with the same settings. One receives the peer's data in superframes, the other
// the same data at the same times in single segments, cut at random places. After each superframe, both have
// acknowledged the same number, can read the same bytes, and are in the same state.
func FuzzSuperframes(f *testing.F) {
	for _, setup := range [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0}, {1, 0xff, 3, 2}, {0, 0x0f, 1, 1}, {9, 0, 7, 0}} {
		add := func(ops ...byte) { f.Add(append(setup[:len(setup):len(setup)], ops...)) }
		// In order.
		add(0, 250, 180, 1, 0, 250, 180, 2, 0, 250, 180, 7)
		// Beyond a gap, that is then filled; overlaps.
		add(40, 90, 60, 1, 80, 90, 9, 2, 0, 200, 180, 3, 216, 100, 30, 4)
		// Far beyond the window, and old data.
		add(0, 255, 255, 0, 127, 255, 255, 0, 127, 255, 2, 0, 129, 10, 10, 0, 200, 255, 99, 3)
		// The FIN.
		add(0, 255, 255, 3, 0, 255, 255, 3, 0, 255, 255, 3, 0, 255, 255, 3, 90, 255, 100, 3, 0, 255, 255, 3)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4+4*100 {
			return
		}
		setup := append(b[:min(len(b), 4)], make([]byte, 4)...)[:4]
		whole, cut := establishedPlay(t, setup), establishedPlay(t, setup)
		for b = b[min(len(b), 4):]; len(b) >= 4; b = b[4:] {
			at := max(whole.next+seq.Offset(int8(b[0]))*100, 1)
			n := min(int(b[1])*64, max(superframeStream+1-int(at), 0))
			at = min(at, superframeStream+1)
			size := 1 + int(b[2])*8
			receiveWhole(whole, at, n, size)
			receiveCut(cut, at, n, rand.New(rand.NewPCG(uint64(b[3]), 0)))
			compare(t, whole, cut)
			readBoth(t, whole, cut, int(b[3]%4)*5000)
			compare(t, whole, cut)
		}
		for n := 0; whole.read <= superframeStream && n < 1000; n++ {
			at := whole.next
			n := min(9000, superframeStream+1-int(at))
			receiveWhole(whole, at, n, 1000)
			receiveCut(cut, at, n, rand.New(rand.NewPCG(1, 2)))
			readBoth(t, whole, cut, 1<<20)
			compare(t, whole, cut)
		}
		if s := whole.c.State(); s != conn.CloseWait || whole.read != superframeStream+1 {
			t.Fatalf("%v after %d bytes, want CLOSE-WAIT after %d", s, whole.read-1, superframeStream)
		}
	})
}

// superframeStream is the number of bytes that the peer sends before its FIN.
const superframeStream = 60_000

// establishedPlay returns a play whose handshake is complete.
func establishedPlay(t *testing.T, setup []byte) *play {
	p := newPlay(t, setup)
	flags, at := wire.ACK, seq.Offset(1)
	if p.c != nil {
		if p.c.AwaitsData() { // the SYN of Fast Open
			p.pass(time.Second)
		}
		flags, at = wire.SYN|wire.ACK, 0
	}
	p.receive(p.segment(flags, at, 1, 0))
	p.settle()
	if p.c == nil || p.c.State() != conn.Established {
		t.Fatal("the handshake is not complete")
	}
	return p
}

// receiveWhole receives n bytes at an offset as a superframe.
func receiveWhole(p *play, at seq.Offset, n, size int) {
	s := p.segment(flagsAt(at, n), at, p.monitor.Next, n)
	if n > size {
		s.SegmentSize = size
	}
	p.receive(s)
	afterReceive(p)
}

// receiveCut receives n bytes at an offset in single segments of random sizes.
func receiveCut(p *play, at seq.Offset, n int, random *rand.Rand) {
	for {
		piece := min(n, 1+random.IntN(3000))
		p.receive(p.segment(flagsAt(at, piece), at, p.monitor.Next, piece))
		at, n = at+seq.Offset(piece), n-piece
		if n == 0 {
			break
		}
	}
	afterReceive(p)
}

// flagsAt returns the flags of the segment with n bytes at an offset: the last bytes of the stream have the FIN.
func flagsAt(at seq.Offset, n int) wire.Flags {
	if int(at)+n == superframeStream+1 {
		return wire.ACK | wire.FIN
	}
	return wire.ACK
}

// afterReceive lets the time pass until an ACK is due.
func afterReceive(p *play) {
	p.settle()
	p.pass(time.Second)
	p.next = min(p.monitor.Ack, superframeStream+1)
}

// readBoth reads up to n bytes from both connections.
func readBoth(t *testing.T, whole, cut *play, n int) {
	t.Helper()
	for _, p := range []*play{whole, cut} {
		b := make([]byte, n)
		got, _ := p.c.Read(b)
		for _, g := range b[:got] {
			if g != streamByte(p.read) {
				t.Fatalf("byte %d read is wrong", p.read)
			}
			p.read++
		}
		afterReceive(p)
	}
}

func compare(t *testing.T, whole, cut *play) {
	t.Helper()
	w, c := whole.c.Info(whole.now), cut.c.Info(cut.now)
	if whole.monitor.Ack != cut.monitor.Ack || whole.read != cut.read || w.Unread != c.Unread || w.State != c.State {
		t.Fatalf("in superframes: %v, ACK %d, %d bytes read and %d unread; in single segments: %v, ACK %d, %d and %d",
			w.State, whole.monitor.Ack, whole.read-1, w.Unread, c.State, cut.monitor.Ack, cut.read-1, c.Unread)
	}
}
