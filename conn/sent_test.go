package conn

import (
	"math/rand/v2"
	"slices"
	"testing"

	"minitcp/conn/seq"
)

// Random sending, SACKs, losses, retransmissions and ACKs against a plain list with one entry per octet.
func TestSentQueueModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		var q sentQueue
		var model []fate // of octets una to nxt
		una, nxt := seq.Offset(1), seq.Offset(1)
		newest := uint64(0)
		arrived := func(from, to seq.Offset) (n int64) {
			for o := from; o < to; o++ {
				if f := &model[o-una]; *f != sacked {
					*f = sacked
					n++
				}
			}
			return n
		}
		for now := Time(1); now < 400; now++ {
			switch r.IntN(5) {
			case 0, 1:
				n := seq.Offset(1 + r.IntN(50))
				q.push(record{start: nxt, end: nxt + n, at: now - Time(r.IntN(2))})
				for range n {
					model = append(model, flying)
				}
				nxt += n
			case 2:
				if una == nxt {
					continue
				}
				start := una + seq.Offset(r.IntN(int(nxt-una)))
				end := start + 1 + seq.Offset(r.IntN(int(nxt-start)))
				var a arrival
				q.sack(start, end, &a)
				if want := arrived(start, end); a.bytes != want {
					t.Fatalf("seed %d: SACK of %d to %d brought %d octets, want %d", seed, start, end, a.bytes, want)
				}
			case 3:
				ack := una + seq.Offset(r.IntN(int(nxt-una)+1))
				var a arrival
				q.acknowledge(ack, &a)
				if want := arrived(una, ack); a.bytes != want {
					t.Fatalf("seed %d: ACK of %d brought %d octets, want %d", seed, ack, a.bytes, want)
				}
				model = model[ack-una:]
				una = ack
			case 4:
				for _, rec := range slices.Clone(q.list[q.head:]) {
					switch {
					case rec.fate == flying && r.IntN(3) == 0:
						q.lose(rec)
					case rec.fate == lost && r.IntN(2) == 0:
						q.resend(q.find(rec.start), 1+r.Int64N(rec.size()), now, 1)
					}
				}
				if r.IntN(10) == 0 {
					q.fliesAgain()
				}
				if len(q.losses) > 0 {
					q.joinLosses(q.find(q.losses[0].start), 1+r.Int64N(100))
				}
				newest = max(newest, q.serial-min(q.serial, r.Uint64N(9)))
				q.overtake(transmission{newest, seq.Offset(r.IntN(int(nxt)))})
				for _, rec := range q.list[q.head:] {
					for o := rec.start; o < rec.end; o++ {
						if (model[o-una] == sacked) != (rec.fate == sacked) {
							t.Fatalf("seed %d: octet %d", seed, o)
						}
						model[o-una] = rec.fate
					}
				}
			}
			checkSent(t, &q, una, nxt, model)
		}
	}
}

func checkSent(t *testing.T, q *sentQueue, una, nxt seq.Offset, model []fate) {
	t.Helper()
	if err := q.check(); err != nil {
		t.Fatal(err)
	}
	var count [3]int64
	at := una
	for i, rec := range q.list[q.head:] {
		if rec.start != at || rec.end <= rec.start {
			t.Fatalf("record %d is %d to %d, want it to begin at %d", i, rec.start, rec.end, at)
		}
		for ; at < rec.end; at++ {
			if model[at-una] != rec.fate {
				t.Fatalf("octet %d has fate %d, want %d", at, rec.fate, model[at-una])
			}
		}
		count[rec.fate] += rec.size()
	}
	if at != nxt {
		t.Fatalf("the records end at %d, want %d", at, nxt)
	}
	if count[flying] != q.flying || count[sacked] != q.sacked || count[lost] != q.lost {
		t.Fatalf("counts %v, kept %d %d %d", count, q.flying, q.sacked, q.lost)
	}
}

