package ladder

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

var update = flag.Bool("update", false, "write the drawings in testdata anew")

const ms = time.Millisecond

// actor makes the events of one connection, as a stack with the initial number 1000 and a peer with 5000 has them.
type actor struct {
	*Ladder
	local, remote netip.AddrPort
	state         conn.State
}

func newActor(l *Ladder, local, remote string) *actor {
	return &actor{l, netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote), conn.Closed}
}

const (
	ourISN   = 1000
	theirISN = 5000
)

// event returns a segment with relative numbers that leads to state; change makes it special.
func (a *actor) event(at time.Duration, outgoing bool, flags wire.Flags, seq, ack, n int, after conn.State, change func(*stack.TraceEvent)) *stack.TraceEvent {
	v := &stack.TraceEvent{
		Time: at, Outgoing: outgoing, Local: a.local, Remote: a.remote, Len: n,
		RelativeSeq: int64(seq), RelativeAck: -1, Before: a.state, After: after, Segments: 1,
		TCP: wire.TCP{Flags: flags, Window: 65535},
	}
	from, to := theirISN, ourISN
	if outgoing {
		from, to = to, from
	}
	v.TCP.Seq = uint32(from + seq)
	if flags.Has(wire.ACK) {
		v.TCP.Ack, v.RelativeAck = uint32(to+ack), int64(ack)
	}
	if flags.Has(wire.SYN) {
		v.TCP.Options = wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7}
	}
	if change != nil {
		change(v)
	}
	a.state = after
	return v
}

func (a *actor) in(at time.Duration, flags wire.Flags, seq, ack, n int, after conn.State, change func(*stack.TraceEvent)) {
	a.Event(a.event(at, false, flags, seq, ack, n, after, change))
}

func (a *actor) out(at time.Duration, flags wire.Flags, seq, ack, n int, after conn.State, change func(*stack.TraceEvent)) {
	a.Event(a.event(at, true, flags, seq, ack, n, after, change))
}

// handshake returns the handshake of a server.
func (a *actor) handshake(at time.Duration) {
	a.state = conn.Listen
	a.in(at, wire.SYN, 0, 0, 0, conn.SynReceived, nil)
	a.out(at+ms/20, wire.SYN|wire.ACK, 0, 1, 0, conn.SynReceived, nil)
	a.in(at+ms/10, wire.ACK, 1, 1, 0, conn.Established, nil)
}

func noted(text string) func(*stack.TraceEvent) {
	return func(v *stack.TraceEvent) { v.Note = text }
}

func dropped(text string) func(*stack.TraceEvent) {
	return func(v *stack.TraceEvent) { v.Note, v.Dropped = text, true }
}

const (
	server4 = "10.77.0.2:80"
	client4 = "10.77.0.1:51822"
	server6 = "[fd77::2]:80"
	client6 = "[fd77::1]:40000"
)

