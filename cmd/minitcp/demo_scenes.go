//go:build linux

package main

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

// scene is one thing a lesson on TCP says. run makes it happen and records with find what was seen of it; its error
// means that the demo cannot go on.
type scene struct {
	name    string
	caption string
	run     func(*stage) error
}

// prologue explains the words on the arrows.
var prologue = []string{
	"1. Control bits: with six bits of its header a segment says what it carries.",
	"   URG  some of the data is urgent",
	"   ACK  the acknowledgement number is valid; set in every segment but the first",
	"   PSH  pass the data on, do not wait for more",
	"   RST  the connection is ended, or there is none",
	"   SYN  opens, and brings the initial sequence number, which is random",
	"   FIN  no more data from me",
	"   Below, seq and ack count from the initial numbers, len and win are octets, and the states are",
	"   those after the segment. An X is a segment that came to nothing.",
}

// scenes are in the order of a lesson.
var scenes = []scene{
	{"handshake", "2. Three-way handshake: each side tells its initial sequence number and has it acknowledged.", handshake},
	{"data both ways", "   Full duplex: both sides send at the same time, each with sequence numbers of its own.", dataBothWays},
	{"a damaged segment", "3. PAR: what arrives damaged is thrown away; nobody acknowledges it, so it is sent again.", damagedOurs},
	{"a lost segment", "   PAR: what is lost is not acknowledged either, and comes again after a timeout.", lostOurs},
	{"a damaged segment of the kernel's", "   PAR the other way: now minitcp finds the damage, and the kernel repeats.", damagedTheirs},
	{"a lost segment of the kernel's", "   PAR the other way: a segment of the kernel's is lost.", lostTheirs},
	{"a refused connection", "4. Abrupt release: a SYN to a port where nobody listens is answered with RST.", refused},
	{"an abort", "   Abrupt release: one side closes both directions at once; the other's read fails.", aborted},
	{"four-way release", "5. Graceful release in four steps: each direction gets a FIN and an ACK; then TIME-WAIT (1 s here).", fourWay},
	{"half-close", "6. Half-close: a FIN closes one direction only; data still flows to the side that closed.", halfClose},
}

// handshake opens the main connection.
func handshake(s *stage) error {
	from := s.history.length()
	c, err := s.connect()
	if err != nil {
		return err
	}
	s.main = c
	p := s.history.wait(s.ctx, c.ends, from, func(p passage) bool { ours, _ := p.last(); return len(p) > 0 && ours == conn.Established }).once()
	if len(p) == 3 {
		s.ladder.Text(fmt.Sprintf("   The initial sequence numbers, 0 above: x = %d is the kernel's, y = %d ours.", p[0].TCP.Seq, p[1].TCP.Seq))
	}

	s.find(p.isExactly(step{toUs, wire.SYN}, step{toKernel, wire.SYN | wire.ACK}, step{toUs, wire.ACK}),
		"handshake: SYN, SYN+ACK, ACK and nothing new besides")
	s.find(len(p) == 3 && p[1].TCP.Ack == p[0].TCP.Seq+1 && p[2].TCP.Ack == p[1].TCP.Seq+1 && p[2].TCP.Seq == p[0].TCP.Seq+1,
		"handshake: each initial sequence number was acknowledged: ack x+1, ack y+1")
	s.find(len(p) > 0 && p[0].Before == conn.Listen && slices.Equal(p.our(), []conn.State{conn.SynReceived, conn.Established}),
		"handshake: we went from LISTEN to SYN-RECEIVED to ESTABLISHED")
	s.find(slices.Equal(p.their(), []conn.State{conn.SynSent, conn.Established}),
		"handshake: the kernel went from SYN-SENT to ESTABLISHED")
	return nil
}

// message is n octets that are easily told from others.
func message(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*31 + seed
	}
	return b
}

// dataBothWays lets both sides write, in turn, before either has read.
func dataBothWays(s *stage) error {
	c, from := s.main, s.history.length()
	ours, theirs := message(900, 1), message(300, 2)
	for i := range 3 {
		_, err1 := c.client.Write(theirs[100*i : 100*(i+1)])
		s.history.wait(s.ctx, c.ends, from, func(p passage) bool { return p.count(carries(toUs)) > i })
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
	s.settled(c)
	p, _ := s.history.of(c.ends, from)
	s.find(bytes.Equal(gotTheirs, theirs), "data both ways: %d octets of the kernel's arrived at ours as they were", len(theirs))
	s.find(bytes.Equal(gotOurs, ours), "data both ways: %d octets of ours arrived at the kernel's as they were", len(ours))
	s.find(p.count(carries(toUs)) > 0 && p.count(carries(toKernel)) > 0, "data both ways: on one connection, in both directions")
	all, _ := s.history.of(c.ends, 0)
	s.find(all.once().count(lacksACK) == 1, "control bits: ACK was in every segment but the first")
	return nil
}

func readFull(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// carries matches segments with data in one direction.
func carries(outgoing bool) func(*sighting) bool {
	return func(s *sighting) bool { return s.Outgoing == outgoing && s.Len > 0 }
}

func lacksACK(s *sighting) bool { return !s.TCP.Flags.Has(wire.ACK) }

// ended reports whether a reader is at the end of the stream, the peer's FIN.
func ended(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}
