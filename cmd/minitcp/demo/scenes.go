//go:build linux

package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// scene demonstrates one statement of a lesson on TCP. run makes it happen and records its observations with expect. An
// error of run ends the demo.
type scene struct {
	name    string
	caption string
	run     func(*lab) error
}

// prologue explains the labels of the arrows.
var prologue = []string{
	"1. Control bits: six bits of the header give the meaning of a segment.",
	"   URG  part of the data is urgent",
	"   ACK  the acknowledgement number is valid; set in every segment except the first",
	"   PSH  the receiver should deliver the data without waiting for more",
	"   RST  aborts the connection, or rejects one that does not exist",
	"   SYN  opens a connection; its sequence number is the initial one, which is random",
	"   FIN  the sender has no more data",
	"   Below, seq and ack count from the initial numbers, len and win are in bytes, and states are those",
	"   after the segment. An X marks a segment that was lost or discarded.",
}

// scenes lists the scenes of the demo in their order.
var scenes = []scene{
	{"handshake", "2. Three-way handshake: each side sends its initial sequence number and gets it acknowledged.", handshake},
	{"data both ways", "   Full duplex: both sides send at the same time, each with sequence numbers of its own.", dataBothWays},
	{"a damaged segment", "3. PAR: a damaged segment is discarded and not acknowledged, so its sender retransmits it.", damagedOurs},
	{"a lost segment", "   PAR: a lost segment is not acknowledged either; its sender retransmits it after a timeout.", lostOurs},
	{"a damaged segment from the kernel", "   PAR the other way: minitcp finds the damage, and the kernel retransmits.", damagedTheirs},
	{"a lost segment from the kernel", "   PAR the other way: a segment from the kernel is lost, and the kernel retransmits it.", lostTheirs},
	{"a refused connection", "4. Abrupt release: a SYN to a port without a listener is answered with RST.", refused},
	{"an abort", "   Abrupt release: one side aborts both directions at once; the other side's read fails.", aborted},
	{"four-way release", "5. Graceful release in four steps: a FIN and an ACK in each direction, then TIME-WAIT (1 s here).", fourWay},
	{"half-close", "6. Half-close: a FIN closes one direction only; data still flows to the side that closed.", halfClose},
}

// handshake opens the main connection.
func handshake(l *lab) error {
	from := l.history.length()
	c, err := l.connect()
	if err != nil {
		return err
	}
	l.main = c
	p := l.history.wait(l.ctx, c.ends, from, func(p trace) bool { ours, _ := p.last(); return len(p) > 0 && ours == conn.Established }).withoutTimeouts()
	if len(p) == 3 {
		l.ladder.Text(fmt.Sprintf("   The initial sequence numbers, 0 above: x = %d of the kernel, y = %d of minitcp.", p[0].TCP.Seq, p[1].TCP.Seq))
	}

	l.expect(p.isExactly(step{toUs, wire.SYN}, step{toKernel, wire.SYN | wire.ACK}, step{toUs, wire.ACK}),
		"handshake: SYN, SYN+ACK, ACK and no other segment")
	l.expect(len(p) == 3 && p[1].TCP.Ack == p[0].TCP.Seq+1 && p[2].TCP.Ack == p[1].TCP.Seq+1 && p[2].TCP.Seq == p[0].TCP.Seq+1,
		"handshake: each initial sequence number was acknowledged: ack x+1, ack y+1")
	l.expect(len(p) > 0 && p[0].Before == conn.Listen && slices.Equal(p.ourStates(), []conn.State{conn.SynReceived, conn.Established}),
		"handshake: minitcp went from LISTEN to SYN-RECEIVED to ESTABLISHED")
	l.expect(slices.Equal(p.theirStates(), []conn.State{conn.SynSent, conn.Established}),
		"handshake: the kernel went from SYN-SENT to ESTABLISHED")
	return nil
}

// message returns n bytes that differ with the seed.
func message(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*31 + seed
	}
	return b
}

// dataBothWays sends data in both directions before either side reads.
func dataBothWays(l *lab) error {
	c, from := l.main, l.history.length()
	ours, theirs := message(900, 1), message(300, 2)
	for i := range 3 {
		_, err1 := c.client.Write(theirs[100*i : 100*(i+1)])
		l.history.wait(l.ctx, c.ends, from, func(p trace) bool { return p.count(carries(toUs)) > i })
		_, err2 := c.server.Write(ours[300*i : 300*(i+1)])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
	}
	gotTheirs, err1 := readFull(c.server, len(theirs))
	gotOurs, err2 := readFull(c.client, len(ours))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	l.quiesce(c)
	p, _ := l.history.of(c.ends, from)
	l.expect(bytes.Equal(gotTheirs, theirs), "data both ways: %d bytes from the kernel arrived intact at minitcp", len(theirs))
	l.expect(bytes.Equal(gotOurs, ours), "data both ways: %d bytes from minitcp arrived intact at the kernel", len(ours))
	l.expect(p.count(carries(toUs)) > 0 && p.count(carries(toKernel)) > 0, "data both ways: one connection carried data in both directions")
	all, _ := l.history.of(c.ends, 0)
	l.expect(all.withoutTimeouts().count(lacksACK) == 1, "control bits: ACK was set in every segment except the first")
	return nil
}

// readFull reads exactly n bytes.
func readFull(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// carries returns a function that matches segments with data in one direction.
func carries(outgoing bool) func(*segment) bool {
	return func(s *segment) bool { return s.Outgoing == outgoing && s.Len > 0 }
}

// lacksACK matches segments without the ACK bit.
func lacksACK(s *segment) bool { return !s.TCP.Flags.Has(wire.ACK) }

// atEOF reports whether the next Read finds the end of the stream, which is the peer's FIN.
func atEOF(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}
