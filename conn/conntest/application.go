package conntest

import "minitcp/conn"

// application sends and reads as its Side describes, and half-closes when all data is sent.
type application struct {
	Side
	peer        Side // the peer's Side
	dials       bool
	connectedAt conn.Time // time of the first call with a connection
	nextRead    conn.Time
	started     bool
}

// run implements the [End.App] of the application.
func (a *application) run(p *Pair, e *End) {
	if !e.connected(p.Now) || e.left {
		return
	}
	if !a.started {
		a.started, a.connectedAt, a.nextRead = true, p.Now, p.Now
	}
	a.read(p, e)
	a.write(p, e)
}

// write sends the data that is permitted by now.
func (a *application) write(p *Pair, e *End) {
	may := min(a.writable(p, e), a.Bytes)
	for e.Sent < may && e.Write(p, may-e.Sent) > 0 {
	}
	if e.Sent < a.Bytes || e.HalfClose {
		return
	}
	a.end(p, e)
}

// writable returns the number of bytes that may have been written by now.
func (a *application) writable(p *Pair, e *End) int {
	switch {
	case a.Turns:
		turn := len(e.Received) / max(1, a.peer.WriteSize)
		if a.dials {
			turn++
		}
		return turn * a.WriteSize
	case a.WriteSize > 0:
		turn := p.Now.Sub(a.connectedAt) / a.WriteInterval
		if int(turn)*a.WriteSize < a.Bytes {
			e.wake(a.connectedAt.Add((turn + 1) * a.WriteInterval))
		}
		return int(turn+1) * a.WriteSize
	}
	return a.Bytes
}

// read reads the data that may be read by now.
func (a *application) read(p *Pair, e *End) {
	switch begin := a.connectedAt.Add(a.ReadDelay); {
	case p.Now < begin:
		e.wake(begin)
	case a.ReadInterval == 0:
		for e.Read(p, 1+p.rng.IntN(20000)) {
		}
	case e.ReadError != nil:
	case p.Now < a.nextRead:
		e.wake(a.nextRead)
	default:
		a.nextRead = p.Now.Add(a.ReadInterval)
		if e.Read(p, a.ReadSize) { // otherwise the arrival of data calls
			e.wake(a.nextRead)
		}
	}
}

// wake schedules a call of the application no later than t.
func (e *End) wake(t conn.Time) { e.Wake = min(e.Wake, t) }
