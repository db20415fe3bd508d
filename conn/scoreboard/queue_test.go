package scoreboard

import (
	"math/rand/v2"
	"slices"
	"testing"

	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// Random sending, SACKs, losses, retransmissions and ACKs against a plain list with one entry per byte.
func TestQueueModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		var q Queue
		var model []State // of bytes una to nxt
		una, nxt := seq.Offset(1), seq.Offset(1)
		newest := uint64(0)
		deliver := func(from, to seq.Offset) (n int64) {
			for o := from; o < to; o++ {
				if f := &model[o-una]; *f != SACKed {
					*f = SACKed
					n++
				}
			}
			return n
		}
		for now := clock.Time(1); now < 400; now++ {
			switch r.IntN(5) {
			case 0, 1:
				n := seq.Offset(1 + r.IntN(50))
				q.Push(nxt, nxt+n, &Sent{Now: now - clock.Time(r.IntN(2))})
				for range n {
					model = append(model, InFlight)
				}
				nxt += n
			case 2:
				if una == nxt {
					continue
				}
				start := una + seq.Offset(r.IntN(int(nxt-una)))
				end := start + 1 + seq.Offset(r.IntN(int(nxt-start)))
				var d Delivered
				q.SACK(start, end, &d)
				if want := deliver(start, end); d.Bytes != want {
					t.Fatalf("seed %d: SACK of %d to %d delivered %d bytes, want %d", seed, start, end, d.Bytes, want)
				}
			case 3:
				ack := una + seq.Offset(r.IntN(int(nxt-una)+1))
				var d Delivered
				q.Acknowledge(ack, &d)
				if want := deliver(una, ack); d.Bytes != want {
					t.Fatalf("seed %d: ACK of %d delivered %d bytes, want %d", seed, ack, d.Bytes, want)
				}
				model = model[ack-una:]
				una = ack
			case 4:
				for _, rec := range slices.Clone(q.list[q.head:]) {
					switch {
					case rec.state == InFlight && r.IntN(3) == 0:
						q.lose(rec)
					case rec.state == Lost && r.IntN(2) == 0:
						q.Retransmit(rec, 1+r.Int64N(rec.Size()), &Sent{Now: now, TSVal: 1})
					}
				}
				if r.IntN(10) == 0 {
					q.RestoreLost()
				}
				if len(q.losses) > 0 {
					q.JoinLost(1 + r.Int64N(100))
				}
				newest = max(newest, q.serial-min(q.serial, r.Uint64N(9)))
				q.Overtake(Transmission{newest, seq.Offset(r.IntN(int(nxt)))})
				for _, rec := range q.list[q.head:] {
					for o := rec.start; o < rec.end; o++ {
						if (model[o-una] == SACKed) != (rec.state == SACKed) {
							t.Fatalf("seed %d: byte %d", seed, o)
						}
						model[o-una] = rec.state
					}
				}
			}
			checkQueue(t, &q, una, nxt, model)
		}
	}
}

func checkQueue(t *testing.T, q *Queue, una, nxt seq.Offset, model []State) {
	t.Helper()
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	var count [states]int64
	at := una
	for i, rec := range q.list[q.head:] {
		if rec.start != at || rec.end <= rec.start {
			t.Fatalf("record %d is %d to %d, want it to begin at %d", i, rec.start, rec.end, at)
		}
		for ; at < rec.end; at++ {
			if model[at-una] != rec.state {
				t.Fatalf("byte %d is %v, want %v", at, rec.state, model[at-una])
			}
		}
		count[rec.state] += rec.Size()
	}
	if at != nxt {
		t.Fatalf("the records end at %d, want %d", at, nxt)
	}
	if count != q.bytes {
		t.Fatalf("counts %v, kept %d", count, q.bytes)
	}
}

