package scoreboard

import (
	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// Queue is the retransmission queue: the records of transmitted data, from SND.UNA to SND.NXT in order and without
// gaps. A SACK block or a retransmission that ends inside a record splits it, and neighbours that have been delivered
// are joined. The zero Queue is empty.
//
// Each record is in the list in sequence order, and in one of two others by its state: order.go has the records in
// flight in the order of their last transmissions, loss.go the lost ones.
type Queue struct {
	list []*Record
	head int     // list[head:] is in use
	free *Record // released records, linked by later

	oldest, latest *Record   // ends of the list of records in flight
	overtaken      *Record   // last of these that was sent before the newest delivery; nil if none was
	losses         []*Record // lost records, in sequence order

	bytes         [states]int64 // size of the records in each state
	retransmitted int64         // of those in flight, bytes that were sent more than once

	serial uint64 // number of the last transmission
	tsval  uint32 // TSVal of the first retransmission since retransmitted was 0
	visits uint64 // records examined or changed, and searches; see Visits

	rate rate
}

// Record is a stretch of sequence space that was sent together, in one or several segments.
type Record struct {
	start, end seq.Offset // the FIN takes one byte
	sentAt     clock.Time // time of the last transmission
	serial     uint64     // its number among all transmissions
	snapshot   snapshot   // the delivery rate's state at that time

	earlier, later *Record // neighbours in the list of records in flight; later also links the free ones

	tsval         uint32 // TSVal of the last transmission
	segment       int32  // data bytes in each segment except for the last; 0 stands for 1
	after         uint32 // number of transmissions at the same instant before it, from the first of new data on
	state         State
	retransmitted bool // it was sent more than once
	again         bool // it was retransmitted more than once
	pushed        bool // its last segment has PSH
}

// first is the first record of a Queue, and the list for it and for that of a FIN, in one allocation. Most short
// connections have no more.
type first struct {
	record Record
	list   [2]*Record
}

// Start returns the offset of the record's first byte.
func (r *Record) Start() seq.Offset { return r.start }

// End returns the offset after the record's last byte, which may be the FIN. It is 0 for the zero Record.
func (r *Record) End() seq.Offset { return r.end }

// Size returns the number of bytes.
func (r *Record) Size() int64 { return int64(r.end - r.start) }

// State returns the record's state.
func (r *Record) State() State { return r.state }

// SentAt returns the time of the last transmission.
func (r *Record) SentAt() clock.Time { return r.sentAt }

// Retransmitted reports whether the record was sent more than once.
func (r *Record) Retransmitted() bool { return r.retransmitted }

// Pushed reports whether the record's last segment has PSH.
func (r *Record) Pushed() bool { return r.pushed }

// State is the state of a record.
type State uint8

// The states.
const (
	InFlight State = iota // neither delivered nor lost, as far as is known
	SACKed                // delivered, while an earlier byte is missing
	Lost                  // declared lost, and not retransmitted yet
	states   = iota
)

var stateNames = [states]string{"in flight", "SACKed", "lost"}

// String returns "in flight", "SACKed" or "lost".
func (s State) String() string { return stateNames[s] }

// Sent describes a transmission.
type Sent struct {
	Now           clock.Time
	TSVal         uint32
	Segment       int   // data bytes in each segment except for the last
	Retransmitted bool  // Push: the data was sent before, and its record is gone
	Pushed        bool  // Push: the last segment has PSH
	LeftNetwork   int64 // bytes in flight that have left the network according to duplicate ACKs (RFC 5681 3.2)
}

const (
	// maxIdleRecords is the room that an empty queue keeps.
	maxIdleRecords = 16
	// MaxRecords is the number of records from which on no record is split for a SACK block: 4,096 holes, in 900 KB.
	MaxRecords = 8192
	// maxJoined is the size in bytes up to which segments sent at one instant share a record: that of a GSO packet.
	maxJoined = 1 << 16
)

// Len returns the number of records.
func (q *Queue) Len() int { return len(q.list) - q.head }

// Empty reports whether there is no record.
func (q *Queue) Empty() bool { return q.head == len(q.list) }

// At returns record i in sequence order, from 0 to Len()-1.
func (q *Queue) At(i int) *Record { return q.list[q.head+i] }

// First returns the first record in sequence order. There must be one.
func (q *Queue) First() *Record { return q.list[q.head] }

// Last returns the last record in sequence order. There must be one.
func (q *Queue) Last() *Record { return q.list[len(q.list)-1] }

// InFlight returns the number of bytes in flight.
func (q *Queue) InFlight() int64 { return q.bytes[InFlight] }

// SACKed returns the number of bytes that have been delivered out of order.
func (q *Queue) SACKed() int64 { return q.bytes[SACKed] }

// Lost returns the number of bytes that are lost and not retransmitted yet.
func (q *Queue) Lost() int64 { return q.bytes[Lost] }

// Retransmitted returns the number of bytes in flight that were sent more than once.
func (q *Queue) Retransmitted() int64 { return q.retransmitted }

// RetransmissionTSVal returns the TSVal of the first of the retransmissions since Retransmitted was last 0.
func (q *Queue) RetransmissionTSVal() uint32 { return q.tsval }

// Visits returns the number of records examined or changed, and of searches, since the Queue was made. Tests bound it.
func (q *Queue) Visits() uint64 { return q.visits }

// Reserve allocates the memory that the first Push needs, unless it has been allocated.
func (q *Queue) Reserve() {
	if q.list == nil {
		f := new(first)
		q.list, q.free = f.list[:0], &f.record
	}
}

// Push adds [start, end), the data just sent at SND.NXT. Whole segments that leave at one instant are one record, up to
// a GSO packet's size.
func (q *Queue) Push(start, end seq.Offset, s *Sent) {
	q.Reserve()
	r := q.take()
	r.start, r.end, r.sentAt, r.tsval, r.segment = start, end, s.Now, s.TSVal, int32(s.Segment)
	r.retransmitted, r.pushed = s.Retransmitted, s.Pushed
	q.rate.sent(&r.snapshot, s.Now, q.Empty(), max(0, q.bytes[InFlight]-s.LeftNetwork)+r.Size())
	if q.add(r) {
		q.send(r)
	} else {
		q.release(r)
	}
}

// add puts r at the end of the list. If the last record can hold r's data as well, add extends that record instead, and
// returns false.
func (q *Queue) add(r *Record) bool {
	if !q.Empty() {
		if last := q.Last(); last == q.latest && last.continuedBy(r) {
			q.bytes[InFlight] += r.Size()
			last.end, last.pushed, last.snapshot.inFlight = r.end, r.pushed, r.snapshot.inFlight
			return false
		}
	}
	if q.head > 0 && len(q.list) == cap(q.list) && q.head >= len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, r)
	return true
}

