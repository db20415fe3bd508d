// Package timestamps has the clock of TCP's timestamps, the last timestamp of the peer, and the last one sent (RFC
// 7323).
package timestamps

import (
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// valid is the time for which TS.Recent is valid: a 1 ms clock has wrapped half of its range after 24 days (RFC 7323
// 5.5).
const valid = 24 * 24 * time.Hour

// State is the timestamps of a connection.
type State struct {
	at     clock.Time // time of the segment with Recent
	Recent uint32     // TS.Recent, the timestamp to echo (RFC 7323 4.3)
	Offset uint32     // offset of the local timestamps (RFC 7323 7.1)
}

// Clock returns the local timestamp clock in milliseconds (RFC 7323 4.1).
func (s *State) Clock(now clock.Time) uint32 {
	return uint32(int64(now)/int64(time.Millisecond)) + s.Offset
}

// Take makes a timestamp Recent.
func (s *State) Take(now clock.Time, tsval uint32) { s.at, s.Recent = now, tsval }

// Older reports whether a timestamp is older than Recent, which is still valid: the segment fails PAWS (RFC 7323 5.3).
func (s *State) Older(now clock.Time, tsval uint32) bool {
	return seq.Less(tsval, s.Recent) && now.Sub(s.at) < valid
}

// Update takes a timestamp that is not older.
func (s *State) Update(now clock.Time, tsval uint32) {
	if !s.Older(now, tsval) {
		s.Take(now, tsval)
	}
}

// Sent is the TSVal of the segments sent. It never decreases.
type Sent struct {
	Last   uint32 // TSVal of the last segment sent
	heldAt uint32 // last value that Hold returned in place of the clock's
	held   bool   // there is one
	echoed uint32 // echo in the last ACK of new data
}

// Echoed takes the echo in an ACK of new data, and reports whether it differs from that of the ACK before. Only then it
// measures a round trip: a middlebox that removes timestamps makes the peer echo one value for ever.
func (s *Sent) Echoed(tsecr uint32) bool {
	before := s.echoed
	s.echoed = tsecr
	return tsecr != before
}

// maxHold is the longest time in milliseconds for which the TSVal is constant: the slowest clock that RFC 7323 4.1
// permits ticks once a second.
const maxHold = 1000

// Hold returns the TSVal of a segment at this value of the clock: that of the last segment, unless it is too old.
func (s *Sent) Hold(clock uint32) uint32 {
	if clock == s.Last || clock-s.Last > maxHold {
		return clock
	}
	s.heldAt, s.held = s.Last, true
	return s.Last
}

// Held reports whether segments of different times may have had this TSVal.
func (s *Sent) Held(tsval uint32) bool { return s.held && tsval == s.heldAt }