// Data sent at one instant is one record. An empty queue keeps little memory.
func TestQueueSize(t *testing.T) {
	var q Queue
	for i := range seq.Offset(40) {
		q.Push(1+1000*i, 1001+1000*i, &Sent{Now: 5})
	}
	if len(q.list) != 1 {
		t.Errorf("%d records", len(q.list))
	}
	for i := range seq.Offset(1000) {
		q.Push(40001+i, 40002+i, &Sent{Now: clock.Time(i + 6)})
	}
	var d Delivered
	q.Acknowledge(41001, &d)
	if !q.Empty() || cap(q.list) > maxIdleRecords || q.InFlight() != 0 || d.Bytes != 41000 {
		t.Errorf("%d records, room for %d, %d bytes in flight, %d delivered", len(q.list), cap(q.list), q.InFlight(), d.Bytes)
	}
}

// A SACK block counts for the whole segments inside it, from the record's first byte on; its last segment may be short.
func TestSACKOfWholeSegments(t *testing.T) {
	for _, c := range []struct {
		start, end, want seq.Offset // block, and bytes of it that count
		records          int
	}{
		{1, 1001, 1000, 2},
		{1001, 2001, 1000, 3},
		{1500, 1501, 0, 1},
		{1001, 2000, 0, 1},
		{1002, 2001, 0, 1},
		{500, 3500, 2000, 3},
		{3001, 3501, 500, 2},
		{3000, 3501, 500, 2},
		{3001, 3500, 0, 1},
		{1, 3501, 3500, 1},
	} {
		var q Queue
		q.Push(1, 3501, &Sent{Segment: 1000})
		var d Delivered
		q.SACK(c.start, c.end, &d)
		if d.Bytes != int64(c.want) || q.SACKed() != int64(c.want) || q.Len() != c.records || q.Check() != nil {
			t.Errorf("SACK of %d to %d: %d bytes, %d records, want %d, %d; %v", c.start, c.end, q.SACKed(), q.Len(), c.want, c.records, q.Check())
		}
	}
}

// With as many records as there may be, a block that needs another one is ignored, one that needs none counts.
func TestSACKWithTooManyRecords(t *testing.T) {
	var q Queue
	for i := range seq.Offset(MaxRecords) {
		q.Push(1+3*i, 4+3*i, &Sent{Now: clock.Time(i), Segment: 1})
	}
	var d Delivered
	q.SACK(2, 3, &d)
	if q.Len() != MaxRecords || q.SACKed() != 0 || d.Bytes != 0 {
		t.Errorf("%d records, %d bytes are SACKed", q.Len(), q.SACKed())
	}
	q.SACK(4, 7, &d) // a whole record
	q.SACK(7, 8, &d) // a part of the next one, which joins it
	q.SACK(3, 4, &d) // and of the one before
	if q.Len() != MaxRecords || q.SACKed() != 5 || d.Bytes != 5 {
		t.Errorf("%d records, %d bytes are SACKed, want 5", q.Len(), q.SACKed())
	}
	for _, r := range q.list {
		if r.state == InFlight {
			q.lose(r)
		}
	}
	q.Acknowledge(8, &d) // two bytes of a record are left, and its successors
	q.Push(1+3*MaxRecords, 2+3*MaxRecords, &Sent{Now: MaxRecords, Segment: 1})
	q.Push(2+3*MaxRecords, 3+3*MaxRecords, &Sent{Now: MaxRecords + 1, Segment: 1})
	for range 3 { // in pieces of a byte, of which those of a record become one
		q.Retransmit(q.FirstLost(), 1, &Sent{Now: MaxRecords + 2, TSVal: 1})
	}
	if q.Len() > MaxRecords+1 || q.retransmitted != 3 {
		t.Errorf("%d records, %d bytes retransmitted", q.Len(), q.retransmitted)
	}
}

// A connection that sends one segment at a time, as short ones do, allocates once for its records.
func TestFirstRecordAllocatesOnce(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		var q Queue
		var d Delivered
		for o := seq.Offset(1); o < 4; o++ {
			q.Push(o, o+1, &Sent{Now: clock.Time(o)})
			q.Acknowledge(o+1, &d)
		}
	}); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
