//go:build linux

package main

import (
	"bytes"
	"errors"
	"slices"
	"syscall"
	"time"

	"minitcp/cmd/minitcp/ladder"
	"minitcp/conn"
	"minitcp/conn/wire"
)

func refused(s *stage) error {
	from := s.history.length()
	_, err := s.dial(closedPort)
	s.find(errors.Is(err, syscall.ECONNREFUSED), "a refused connection: the kernel's connect gave ECONNREFUSED")
	p := s.history.wait(s.ctx, ends{ours: closedPort}, from, func(p passage) bool { return len(p.once()) >= 2 }).once()
	s.find(p.isExactly(step{toUs, wire.SYN}, step{toKernel, wire.RST | wire.ACK}), "a refused connection: SYN, and RST in answer")
	s.find(slices.Equal(p.their(), []conn.State{conn.SynSent, conn.Closed}), "a refused connection: the kernel went from SYN-SENT to CLOSED")
	return nil
}

func aborted(s *stage) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	s.settled(c)
	from := s.history.length()
	err = c.server.SetLinger(0) // close() throws away what is unsent, and resets
	if err := errors.Join(err, c.server.Close()); err != nil {
		return err
	}
	_, err = c.client.Read(make([]byte, 1))
	p := s.history.wait(s.ctx, c.ends, from, func(p passage) bool { return len(p) > 0 })
	s.find(len(p) == 1 && p[0].Outgoing && p[0].TCP.Flags.Has(wire.RST), "an abort: one RST, and nothing in answer")
	s.find(errors.Is(err, syscall.ECONNRESET), "an abort: the kernel's read gave ECONNRESET")
	ours, theirs := p.last()
	s.find(ours == conn.Closed && theirs == conn.Closed, "an abort: both sides went to CLOSED at once")
	return nil
}

// fourWay closes the main connection, our side first.
func fourWay(s *stage) error {
	c, from := s.main, s.history.length()
	s.ladder.Again(c.ours, c.theirs)
	if err := c.server.Close(); err != nil {
		return err
	}
	// The kernel's side does not close before it has acknowledged our FIN: or it would do both with one segment.
	s.history.wait(s.ctx, c.ends, from, func(p passage) bool { ours, _ := p.last(); return ours == conn.FinWait2 })
	atEnd := ended(c.client)
	if err := c.client.Close(); err != nil {
		return err
	}
	p := s.history.wait(s.ctx, c.ends, from, func(p passage) bool { _, theirs := p.last(); return len(p) >= 4 && theirs == conn.Closed })
	waiting := s.stateOf(c.ends) == conn.TimeWait
	released := s.eventually(func() bool { return s.stateOf(c.ends) == conn.Closed })
	now := time.Since(s.began)
	if released {
		s.ladder.Step(ladder.Step{Time: now, Local: c.ours, Remote: c.theirs, State: conn.Closed, Text: "TIME-WAIT's timer has run out"})
	}

	s.find(p.once().isExactly(step{toKernel, wire.FIN | wire.ACK}, step{toUs, wire.ACK}, step{toUs, wire.FIN | wire.ACK}, step{toKernel, wire.ACK}),
		"four-way release: FIN, ACK, FIN, ACK and nothing new besides")
	s.find(atEnd, "four-way release: the kernel's reader came to the end of our data")
	s.find(slices.Equal(p.our(), []conn.State{conn.FinWait1, conn.FinWait2, conn.TimeWait}),
		"four-way release: we went from FIN-WAIT-1 to FIN-WAIT-2 to TIME-WAIT")
	s.find(slices.Equal(p.their(), []conn.State{conn.CloseWait, conn.LastAck, conn.Closed}),
		"four-way release: the kernel went from CLOSE-WAIT to LAST-ACK to CLOSED")
	s.find(waiting && released && now-p[len(p)-1].Time >= timeWait, "four-way release: TIME-WAIT ended after its timer (%v) and not before", timeWait)
	return nil
}

// stateOf is our state.
func (s *stage) stateOf(c ends) conn.State {
	for _, i := range s.stack.Connections() {
		if i.Local == c.ours && i.Remote == c.theirs {
			return i.State
		}
	}
	return conn.Closed
}

// halfClose lets the kernel's side close first and our side go on sending.
func halfClose(s *stage) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	s.settled(c)
	from := s.history.length()
	if err := c.client.CloseWrite(); err != nil {
		return err
	}
	atEnd := ended(c.server)
	s.history.wait(s.ctx, c.ends, from, func(p passage) bool { _, theirs := p.last(); return theirs == conn.FinWait2 })
	closed := s.history.length()

	sent := message(1200, 3)
	for piece := range slices.Chunk(sent, 600) {
		if _, err := c.server.Write(piece); err != nil {
			return err
		}
	}
	got, err := readFull(c.client, len(sent))
	if err != nil {
		return err
	}
	s.settled(c)
	flowing, _ := s.history.of(c.ends, closed)

	if err := c.server.Close(); err != nil {
		return err
	}
	clientAtEnd := ended(c.client)
	p := s.history.wait(s.ctx, c.ends, from, func(p passage) bool { ours, _ := p.last(); return len(p) > 0 && ours == conn.Closed })

	s.find(atEnd, "half-close: our reader came to the end of the kernel's data")
	s.find(bytes.Equal(got, sent) && flowing.count(carries(toKernel)) > 0 &&
		flowing.count(func(v *sighting) bool { return v.After != conn.CloseWait || v.peer != conn.FinWait2 }) == 0,
		"half-close: %d octets flowed to the side that had closed, in CLOSE-WAIT and FIN-WAIT-2", len(sent))
	s.find(clientAtEnd && slices.Equal(p.our(), []conn.State{conn.CloseWait, conn.LastAck, conn.Closed}),
		"half-close: then we closed, from CLOSE-WAIT to LAST-ACK to CLOSED")
	s.find(slices.Equal(p.their(), []conn.State{conn.FinWait1, conn.FinWait2, conn.TimeWait}),
		"half-close: the kernel went from FIN-WAIT-1 to FIN-WAIT-2 to TIME-WAIT")
	return nil
}
