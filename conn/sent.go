package conn

import (
	"slices"

	"minitcp/conn/seq"
)

// sentQueue answers: what has been sent, and what has become of it? It has a record for each Transmit that carried
// something, superframe or not, split where a SACK or a retransmission ends in the middle. The records are in order and
// without gaps, from SND.UNA to SND.NXT; neighbours that have arrived are one.
type sentQueue struct {
	list []record
	head int // list[head:] is in use

	// Octets by fate.
	flying, sacked, lost int64
}

// record is a stretch of sequence space that was sent together.
type record struct {
	start, end seq.Offset // the FIN is an octet like any other
	at         Time       // when it was sent last

	// What was known then, for the delivery rate.
	delivered   int64  // octets that had arrived,
	deliveredAt Time   // when the last of them had,
	firstSent   Time   // and when that had been sent
	inFlight    uint32 // octets in flight, with the record
	lostBefore  uint32 // octets ever lost, modulo 2^32
	limited     bool   // the application had left the path empty

	fate  fate
	again bool // it was sent more than once
	big   bool // it is a superframe larger than a packet, or of one
}

func (r *record) size() int64 { return int64(r.end - r.start) }

// fate is what is known of a record.
type fate uint8

const (
	flying fate = iota // nothing
	sacked             // it has arrived, though something before it has not
	lost               // it is taken for lost, and is to be sent again
)

func (q *sentQueue) empty() bool { return q.head == len(q.list) }

// first is the oldest record. There must be one.
func (q *sentQueue) first() *record { return &q.list[q.head] }

// maxIdleRecords is how much room an empty queue keeps.
const maxIdleRecords = 16

// push adds what was just sent for the first time. What leaves at one instant is one record, up to a superframe's size.
func (q *sentQueue) push(r record) {
	q.flying += r.size()
	if n := len(q.list); n > q.head {
		last := &q.list[n-1]
		if last.fate == flying && !last.again && !r.big && !last.big && last.at == r.at && last.delivered == r.delivered &&
			r.end-last.start <= 1<<16 {
			last.end, last.inFlight = r.end, r.inFlight
			return
		}
	}
	if q.head > 0 && len(q.list) == cap(q.list) && q.head >= len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, r)
}

// find is the index of the record that holds o, which must be sent and not acknowledged.
func (q *sentQueue) find(o seq.Offset) int {
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

// split makes record i end at o, if it goes on beyond that; what follows is a record of its own.
func (q *sentQueue) split(i int, o seq.Offset) {
	if o >= q.list[i].end || o <= q.list[i].start {
		return
	}
	rest := q.list[i]
	rest.start = o
	q.list[i].end = o
	q.list = slices.Insert(q.list, i+1, rest)
}

// setFate moves record i from one fate to another.
func (q *sentQueue) setFate(i int, f fate) {
	r := &q.list[i]
	*q.count(r.fate) -= r.size()
	*q.count(f) += r.size()
	r.fate = f
}

func (q *sentQueue) count(f fate) *int64 {
	switch f {
	case sacked:
		return &q.sacked
	case lost:
		return &q.lost
	}
	return &q.flying
}

// acknowledge takes out everything before o, and tells a what of it had not arrived before.
func (q *sentQueue) acknowledge(o seq.Offset, a *arrival) {
	for q.head < len(q.list) && q.list[q.head].start < o {
		if r := q.first(); r.end > o {
			if r.fate != sacked { // joined with others
				a.part(r)
			}
			q.split(q.head, o)
		}
		r := q.first()
		if r.fate != sacked {
			a.add(r)
		}
		*q.count(r.fate) -= r.size()
		q.head++
	}
	if q.empty() {
		q.list, q.head = q.list[:0], 0
		if cap(q.list) > maxIdleRecords {
			q.list = nil
		}
	}
}

// sack marks [start, end), which must be sent and not acknowledged, as arrived.
func (q *sentQueue) sack(start, end seq.Offset, a *arrival) {
	for i := q.find(start); i < len(q.list) && q.list[i].start < end; i++ {
		if q.list[i].fate == sacked {
			continue
		}
		if r := &q.list[i]; r.start < start || end < r.end {
			a.part(r)
		}
		if q.list[i].start < start {
			q.split(i, start)
			continue // the next one is it
		}
		i = q.arrived(i, end, a)
	}
}

// arrived marks record i up to end, joins it with its neighbours, and returns the index it has then.
func (q *sentQueue) arrived(i int, end seq.Offset, a *arrival) int {
	r := q.list[i]
	end = min(end, r.end)
	part := r
	part.end = end
	a.add(&part)
	*q.count(r.fate) -= part.size()
	q.sacked += part.size()
	before := i > q.head && q.list[i-1].fate == sacked
	switch {
	case before && end < r.end: // the usual case: a block grows
		q.list[i-1].end, q.list[i].start = end, end
		return i - 1
	case before:
		q.list[i-1].end = end
		q.list = slices.Delete(q.list, i, i+1)
		i--
	default:
		q.split(i, end)
		q.list[i].fate = sacked
	}
	if i+1 < len(q.list) && q.list[i+1].fate == sacked {
		q.list[i].end = q.list[i+1].end
		q.list = slices.Delete(q.list, i+1, i+2)
	}
	return i
}

// resend makes the first n octets of record i, which was lost, a record that flies again, and returns it.
func (q *sentQueue) resend(i int, n int64) *record {
	q.split(i, q.list[i].start+seq.Offset(n))
	q.setFate(i, flying)
	r := &q.list[i]
	r.again = true
	return r
}

// firstLost is the index of the first record to be sent again. There must be one.
func (q *sentQueue) firstLost() int {
	i := q.head
	for q.list[i].fate != lost {
		i++
	}
	return i
}

// forget drops every record: what was in flight will be sent as if for the first time.
func (q *sentQueue) forget() { *q = sentQueue{list: q.list[:0]} }