// continuedBy reports whether next, the data right behind r, may be part of the same record.
func (r *Record) continuedBy(next *Record) bool {
	return !r.retransmitted && !next.retransmitted && !r.pushed && r.sentAt == next.sentAt && r.snapshot.delivered == next.snapshot.delivered &&
		r.segment == next.segment && r.Size()%next.step() == 0 && next.end-r.start <= maxJoined
}

// alloc returns a copy of r.
func (q *Queue) alloc(r *Record) *Record {
	n := q.take()
	*n = *r
	return n
}

// take returns a record that is in no list, and empty except for its links.
func (q *Queue) take() *Record {
	r := q.free
	if r == nil {
		return new(Record)
	}
	q.free = r.later
	return r
}

// release makes r, which is in no list, available to alloc.
func (q *Queue) release(r *Record) {
	*r = Record{later: q.free}
	q.free = r
}

// find returns the index of the record that holds o, which must be sent and not acknowledged.
func (q *Queue) find(o seq.Offset) int {
	q.visits++
	i, j := q.head, len(q.list)
	for i+1 < j {
		if m := int(uint(i+j) >> 1); q.list[m].start <= o {
			i = m
		} else {
			j = m
		}
	}
	return i
}

// insert puts r at index i of the list and returns the index it has then.
func (q *Queue) insert(i int, r *Record) int {
	if q.head > 0 && i-q.head < len(q.list)-i {
		copy(q.list[q.head-1:], q.list[q.head:i])
		q.head--
		i--
		q.list[i] = r
		return i
	}
	q.list = append(q.list, nil)
	copy(q.list[i+1:], q.list[i:])
	q.list[i] = r
	return i
}

