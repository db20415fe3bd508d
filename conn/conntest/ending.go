package conntest

import (
	"errors"
	"fmt"
	"io"

	"minitcp/conn"
)

// Ending is the way in which an application ends its connection.
type Ending uint8

const (
	// HalfClose closes the sending direction after the last byte, and reads until the end of file.
	HalfClose Ending = iota
	// Close closes the connection after the last byte is written. Data that arrives later causes a RST.
	Close
	// Abort sends a RST after the last byte is written. Data that is not acknowledged is lost.
	Abort
)

// String returns the name of the ending.
func (e Ending) String() string { return [...]string{"half-close", "close", "abort"}[e] }

// end ends the connection as the application's Side describes.
func (a *application) end(p *Pair, e *End) {
	switch {
	case e.HalfClose:
		return
	case a.Ending == HalfClose:
		e.HalfClose = true
		e.closeWrite(p)
		return
	}
	e.HalfClose, e.left, e.ReadError = true, true, errLeft
	if e.Foreign != nil {
		e.Foreign.Close(p.Now, a.Ending)
		return
	}
	e.Conn.Close(p.Now, conn.Linger{Set: a.Ending == Abort})
}

// errLeft is the ReadError of an end whose application has closed the connection.
var errLeft = errors.New("the application has closed")

// closeWrite closes the sending direction.
func (e *End) closeWrite(p *Pair) {
	if e.Foreign != nil {
		e.Foreign.CloseWrite(p.Now)
		return
	}
	if err := e.Conn.CloseWrite(); err != nil {
		p.fail(fmt.Errorf("%s: CloseWrite: %w", e.Name, err))
	}
}

// endsEarly reports whether an application has closed the connection without reading to the end of file, or the end
// that listens has given up the handshake, so that it resets the connection of the other.
func (p *Pair) endsEarly() bool {
	return p.A.left || p.B.left || p.B.forgot && p.B.Conn == nil || p.B.gaveUp()
}

// checkLeft is the rule for a connection that an application has closed early. That end's connection ends. The other
// end has a prefix of the data, and its connection ends in good order or is reset, unless every RST was lost and it has
// nothing to send.
func (p *Pair) checkLeft() error {
	if err := p.Prefixes(); err != nil {
		return err
	}
	for _, e := range []*End{p.A, p.B} {
		if e.State() == conn.Listen && !e.left {
			continue // a RST has overtaken the last segment of the handshake, or its segments were lost
		}
		if !e.over && (e.left || p.Link.lossless() || e.unsent(p.Now)) {
			return fmt.Errorf("%s ends in %v, although an application has closed the connection", e.Name, e.State())
		}
		if !e.over || e.Foreign != nil {
			continue
		}
		err := e.Conn.Err()
		e.Conn.Close(p.Now, conn.Linger{})
		switch {
		case err != nil && !errors.Is(err, conn.ErrReset) && !errors.Is(err, conn.ErrPipe) && !e.left && !e.gaveUp() && !e.refused():
			return fmt.Errorf("%s ends with %w", e.Name, err)
		case err == nil && !e.left && (e.ReadError != io.EOF || len(e.Received) != len(e.peer.ToSend)):
			return fmt.Errorf("%s ends in good order with %d of %d bytes", e.Name, len(e.Received), len(e.peer.ToSend))
		case e.Pages.Used != 0 || e.Pages.Borrowed != 0 || e.Pages.Charged != 0:
			return fmt.Errorf("%s keeps %d pages, %d borrowed buffers and %d bytes", e.Name, e.Pages.Used, e.Pages.Borrowed, e.Pages.Charged)
		}
	}
	return nil
}

// unsent reports whether e has data or a FIN that is not acknowledged.
func (e *End) unsent(now conn.Time) bool {
	if e.Conn == nil {
		return false
	}
	i := e.Conn.Info(now)
	return i.InFlight > 0 || i.Unsent > 0
}

// ending draws the ending of a side.
func (d *generator) ending(s *Side) { s.Ending = pick(d, Close, Close, Abort) }