var drawings = []struct {
	name string
	opt  Options
	draw func(*Ladder)
}{
	{"lesson", Options{PeerName: "kernel"}, func(l *Ladder) {
		a := newActor(l, server4, client4)
		a.state = conn.Listen
		l.Title("Handshake and release, with the peer's states")
		draw := func(v *stack.TraceEvent, peer conn.State) { l.Draw(v, peer.String()) }
		draw(a.event(0, false, wire.SYN, 0, 0, 0, conn.SynReceived, nil), conn.SynSent)
		draw(a.event(41*ms/1000, true, wire.SYN|wire.ACK, 0, 1, 0, conn.SynReceived, nil), conn.Established)
		draw(a.event(60*ms/1000, false, wire.ACK, 1, 1, 0, conn.Established, nil), conn.Established)
		l.Again(a.local, a.remote)
		draw(a.event(ms, true, wire.FIN|wire.ACK, 1, 1, 0, conn.FinWait1, nil), conn.CloseWait)
		draw(a.event(2*ms, false, wire.ACK, 1, 2, 0, conn.FinWait2, nil), conn.CloseWait)
		draw(a.event(3*ms, false, wire.FIN|wire.ACK, 1, 2, 0, conn.TimeWait, nil), conn.LastAck)
		draw(a.event(3*ms, true, wire.ACK, 2, 2, 0, conn.TimeWait, nil), conn.Closed)
		l.Step(Step{Time: 60_003 * ms, Local: a.local, Remote: a.remote, State: conn.Closed, Text: "the timer has run out"})
		l.Text("A line of text.")
	}},
	{"repair", Options{}, func(l *Ladder) {
		a := newActor(l, server4, client4)
		a.handshake(10 * ms)
		a.out(11*ms, wire.PSH|wire.ACK, 1, 1, 200, conn.Established, dropped("lost on the way"))
		a.out(211*ms, wire.PSH|wire.ACK, 1, 1, 200, conn.Established, noted("retransmission"))
		a.in(212*ms, wire.ACK, 1, 201, 0, conn.Established, nil)
		a.in(213*ms, wire.PSH|wire.ACK, 1, 201, 1448, conn.Established, func(v *stack.TraceEvent) {
			v.Note, v.Dropped, v.RelativeSeq, v.RelativeAck = "damaged: tcp-checksum", true, -1, -1
		})
		a.in(214*ms, wire.PSH|wire.ACK, 1449, 201, 100, conn.Established, noted("out of order"))
		a.out(214*ms, wire.ACK, 201, 1, 0, conn.Established, func(v *stack.TraceEvent) {
			v.Note = "duplicate ACK"
			v.TCP.Options.SACKCount = 1
			v.TCP.Options.SACK[0] = wire.SACKBlock{Left: theirISN + 1449, Right: theirISN + 1549}
		})
		a.in(215*ms, wire.PSH|wire.ACK, 1, 201, 1448, conn.Established, nil)
		a.in(216*ms, wire.PSH|wire.ACK, 1, 201, 1448, conn.Established, dropped("duplicate"))
		a.out(212*ms, wire.ACK, 201, 1549, 0, conn.Established, nil) // the time of an earlier batch
	}},
	{"marks", Options{}, func(l *Ladder) {
		a := newActor(l, server4, client4)
		codepoint := func(e wire.ECN) func(*stack.TraceEvent) { return func(v *stack.TraceEvent) { v.ECN = e } }
		a.state = conn.Listen
		a.in(0, wire.SYN|wire.ECE|wire.CWR, 0, 0, 0, conn.SynReceived, nil)
		a.out(0, wire.SYN|wire.ACK|wire.ECE, 0, 1, 0, conn.SynReceived, nil)
		a.in(ms, wire.ACK, 1, 1, 0, conn.Established, nil)
		a.in(ms, wire.PSH|wire.ACK, 1, 1, 1448, conn.Established, codepoint(wire.ECT0))
		a.in(2*ms, wire.PSH|wire.ACK, 1449, 1, 1448, conn.Established, codepoint(wire.CE))
		a.out(2*ms, wire.ACK|wire.ECE, 1, 2897, 0, conn.Established, nil)
		a.in(3*ms, wire.PSH|wire.ACK|wire.CWR, 2897, 1, 1448, conn.Established, codepoint(wire.ECT0))
		a.out(3*ms, wire.ACK, 1, 4345, 14480, conn.Established, func(v *stack.TraceEvent) { v.ECN, v.Segments = wire.ECT0, 10 })
	}},
	{"accurate", Options{}, func(l *Ladder) {
		const ace5, ace6 = wire.AE | wire.ECE, wire.AE | wire.CWR
		a := newActor(l, server4, client4)
		counters := func(e wire.ECN, fields ...uint32) func(*stack.TraceEvent) {
			return func(v *stack.TraceEvent) {
				v.ECN = e
				v.TCP.Options.AccECN = wire.AccECN{Order: wire.AccECN0, Count: uint8(len(fields))}
				copy(v.TCP.Options.AccECN.Fields[:], fields)
			}
		}
		a.state = conn.Listen
		a.in(0, wire.SYN|wire.ECE|wire.CWR|wire.AE, 0, 0, 0, conn.SynReceived, nil)
		a.out(0, wire.SYN|wire.ACK|wire.CWR, 0, 1, 0, conn.SynReceived, counters(wire.NotECT, 1, 0, 1))
		a.in(ms, wire.ACK|wire.CWR, 1, 1, 0, conn.Established, counters(wire.NotECT, 1))
		a.in(ms, wire.PSH|wire.ACK|ace5, 1, 1, 1448, conn.Established, counters(wire.CE))
		a.out(2*ms, wire.ACK|ace6, 1, 1449, 0, conn.Established, counters(wire.NotECT, 1, 1448))
	}},
	{"reset", Options{}, func(l *Ladder) {
		a := newActor(l, "10.77.0.2:81", client4)
		unknown := func(v *stack.TraceEvent) { v.RelativeSeq, v.RelativeAck = -1, -1 }
		a.in(0, wire.SYN, 0, 0, 0, conn.Closed, func(v *stack.TraceEvent) {
			unknown(v)
			v.Note, v.Dropped = "no connection", true
		})
		a.out(0, wire.RST|wire.ACK, -ourISN, 1, 0, conn.Closed, unknown)
		b := newActor(l, "10.77.0.2:82", client4) // a connection drawn from the middle
		b.in(ms, wire.PSH|wire.ACK, 77, 88, 9, conn.Closed, func(v *stack.TraceEvent) {
			unknown(v)
			v.Note, v.Dropped = "no connection", true
		})
		b.out(ms, wire.RST, 88, 0, 0, conn.Closed, unknown)
	}},
	{"busy", Options{}, func(l *Ladder) {
		a, b := newActor(l, server4, client4), newActor(l, server6, client6)
		a.handshake(0)
		b.handshake(ms)
		a.in(3*ms, wire.PSH|wire.ACK, 1, 1, 80, conn.Established, nil)
		b.in(3*ms, wire.PSH|wire.ACK, 1, 1, 81, conn.Established, nil)
		a.out(4*ms, wire.ACK, 1, 81, 64240, conn.Established, func(v *stack.TraceEvent) { v.Segments = 44 })
		b.out(4*ms, wire.PSH|wire.ACK, 1, 82, 900, conn.Established, nil)
		b.in(5*ms, wire.RST, 82, 0, 0, conn.Closed, noted("reset"))
		b.handshake(250_000 * ms) // from the same port
		a.in(250_001*ms, wire.FIN|wire.ACK, 81, 64241, 0, conn.CloseWait, nil)
	}},
	{"dial", Options{LocalName: "us", PeerName: "them"}, func(l *Ladder) {
		const long = "2001:db8:1111:2222:3333:4444:5555:666"
		a := newActor(l, "["+long+"1]:50000", "["+long+"2]:8080")
		a.state = conn.SynSent
		a.out(0, wire.SYN, 0, 0, 0, conn.SynSent, nil)
		a.out(1000*ms, wire.SYN, 0, 0, 0, conn.SynSent, noted("retransmission"))
		a.in(1001*ms, wire.SYN|wire.ACK, 0, 1, 0, conn.Established, nil)
		a.out(1001*ms, wire.ACK, 1, 1, 0, conn.Established, nil)
		a.out(1002*ms, wire.PSH|wire.ACK|wire.URG, 1, 1, 5, conn.Established, func(v *stack.TraceEvent) { v.TCP.Urgent = 5 })
	}},
	{"narrow", Options{Width: 80}, func(l *Ladder) {
		l.Title("A title that is longer than the eighty columns there are goes on in the next line.")
		a := newActor(l, server4, client4)
		a.handshake(0)
		a.out(ms, wire.PSH|wire.ACK|wire.URG|wire.FIN, 1_000_000_000, 2_000_000_000, 64240, conn.FinWait1, func(v *stack.TraceEvent) {
			v.Segments, v.Note = 44, "retransmission, and a note much too long for the room there is"
		})
	}},
}

