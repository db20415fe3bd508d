package conn

import (
	"testing"

	"minitcp/conn/cc"
	"minitcp/conn/seq"
)

// flight is a queue of what was sent and the rate at which it arrives. Times are in milliseconds, sizes in segments of
// 1000 octets, numbers from 0.
type flight struct {
	t    *testing.T
	c    Conn
	next int64
}

func (f *flight) send(at, n int64) {
	f.c.pushSent(Time(at)*Time(ms), record{start: seq.Offset(1 + 1000*f.next), end: seq.Offset(1 + 1000*(f.next+n))})
	f.next += n
}

// acked: an ACK says that everything before a number has arrived. It is what Rate makes of it in segments per second.
func (f *flight) acked(at, number int64) cc.Sample {
	a := arrival{now: Time(at) * Time(ms), lowest: never, minRTT: 40 * ms}
	f.c.active.sent.acknowledge(seq.Offset(1+1000*number), &a)
	return f.c.sampleRate(&a)
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
		"one superframe": func(f *flight) {
			f.send(0, 10)
			f.want(50, 10, 200)
		},
		"a steady flow": func(f *flight) {
			for at := range int64(50) {
				f.send(at, 1)
			}
			for at := int64(50); at < 500; at++ {
				if f.acked(at, at-49); at > 150 && f.c.delivery.rate != 1_000_000 {
					f.t.Fatalf("at %d ms %d octets per second", at, f.c.delivery.rate)
				}
				f.send(at, 1)
			}
		},
		"ACKs that come in a heap do not make the path faster": func(f *flight) {
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
		"too fast to be true": func(f *flight) {
			f.send(0, 10)
			f.want(39, 10, 0)
		},
		"what is known of the flight": func(f *flight) {
			f.send(0, 2)
			f.send(1, 3)
			f.c.lose(1, f.c.active.sent.first())
			s := f.want(51, 5, 98)
			if s.InFlight != 5000 || s.Lost != 2000 || s.Prior != 0 || s.Delivered != 5000 {
				f.t.Errorf("%+v", s)
			}
		},
		"the application's limit is over with the bubble": func(f *flight) {
			f.send(0, 1)
			f.c.markLimited()
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
			if s := f.acked(150, 5); s.Limited || f.c.active.rate.limited != 0 {
				f.t.Errorf("still limited: %+v", s)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { run(&flight{t: t, c: Conn{active: &active{cc: cc.NewReno(1000, 10_000)}}}) })
	}
}

// A sender whose application writes little and seldom measures the application; one that always has more, the path.
func TestApplicationLimit(t *testing.T) {
	for _, c := range []struct {
		written int
		limited bool
	}{{3_000, true}, {100_000, false}} {
		o := sackOne(t, Disabled)
		o.write(repeat(c.written))
		for range 10 {
			o.drain()
			o.sleep(100 * ms)
			o.write(repeat(1_000))
			o.drain()
			o.sleep(100 * ms)
			o.ack(int64(o.c.snd.nxt))
		}
		if i := o.c.Info(o.now); i.DeliveryLimited != c.limited || i.DeliveryRate == 0 || i.Delivered != int64(o.c.snd.una)-1 {
			t.Errorf("%d octets written: limited %v at %d octets per second, %d of %d delivered", c.written,
				i.DeliveryLimited, i.DeliveryRate, i.Delivered, o.c.snd.una-1)
		}
	}
}
