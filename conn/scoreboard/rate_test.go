package scoreboard

import (
	"testing"
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

const ms = int64(time.Millisecond)

// flight is a queue of data in flight. Times are in milliseconds, sizes in segments of 1000 bytes, numbers from 0.
type flight struct {
	t    *testing.T
	q    Queue
	next int64
}

func (f *flight) send(at, n int64) {
	f.q.Push(seq.Offset(1+1000*f.next), seq.Offset(1+1000*(f.next+n)), &Sent{Now: clock.Time(at * ms)})
	f.next += n
}

// acked returns the sample of an ACK of everything before a number.
func (f *flight) acked(at, number int64) cc.Sample {
	d := Delivered{Now: clock.Time(at * ms), MinRTT: time.Duration(40 * ms)}
	f.q.Acknowledge(seq.Offset(1+1000*number), &d)
	return f.q.Sample(&d)
}

func (f *flight) want(at, number, rate int64) cc.Sample {
	f.t.Helper()
	s := f.acked(at, number)
	if got := int64(s.Rate()) / 1000; got != rate {
		f.t.Errorf("at %d ms: %d segments per second, want %d: %+v", at, got, rate, s)
	}
	return s
}

func TestDeliveryRate(t *testing.T) {
	for name, run := range map[string]func(*flight){
		"one GSO packet": func(f *flight) {
			f.send(0, 10)
			f.want(50, 10, 200)
		},
		"a steady flow": func(f *flight) {
			for at := range int64(50) {
				f.send(at, 1)
			}
			for at := int64(50); at < 500; at++ {
				if s := f.acked(at, at-49); at > 150 && s.Rate() != 1_000_000 {
					f.t.Fatalf("at %d ms %d bytes per second", at, s.Rate())
				}
				f.send(at, 1)
			}
		},
		"ACKs that arrive together do not make the path faster": func(f *flight) {
			for at := range int64(100) {
				f.send(at, 1)
			}
			f.want(100, 50, 500) // fifty in a hundred
			f.want(100, 99, 990)
		},
		"a pause does not make it slower": func(f *flight) {
			f.send(0, 10)
			f.want(50, 10, 200)
			f.send(10_000, 10)
			f.want(10_050, 20, 200)
		},
		"faster than the shortest round trip": func(f *flight) {
			f.send(0, 10)
			f.want(39, 10, 0)
		},
		"the data in flight and lost": func(f *flight) {
			f.send(0, 2)
			f.send(1, 3)
			f.q.MarkLost(f.q.First())
			s := f.want(51, 5, 98)
			if s.InFlight != 5000 || s.Lost != 2000 || s.Prior != 0 || s.Delivered != 5000 {
				f.t.Errorf("%+v", s)
			}
		},
		"the application's limit ends with the gap": func(f *flight) {
			f.send(0, 1)
			f.q.MarkLimited(f.q.InFlight())
			f.send(1, 1)
			f.send(2, 1)
			if s := f.want(50, 1, 20); s.Limited {
				f.t.Error("limited before it was")
			}
			f.send(51, 1)
			if s := f.acked(52, 2); !s.Limited {
				f.t.Error("not limited")
			}
			f.send(53, 1)
			if s := f.acked(150, 5); s.Limited || f.q.Limited() {
				f.t.Errorf("still limited: %+v", s)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { run(&flight{t: t}) })
	}
}
