package buffer

import (
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// Tuning makes the receive window large enough that the sender never waits for it (dynamic right-sizing, Linux's
// tcp_rcv_space_adjust). The window is twice the data that the application has read in a round trip, since the sender
// may send twice as much in the next one. It is four times that data while the data doubles in each round trip. The
// window therefore grows only if the application keeps up.
type Tuning struct {
	begun      bool       // a round trip is being measured
	slowReader bool       // in this round trip, more than half of the buffer was unread at some time
	tsval      uint32     // least timestamp whose echo shows that the round trip has ended
	since      clock.Time // beginning of the round trip
	from       seq.Offset // end of the data that the application had read at that time
	read       int64      // bytes read in the round trip before
	lastData   clock.Time // time of the last data
}

// Data notes that data has arrived, when unread bytes of limit waited. If that is the first data after a pause, the
// tuning begins anew, and Data returns true.
func (t *Tuning) Data(now clock.Time, unread, limit int, pause time.Duration) (anew bool) {
	if anew = t.begun && now.Sub(t.lastData) >= pause; anew {
		t.begun, t.read = false, 0
	}
	t.lastData = now
	t.slowReader = t.slowReader || unread > limit/2
	return anew
}

// Begin begins to measure a round trip. Start is the end of the data that the application has read, tsval the
// least timestamp whose echo shows that the round trip has ended.
func (t *Tuning) Begin(now clock.Time, start seq.Offset, tsval uint32) {
	t.begun, t.slowReader, t.since, t.from, t.tsval = true, false, now, start, tsval
}

// Begun reports whether a round trip is being measured.
func (t *Tuning) Begun() bool { return t.begun }

// Since returns the time since the round trip began.
func (t *Tuning) Since(now clock.Time) time.Duration { return now.Sub(t.since) }

// Echoed reports whether the echo of a timestamp shows that the round trip has ended.
func (t *Tuning) Echoed(tsecr uint32) bool { return !seq.Less(tsecr, t.tsval) }

// Read returns the number of bytes before start that have been read since the round trip began.
func (t *Tuning) Read(start seq.Offset) int { return int(start - t.from) }

// PerRoundTrip returns the number of bytes read in the last round trip that has ended.
func (t *Tuning) PerRoundTrip() int64 { return t.read }

// End ends the round trip: the application has read everything before start. It returns the size of the window. The
// round-trip time of the connection at rtt, 0 before the first measurement, takes the new one into account.
//
// The end of a round trip is seen only when data arrives. A time that is longer than before is therefore taken into
// account by one eighth, as the path may have become longer, and not at all if the peer may have waited for the
// application to read.
func (t *Tuning) End(now clock.Time, start seq.Offset, rtt *time.Duration) (window int64) {
	d := max(t.Since(now), time.Millisecond)
	switch {
	case *rtt == 0 || d < *rtt:
		*rtt = d
	case !t.slowReader:
		*rtt += (d - *rtt) / 8
	}
	read := int64(start-t.from) * rtt.Microseconds() / d.Microseconds()
	window = 2 * read
	if more := min(read, 2*t.read) - t.read; t.read > 0 && more > 0 {
		window += window / t.read * more // four times the data read, if that has doubled
	}
	t.read = read
	return window
}