// draw returns the drawing.
func draw(t *testing.T, opt Options, f func(*Ladder)) string {
	t.Helper()
	var b bytes.Buffer
	l := New(&b, opt)
	f(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The drawings in testdata have been looked at. After a change: go test -update, and look again.
func TestDrawings(t *testing.T) {
	for _, d := range drawings {
		t.Run(d.name, func(t *testing.T) {
			got := draw(t, d.opt, d.draw)
			path := filepath.Join("testdata", d.name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("drawn:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// An arrow is as wide as the space between the rails, even if its label leaves no room for a line.
func TestArrowWidth(t *testing.T) {
	const middle = 20
	for _, o := range []outcome{arrived, rejected, lost} {
		for _, outgoing := range []bool{true, false} {
			for n := range middle - len("---  >") + 1 {
				label := strings.Repeat("x", n)
				got := arrow(&segment{outcome: o, outgoing: outgoing}, label, middle)
				if len(got) != middle || !strings.Contains(got, label) {
					t.Errorf("outcome %d, outgoing %v: %q is %d wide, want %d", o, outgoing, got, len(got), middle)
				}
			}
		}
	}
}

func TestWidthAndColour(t *testing.T) {
	escape := regexp.MustCompile("\x1b\\[[0-9]*m")
	for _, d := range drawings {
		want := max(d.opt.Width, defaultWidth)
		if d.opt.Width > 0 {
			want = d.opt.Width
		}
		plain := draw(t, d.opt, d.draw)
		for line := range strings.Lines(plain) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > want {
				t.Errorf("%s: a line of %d columns, more than %d:\n%s", d.name, n, want, line)
			}
		}
		if strings.Contains(plain, "\x1b") {
			t.Errorf("%s: escape codes without Colour", d.name)
		}
		opt := d.opt
		opt.Colour = true
		coloured := draw(t, opt, d.draw)
		if !strings.Contains(coloured, "\x1b") {
			t.Errorf("%s: no escape codes with Colour", d.name)
		}
		// Spaces at the ends of lines differ, because an escape code keeps them.
		bare := regexp.MustCompile(" +\n").ReplaceAllString(escape.ReplaceAllString(coloured, ""), "\n")
		if bare != plain {
			t.Errorf("%s: without escape codes the coloured drawing is\n%s\nnot\n%s", d.name, bare, plain)
		}
	}
}
