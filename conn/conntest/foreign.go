package conntest

import (
	"errors"
	"fmt"
	"io"

	"minitcp/conn"
)

// Foreign is one connection of another implementation of TCP, as an end of a [Pair]. It has its own clock, which each
// call sets to now.
type Foreign interface {
	// Dial begins the connection. An end that listens does so from its creation.
	Dial(now conn.Time)
	Receive(now conn.Time, s *conn.Segment)
	// ReceiveTooBig delivers a router's report about the segment with the sequence number.
	ReceiveTooBig(now conn.Time, mtu int, sequence uint32)
	Advance(now conn.Time)
	Deadline() conn.Time
	// Transmit returns the next segment that the connection has sent, or false.
	Transmit(s *conn.Segment) bool

	// State returns the state of the connection. Over reports whether it has ended, TIME-WAIT included.
	State() conn.State
	Over() bool

	// The application's calls. Read returns conn.ErrWouldBlock if no data has arrived, and io.EOF after the last.
	Connected(now conn.Time) bool
	Write(now conn.Time, b []byte) int
	Read(now conn.Time, b []byte) (int, error)
	Unread() int
	CloseWrite(now conn.Time)
	Close(now conn.Time, how Ending)

	// Release ends the goroutines of the implementation.
	Release()
}

// Peer describes the end of every flow of a [Scenario] that is another implementation of TCP.
type Peer struct {
	Of   string // name of the end, or "" if both are of package conn
	Text string // its configuration
	New  func(s *Scenario, e *End) Foreign
	// Excuse returns the known fault of the implementation that explains a broken rule, or "".
	Excuse func(p *Pair, broken error) string
}

// connected reports whether the application of e may send and receive: the connection is open, or uses Fast Open.
func (e *End) connected(now conn.Time) bool {
	if e.Foreign != nil {
		return e.Foreign.Connected(now)
	}
	return (e.fastOpen != nil || e.Conn.Ready()&conn.ReadyConnected != 0) && e.Conn.Err() == nil
}

// unread returns the number of bytes that have arrived and that the application of e has not read.
func (e *End) unread(now conn.Time) int {
	switch {
	case e.Foreign != nil:
		return e.Foreign.Unread()
	case e.Conn != nil:
		return e.Conn.Info(now).Unread
	}
	return 0
}

// receiveForeign delivers a packet to an end of another implementation.
func (p *Pair) receiveForeign(k *packet) {
	e, before := k.to, k.to.State()
	e.Foreign.Receive(p.Now, &k.seg)
	if p.Trace != nil {
		p.Trace(&Event{Now: p.Now, From: k.from, To: e, Arrived: true, Segment: &k.seg, Note: k.note, Copied: k.copied, Before: before, After: e.State()})
	}
	p.flushForeign(e)
}

// flushForeign sends the segments of an end of another implementation.
func (p *Pair) flushForeign(e *End) {
	for {
		k := packet{from: e}
		if !e.Foreign.Transmit(&k.seg) {
			break
		}
		p.transmit(k)
	}
	e.over = e.over || e.Foreign.Over()
}

// checkForeign returns an error unless e, an end of another implementation, ended in good order with all data.
func (e *End) checkForeign(peer *End) error {
	switch {
	case !e.over:
		return fmt.Errorf("%s ends in %v", e.Name, e.Foreign.State())
	case !errors.Is(e.ReadError, io.EOF):
		return fmt.Errorf("%s: reading ended with %v", e.Name, e.ReadError)
	case len(e.Received) != len(peer.ToSend):
		return fmt.Errorf("%s received %d bytes, want %d", e.Name, len(e.Received), len(peer.ToSend))
	}
	return nil
}
