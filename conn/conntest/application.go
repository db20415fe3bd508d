package conntest

import (
	"fmt"

	"minitcp/conn"
)

// application does what a Side says, and closes when it has sent all.
type application struct {
	Side
	theirs  Side // the peer's
	dials   bool
	began   conn.Time // when the connection was there
	sipped  conn.Time
	started bool
}

func (a *application) run(p *Pair, e *End) {
	c := e.Conn
	if c.Ready()&conn.ReadyConnected == 0 || c.Err() != nil {
		return
	}
	if !a.started {
		a.started, a.began, a.sipped = true, p.Now, p.Now
	}
	a.read(p, e)
	a.write(p, e)
}

// write writes what may be by now.
func (a *application) write(p *Pair, e *End) {
	may := min(a.allowed(p, e), a.Octets)
	for e.Sent < may && e.Write(p, may-e.Sent) > 0 {
	}
	if e.Sent < a.Octets || e.HalfClose {
		return
	}
	e.HalfClose = true
	if err := e.Conn.CloseWrite(); err != nil {
		p.fail(fmt.Errorf("%s: CloseWrite: %w", e.Name, err))
	}
}

// allowed is how much may have been written by now.
func (a *application) allowed(p *Pair, e *End) int {
	switch {
	case a.Turns:
		turn := len(e.Received) / max(1, a.theirs.Piece)
		if a.dials {
			turn++
		}
		return turn * a.Piece
	case a.Piece > 0:
		turn := p.Now.Sub(a.began) / a.Pause
		if int(turn)*a.Piece < a.Octets {
			e.wake(a.began.Add((turn + 1) * a.Pause))
		}
		return int(turn+1) * a.Piece
	}
	return a.Octets
}

// read reads what may be by now.
func (a *application) read(p *Pair, e *End) {
	switch begin := a.began.Add(a.Rest); {
	case p.Now < begin:
		e.wake(begin)
	case a.Every == 0:
		for e.Read(p, 1+p.rng.IntN(20000)) {
		}
	case e.ReadError != nil:
	case p.Now < a.sipped:
		e.wake(a.sipped)
	default:
		e.Read(p, a.Sip)
		a.sipped = p.Now.Add(a.Every)
		if e.ReadError == nil {
			e.wake(a.sipped)
		}
	}
}

// wake has the application called at a time, at the latest.
func (e *End) wake(t conn.Time) { e.Wake = min(e.Wake, t) }
