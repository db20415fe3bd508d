package conn

import (
	"time"

	"minitcp/conn/seq"
)

// arrival gathers what one ACK, with its SACK blocks, says for the first time.
type arrival struct {
	now        Time
	bytes      int64 // that arrived
	advanced   bool  // SND.UNA has moved
	lost       bool  // loss detection has found something
	duplicated int64 // octets the peer has received twice (D-SACK, RFC 2883)
	spurious   int64 // of these, what the last episode has sent again

	newest      record     // of the records, the one sent last; empty: nobody can tell which
	highest     seq.Offset // end of the highest
	lowest      seq.Offset // end of the lowest that was sent only once, never: there is none
	falselyLost bool       // something was taken for lost, and has arrived although it was not sent again

	echo   uint32 // the timestamp echoed, to tell an original from its retransmission
	echoes bool
	minRTT time.Duration // the shortest round trip known
}

func (c *Conn) newArrival(now Time, s *Segment) arrival {
	o := &s.TCP.Options
	return arrival{
		now: now, lowest: never,
		echo: o.TSEcr, echoes: c.timestamps && o.HasTimestamps && o.TSEcr != 0,
		minRTT: c.rtt.minimum,
	}
}

// add takes a record that has arrived, or a part of one.
func (a *arrival) add(r *record) {
	a.bytes += r.size()
	a.highest = max(a.highest, r.end)
	if !r.again {
		a.lowest = min(a.lowest, r.end)
		a.falselyLost = a.falselyLost || r.fate == lost
	}
	if !a.ambiguous(r) && (a.newest.end == 0 || r.transmission().after(a.newest.transmission())) {
		a.newest = *r
	}
}

// ambiguous reports whether it may have been an earlier copy of the record that arrived (RFC 8985 6.2, step 2).
func (a *arrival) ambiguous(r *record) bool {
	if !r.again {
		return false
	}
	return a.now.Sub(r.at) < a.minRTT || a.echoes && seq.Less(a.echo, r.stamp)
}
