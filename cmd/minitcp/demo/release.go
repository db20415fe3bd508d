//go:build linux

package demo

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

func refused(l *lab) error {
	from := l.history.length()
	_, err := l.dial(closedPort)
	l.expect(errors.Is(err, syscall.ECONNREFUSED), "a refused connection: connect in the kernel failed with ECONNREFUSED")
	p := l.history.wait(l.ctx, ends{ours: closedPort}, from, func(p trace) bool { return len(p.withoutTimeouts()) >= 2 }).withoutTimeouts()
	l.expect(p.isExactly(step{toUs, wire.SYN}, step{toKernel, wire.RST | wire.ACK}), "a refused connection: SYN, answered with RST")
	l.expect(slices.Equal(p.theirStates(), []conn.State{conn.SynSent, conn.Closed}), "a refused connection: the kernel went from SYN-SENT to CLOSED")
	return nil
}

func aborted(l *lab) error {
	c, err := l.connect()
	if err != nil {
		return err
	}
	l.quiesce(c)
	from := l.history.length()
	err = c.server.SetLinger(0) // Close discards unsent data and sends RST
	if err := errors.Join(err, c.server.Close()); err != nil {
		return err
	}
	_, err = c.client.Read(make([]byte, 1))
	p := l.history.wait(l.ctx, c.ends, from, func(p trace) bool { return len(p) > 0 })
	l.expect(len(p) == 1 && p[0].Outgoing && p[0].TCP.Flags.Has(wire.RST), "an abort: one RST, and no answer to it")
	l.expect(errors.Is(err, syscall.ECONNRESET), "an abort: read in the kernel failed with ECONNRESET")
	ours, theirs := p.last()
	l.expect(ours == conn.Closed && theirs == conn.Closed, "an abort: both sides went to CLOSED at once")
	return nil
}

// fourWay closes the main connection, minitcp's side first.
func fourWay(l *lab) error {
	c, from := l.main, l.history.length()
	l.ladder.Again(c.ours, c.theirs)
	if err := c.server.Close(); err != nil {
		return err
	}
	// The kernel must acknowledge our FIN before its side closes: otherwise one segment would carry its ACK and its FIN.
	l.history.wait(l.ctx, c.ends, from, func(p trace) bool { ours, _ := p.last(); return ours == conn.FinWait2 })
	atEnd := atEOF(c.client)
	if err := c.client.Close(); err != nil {
		return err
	}
	p := l.history.wait(l.ctx, c.ends, from, func(p trace) bool { _, theirs := p.last(); return len(p) >= 4 && theirs == conn.Closed })
	waiting := l.stateOf(c.ends) == conn.TimeWait
	released := l.eventually(func() bool { return l.stateOf(c.ends) == conn.Closed })
	now := time.Since(l.began)
	if released {
		l.ladder.Step(ladder.Step{Time: now, Local: c.ours, Remote: c.theirs, State: conn.Closed, Text: "the TIME-WAIT timer has expired"})
	}

	l.expect(p.withoutTimeouts().isExactly(step{toKernel, wire.FIN | wire.ACK}, step{toUs, wire.ACK}, step{toUs, wire.FIN | wire.ACK}, step{toKernel, wire.ACK}),
		"four-way release: FIN, ACK, FIN, ACK and no other segment")
	l.expect(atEnd, "four-way release: the kernel's reader reached the end of minitcp's data")
	l.expect(slices.Equal(p.ourStates(), []conn.State{conn.FinWait1, conn.FinWait2, conn.TimeWait}),
		"four-way release: minitcp went from FIN-WAIT-1 to FIN-WAIT-2 to TIME-WAIT")
	l.expect(slices.Equal(p.theirStates(), []conn.State{conn.CloseWait, conn.LastAck, conn.Closed}),
		"four-way release: the kernel went from CLOSE-WAIT to LAST-ACK to CLOSED")
	l.expect(waiting && released && now-p[len(p)-1].Time >= timeWait, "four-way release: TIME-WAIT ended after its timer (%v) and not before", timeWait)
	return nil
}

// stateOf returns minitcp's state of a connection, CLOSED if it has none.
func (l *lab) stateOf(c ends) conn.State {
	for _, i := range l.stack.Connections() {
		if i.Local == c.ours && i.Remote == c.theirs {
			return i.State
		}
	}
	return conn.Closed
}

// halfClose closes the sending direction of the kernel first. minitcp continues to send.
func halfClose(l *lab) error {
	c, err := l.connect()
	if err != nil {
		return err
	}
	l.quiesce(c)
	from := l.history.length()
	if err := c.client.CloseWrite(); err != nil {
		return err
	}
	atEnd := atEOF(c.server)
	l.history.wait(l.ctx, c.ends, from, func(p trace) bool { _, theirs := p.last(); return theirs == conn.FinWait2 })
	closed := l.history.length()

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
	l.quiesce(c)
	open, _ := l.history.of(c.ends, closed)

	if err := c.server.Close(); err != nil {
		return err
	}
	clientAtEnd := atEOF(c.client)
	p := l.history.wait(l.ctx, c.ends, from, func(p trace) bool { ours, _ := p.last(); return len(p) > 0 && ours == conn.Closed })

	l.expect(atEnd, "half-close: minitcp's reader reached the end of the kernel's data")
	l.expect(bytes.Equal(got, sent) && open.count(carries(toKernel)) > 0 &&
		open.count(func(v *segment) bool { return v.After != conn.CloseWait || v.peer != conn.FinWait2 }) == 0,
		"half-close: %d bytes flowed to the side that had closed, in CLOSE-WAIT and FIN-WAIT-2", len(sent))
	l.expect(clientAtEnd && slices.Equal(p.ourStates(), []conn.State{conn.CloseWait, conn.LastAck, conn.Closed}),
		"half-close: then minitcp closed, and went from CLOSE-WAIT to LAST-ACK to CLOSED")
	l.expect(slices.Equal(p.theirStates(), []conn.State{conn.FinWait1, conn.FinWait2, conn.TimeWait}),
		"half-close: the kernel went from FIN-WAIT-1 to FIN-WAIT-2 to TIME-WAIT")
	return nil
}
