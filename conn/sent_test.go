package conn

import (
	"math/rand/v2"
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
				if want := arrived(start, end); a.octets != want {
					t.Fatalf("seed %d: SACK of %d to %d brought %d octets, want %d", seed, start, end, a.octets, want)
				}
			case 3:
				ack := una + seq.Offset(r.IntN(int(nxt-una)+1))
				var a arrival
				q.acknowledge(ack, &a)
				if want := arrived(una, ack); a.octets != want {
					t.Fatalf("seed %d: ACK of %d brought %d octets, want %d", seed, ack, a.octets, want)
				}
				model = model[ack-una:]
				una = ack
			case 4:
				for i := q.head; i < len(q.list); i++ {
					rec := q.list[i]
					switch {
					case rec.fate == flying && r.IntN(3) == 0:
						q.setFate(i, lost)
					case rec.fate == lost && r.IntN(2) == 0:
						q.resend(i, 1+r.Int64N(rec.size())).at = now
					}
				}
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
	if !q.empty() || cap(q.list) > maxIdleRecords || q.flying != 0 || a.octets != 41000 {
		t.Errorf("%d records, room for %d, %d octets flying, %d arrived", len(q.list), cap(q.list), q.flying, a.octets)
	}
}
