package scoreboard

import (
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// Delivered gathers the records, and parts of records, that one ACK with its SACK blocks reports as delivered for the
// first time. The caller sets Now, the round-trip times and the echo.
type Delivered struct {
	Now     clock.Time
	MinRTT  time.Duration // shortest round trip known
	MaxRTT  time.Duration // longest round trip expected, 0 if none is known
	Echo    uint32        // TSEcr
	HasEcho bool

	Bytes          int64
	Packets        int        // segments, of the size with which they were sent
	Newest         Record     // copy of the delivered record that was sent last, or zero; see ambiguous
	Highest        seq.Offset // end of the highest record
	LowestOriginal seq.Offset // end of the lowest record that was sent only once, 0 if there is none
	Early          seq.Offset // start of a record delivered too soon after its only retransmission to be that, or 0
	Lost           int64      // of Bytes, those of records that were marked lost and not retransmitted since
	Repeated       bool       // whether a retransmitted record was delivered
	FalselyLost    bool       // whether a record was delivered that was marked lost and not yet retransmitted
	LargestFalse   int64      // bytes in the largest segment of these records
}

// RTT returns the round-trip time of the newest transmission, at least 1 ns; 0 if it is not known.
func (d *Delivered) RTT() time.Duration {
	if d.Newest.end == 0 {
		return 0
	}
	return max(1, d.Now.Sub(d.Newest.sentAt))
}

// add counts a delivered record, or a part of one.
func (d *Delivered) add(r *Record) {
	d.Bytes += r.Size()
	d.Packets++
	if size := r.Size(); size > int64(r.segment) && r.segment > 0 {
		d.Packets += int(uint32(size-1) / uint32(r.segment))
	}
	d.Highest = max(d.Highest, r.end)
	d.Repeated = d.Repeated || r.retransmitted
	if r.state == Lost {
		d.Lost += r.Size()
	}
	if !r.retransmitted {
		if d.LowestOriginal == 0 || r.end < d.LowestOriginal {
			d.LowestOriginal = r.end
		}
		if r.state == Lost {
			d.FalselyLost = true
			d.LargestFalse = max(d.LargestFalse, r.Largest())
		}
	}
	if r.retransmitted && !r.again && d.Now.Sub(r.sentAt) < d.MinRTT/2 && d.Early == 0 {
		d.Early = r.start
	}
	if !d.ambiguous(r) && (d.Newest.end == 0 || r.overtakes().after(d.Newest.overtakes())) {
		d.Newest = *r
	}
}

// ambiguous reports whether an earlier copy of the record may have been delivered, and not the last (RFC 8985 6.2, step
// 2).
//
// Deviation: without timestamps, a copy that is delivered later than expected is ambiguous too. After a path has become
// much longer, that is mostly the original, and all data sent before the last copy would count as lost.
func (d *Delivered) ambiguous(r *Record) bool {
	if !r.retransmitted {
		return false
	}
	rtt := d.Now.Sub(r.sentAt)
	if d.HasEcho {
		return rtt < d.MinRTT || seq.Less(d.Echo, r.tsval)
	}
	return rtt < d.MinRTT || d.MaxRTT > 0 && rtt > d.MaxRTT
}