// remove removes record i, whose bytes another record has taken over, from the list.
func (q *Queue) remove(i int) {
	q.release(q.list[i])
	copy(q.list[i:], q.list[i+1:])
	q.list = q.list[:len(q.list)-1]
}

// Split makes r, which holds o, end there and returns the record of the rest. If r begins at o, it returns r.
func (q *Queue) Split(r *Record, o seq.Offset) *Record {
	if o == r.start {
		return r
	}
	return q.list[q.split(q.find(r.start), o)+1]
}

// split splits record i at o if it extends beyond o, and returns the index of its first part.
func (q *Queue) split(i int, o seq.Offset) int {
	r := q.list[i]
	if o >= r.end || o <= r.start {
		return i
	}
	rest := q.alloc(r)
	rest.start, r.end, r.pushed = o, o, false
	switch r.state {
	case InFlight:
		q.linkAfter(r, rest)
	case Lost:
		q.addLoss(rest)
	}
	return q.insert(i+1, rest) - 1
}

// detach removes r from the counters and the list of its state.
func (q *Queue) detach(r *Record) {
	q.count(r, -r.Size())
	switch r.state {
	case InFlight:
		q.unlink(r)
	case Lost:
		q.removeLoss(r)
	}
}

// count adds n to the counters of r's state.
func (q *Queue) count(r *Record, n int64) {
	q.bytes[r.state] += n
	if r.state == InFlight && r.retransmitted {
		q.retransmitted += n
	}
}

// trim reduces r to [start, end).
func (q *Queue) trim(r *Record, start, end seq.Offset) {
	q.count(r, int64(end-start)-r.Size())
	r.pushed = r.pushed && end == r.end
	r.start, r.end = start, end
}

// Acknowledge removes everything before o, and adds to d the part of it that had not been delivered before.
func (q *Queue) Acknowledge(o seq.Offset, d *Delivered) {
	for q.head < len(q.list) && q.First().start < o {
		q.visits++
		r := q.First()
		if r.end > o {
			if r.state != SACKed {
				part := *r
				part.end = o
				d.add(&part)
			}
			q.trim(r, o, r.end)
			return
		}
		if r.state != SACKed {
			d.add(r)
		}
		q.detach(r)
		q.release(r)
		q.list[q.head] = nil
		q.head++
	}
	if q.Empty() {
		if cap(q.list) > maxIdleRecords {
			q.Clear()
		}
		q.list, q.head = q.list[:0], 0
	}
}

// Retransmit makes the first n bytes of r, or all of it if it is shorter, a record in flight that has just been sent
// again. r is lost, or in flight and sent as a tail loss probe.
func (q *Queue) Retransmit(r *Record, n int64, s *Sent) {
	if n >= r.Size() {
		q.detach(r)
	} else {
		r = q.takeFront(r, seq.Offset(n))
	}
	r.again, r.retransmitted, r.tsval, r.segment, r.sentAt = r.retransmitted, true, s.TSVal, int32(s.Segment), s.Now
	q.send(r)
	q.rate.sent(&r.snapshot, s.Now, false, max(0, q.bytes[InFlight]-s.LeftNetwork))
}

// takeFront removes the first n bytes from r and returns their record, which is in the list in sequence order and in no
// other.
func (q *Queue) takeFront(r *Record, n seq.Offset) *Record {
	i := q.find(r.start)
	piece := q.alloc(r)
	piece.end, piece.pushed = r.start+n, false
	q.trim(r, piece.end, r.end)
	if q.Len() >= MaxRecords && i > q.head && q.list[i-1].state == InFlight && q.list[i-1].retransmitted {
		// Both count as sent now. For the data sent before, that is late and only delays the detection of its loss.
		before := q.list[i-1]
		q.detach(before)
		before.end, before.pushed = piece.end, false
		q.release(piece)
		return before
	}
	q.insert(i, piece)
	return piece
}

// Clear removes every record. The data is sent again as if for the first time.
func (q *Queue) Clear() { *q = Queue{serial: q.serial, visits: q.visits, rate: q.rate} }
