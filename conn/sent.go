package conn

import "minitcp/conn/seq"

// sentQueue is the retransmission queue: the records of transmitted data, from SND.UNA to SND.NXT in order and without gaps.
// A Transmit that carries data adds a record, superframe or not. A SACK block or a retransmission that ends inside a record
// cuts it, and neighbours that have arrived are one record.
//
// Each record is in the list in sequence order, and in one of two others by its fate. sentorder.go has the records in
// flight in the order in which they were last sent, sentlost.go those taken for lost. No operation walks past records it
// does not change, so the work of an ACK does not grow with the data in flight.
type sentQueue struct {
	list []*record
	head int // list[head:] is in use
	free *record

	oldest, latest *record   // ends of the list of records in flight
	overtaken      *record   // the last of these sent before RACK's newest; nil: none was
	losses         []*record // records taken for lost, in sequence order

	// Bytes by fate, and the bytes in flight that were sent more than once.
	flying, sacked, lost, resending int64

	serial uint64 // number of the last transmission
	stamp  uint32 // TSVal of the first retransmission since resending was 0
	visits uint64 // records walked past or changed, and searches; for tests
}

// record is a stretch of sequence space that was sent together.
type record struct {
	start, end seq.Offset // the FIN takes one byte
	at         Time       // time of the last transmission
	serial     uint64     // its number among all transmissions

	// The delivery rate's state at that time.
	delivered   int64  // bytes delivered
	deliveredAt Time   // time of the last delivery
	firstSent   Time   // time at which that delivery had been sent
	inFlight    uint32 // bytes in flight, the record included
	lostBefore  uint32 // bytes ever lost, modulo 2^32

	earlier, later *record // neighbours in the list of records in flight; later also links the free ones

	stamp   uint32 // TSVal of the last transmission
	segment int32  // data bytes in each segment but the last, 0: 1
	fate    fate
	limited bool // the application had left the path empty
	again   bool // it was sent more than once
}

func (r *record) size() int64 { return int64(r.end - r.start) }

// fate is what is known of a record.
type fate uint8

const (
	flying fate = iota // nothing
	sacked             // it has arrived, and something before it has not
	lost               // it is taken for lost, and will be sent again
)

const (
	// maxIdleRecords is the room an empty queue keeps.
	maxIdleRecords = 16
	// maxRecords is the number of records from which on nothing is cut for a SACK block: 4,096 holes, in 900 KB.
	maxRecords = 8192
)

func (q *sentQueue) len() int    { return len(q.list) - q.head }
func (q *sentQueue) empty() bool { return q.head == len(q.list) }

// first returns the oldest record. There must be one.
func (q *sentQueue) first() *record { return q.list[q.head] }

// push adds the data just sent at SND.NXT. Whole segments that leave at one instant are one record, up to a superframe's
// size.
func (q *sentQueue) push(r record) {
	if n := len(q.list); n > q.head {
		last := q.list[n-1]
		if last == q.latest && !last.again && !r.again && last.at == r.at && last.delivered == r.delivered &&
			last.segment == r.segment && last.size()%r.step() == 0 && r.end-last.start <= 1<<16 {
			q.flying += r.size()
			last.end, last.inFlight = r.end, r.inFlight
			return
		}
	}
	if q.head > 0 && len(q.list) == cap(q.list) && q.head >= len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, q.alloc(&r))
	q.fly(q.list[len(q.list)-1])
}

// alloc returns a copy of r.
func (q *sentQueue) alloc(r *record) *record {
	n := q.free
	if n == nil {
		n = new(record)
	} else {
		q.free = n.later
	}
	*n = *r
	return n
}

// release makes r, which is in no list, available to alloc.
func (q *sentQueue) release(r *record) {
	*r = record{later: q.free}
	q.free = r
}

// find returns the index of the record that holds o, which must be sent and not acknowledged.
func (q *sentQueue) find(o seq.Offset) int {
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
func (q *sentQueue) insert(i int, r *record) int {
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

// remove takes record i, whose bytes another record has taken over, out of the list.
func (q *sentQueue) remove(i int) {
	q.release(q.list[i])
	copy(q.list[i:], q.list[i+1:])
	q.list = q.list[:len(q.list)-1]
}

// split makes record i end at o, if it goes on beyond that, with the rest as a record of its own. It returns the index of
// record i.
func (q *sentQueue) split(i int, o seq.Offset) int {
	r := q.list[i]
	if o >= r.end || o <= r.start {
		return i
	}
	rest := q.alloc(r)
	rest.start, r.end = o, o
	switch r.fate {
	case flying:
		q.linkAfter(r, rest)
	case lost:
		q.addLoss(rest)
	}
	return q.insert(i+1, rest) - 1
}

// detach takes r off the counts and the list of its fate.
func (q *sentQueue) detach(r *record) {
	switch r.fate {
	case flying:
		q.flying -= r.size()
		if r.again {
			q.resending -= r.size()
		}
		q.unlink(r)
	case sacked:
		q.sacked -= r.size()
	case lost:
		q.lost -= r.size()
		q.removeLoss(r)
	}
}

// trim takes the bytes before start and from end on, which leave the record, off r.
func (q *sentQueue) trim(r *record, start, end seq.Offset) {
	n := r.size() - int64(end-start)
	r.start, r.end = start, end
	switch r.fate {
	case flying:
		q.flying -= n
		if r.again {
			q.resending -= n
		}
	case sacked:
		q.sacked -= n
	case lost:
		q.lost -= n
	}
}

// acknowledge removes everything before o, and adds to a what of it had not arrived before.
func (q *sentQueue) acknowledge(o seq.Offset, a *arrival) {
	for q.head < len(q.list) && q.first().start < o {
		q.visits++
		r := q.first()
		if r.end > o {
			if r.fate != sacked {
				part := *r
				part.end = o
				a.add(&part)
			}
			q.trim(r, o, r.end)
			return
		}
		if r.fate != sacked {
			a.add(r)
		}
		q.detach(r)
		q.release(r)
		q.list[q.head] = nil
		q.head++
	}
	if q.empty() {
		if cap(q.list) > maxIdleRecords {
			q.forget()
		}
		q.list, q.head = q.list[:0], 0
	}
}

// resend makes the first n bytes of record i, which was lost or is probed for, a record in flight, and returns it.
func (q *sentQueue) resend(i int, n int64, now Time, stamp uint32) *record {
	r := q.list[i]
	if n >= r.size() {
		q.detach(r)
	} else {
		piece := q.alloc(r)
		piece.end = r.start + seq.Offset(n)
		q.trim(r, piece.end, r.end)
		if q.len() >= maxRecords && i > q.head && q.list[i-1].fate == flying && q.list[i-1].again {
			// Both count as sent now. That is late for data sent before, and only delays its loss detection.
			before := q.list[i-1]
			q.detach(before)
			before.end = piece.end
			q.release(piece)
			r = before
		} else {
			q.insert(i, piece)
			r = piece
		}
	}
	r.again, r.at, r.stamp = true, now, stamp
	q.fly(r)
	return r
}

// forget drops every record: what was in flight will be sent as if for the first time.
func (q *sentQueue) forget() { *q = sentQueue{serial: q.serial, visits: q.visits} }