// What leaves at one instant is one record; a queue that has drained keeps little.
func TestSentQueueSize(t *testing.T) {
	var q sentQueue
	for i := range seq.Offset(40) {
		q.push(record{start: 1 + 1000*i, end: 1001 + 1000*i, at: 5})
	}
	if len(q.list) != 1 {
		t.Errorf("%d records", len(q.list))
	}
	for i := range seq.Offset(1000) {
		q.push(record{start: 40001 + i, end: 40002 + i, at: Time(i + 6)})
	}
	var a arrival
	q.acknowledge(41001, &a)
	if !q.empty() || cap(q.list) > maxIdleRecords || q.flying != 0 || a.bytes != 41000 {
		t.Errorf("%d records, room for %d, %d octets flying, %d arrived", len(q.list), cap(q.list), q.flying, a.bytes)
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
		var q sentQueue
		q.push(record{start: 1, end: 3501, segment: 1000})
		var a arrival
		q.sack(c.start, c.end, &a)
		if a.bytes != int64(c.want) || q.sacked != int64(c.want) || q.len() != c.records || q.check() != nil {
			t.Errorf("SACK of %d to %d: %d bytes, %d records, want %d, %d; %v", c.start, c.end, q.sacked, q.len(), c.want, c.records, q.check())
		}
	}
}

// With as many records as there may be, a block that needs another one is ignored, one that does not counts.
func TestSACKWithTooManyRecords(t *testing.T) {
	var q sentQueue
	for i := range seq.Offset(maxRecords) {
		q.push(record{start: 1 + 3*i, end: 4 + 3*i, at: Time(i), segment: 1})
	}
	var a arrival
	q.sack(2, 3, &a)
	if q.len() != maxRecords || q.sacked != 0 || a.bytes != 0 {
		t.Errorf("%d records, %d bytes have arrived", q.len(), q.sacked)
	}
	q.sack(4, 7, &a) // a whole record
	q.sack(7, 8, &a) // a part of the next one, which joins it
	q.sack(3, 4, &a) // and of the one before
	if q.len() != maxRecords || q.sacked != 5 || a.bytes != 5 {
		t.Errorf("%d records, %d bytes have arrived, want 5", q.len(), q.sacked)
	}
	for _, r := range q.list {
		if r.fate == flying {
			q.lose(r)
		}
	}
	q.acknowledge(8, &a) // two bytes of a record are left, and its successors
	q.push(record{start: 1 + 3*maxRecords, end: 2 + 3*maxRecords, at: maxRecords, segment: 1})
	q.push(record{start: 2 + 3*maxRecords, end: 3 + 3*maxRecords, at: maxRecords + 1, segment: 1})
	for range 3 { // in pieces of a byte, of which those of a record become one
		q.resend(q.find(q.losses[0].start), 1, maxRecords+2, 1)
	}
	if q.len() > maxRecords+1 || q.resending != 3 {
		t.Errorf("%d records, %d bytes sent again", q.len(), q.resending)
	}
}

// Small losses next to each other are sent again in one segment.
func TestSmallLossesAreJoined(t *testing.T) {
	o := sackOne(t, Disabled)
	for range 9 {
		o.write(repeat(300))
		o.drain()
		o.sleep(ms)
	}
	o.sleep(100 * ms)
	o.ack(1, 1501, 2701) // the last four of nine
	o.wait(30 * ms)
	o.drainInto(t, []interval{{1, 901}})
	o.sleep(100 * ms)
	o.ack(901, 1501, 2701)
	o.drainInto(t, []interval{{901, 1501}})
}

// interval is the bytes from start up to, not including, end.
type interval struct{ start, end seq.Offset }

// drainInto expects these segments.
func (o *one) drainInto(t *testing.T, want []interval) {
	t.Helper()
	var got []interval
	for o.c.Transmit(o.now, 1, &o.last) {
		at := seq.Unwrap(testISS, o.c.snd.una, o.last.TCP.Seq)
		got = append(got, interval{at, at + seq.Offset(o.last.Len)})
		o.check()
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}
