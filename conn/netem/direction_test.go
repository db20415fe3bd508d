package netem

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"minitcp/conn/wire"
)

const ms = time.Millisecond

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// play sends packets of 1000 bytes at the given times, and returns when the first copy of each arrives, 0 if none does.
func play(d *Direction, seed uint64, at ...time.Duration) (arrived []time.Duration) {
	r := newRand(seed)
	for _, now := range at {
		arrived = append(arrived, d.Send(now, 1000, wire.NotECT, d.Draw(now, r), r).At[0])
	}
	return arrived
}

// steady returns the times of n packets, one each millisecond.
func steady(n int) (at []time.Duration) {
	for i := range n {
		at = append(at, time.Duration(i+1)*ms)
	}
	return at
}

func TestDirection(t *testing.T) {
	const rate = 8e6 // 1000 bytes in a millisecond
	for _, test := range []struct {
		name string
		cfg  Config
		at   []time.Duration
		want []time.Duration
	}{
		{"no limits", Config{}, []time.Duration{1, 1, 5}, []time.Duration{1, 1, 5}},
		{"delay", Config{Delay: 20 * ms}, []time.Duration{1, 2}, []time.Duration{20*ms + 1, 20*ms + 2}},
		{"rate", Config{Rate: rate, Delay: 20 * ms}, []time.Duration{ms, ms, ms, 9 * ms}, []time.Duration{22 * ms, 23 * ms, 24 * ms, 30 * ms}},
		{"a queue of one packet", Config{Rate: rate, QueuePackets: 1}, []time.Duration{ms, ms, ms, 2 * ms, 2 * ms},
			[]time.Duration{2 * ms, 3 * ms, 0, 4 * ms, 0}},
		{"a queue of 2 ms", Config{Rate: rate, QueueTime: 2 * ms}, []time.Duration{ms, ms, ms, ms, 2*ms - 1, 2 * ms},
			[]time.Duration{2 * ms, 3 * ms, 4 * ms, 0, 0, 5 * ms}},
		{"a queue of 2000 bytes", Config{Rate: rate, QueueBytes: 2000}, []time.Duration{ms, ms, ms, 2 * ms, 2*ms + 1, 3 * ms},
			[]time.Duration{2 * ms, 3 * ms, 0, 4 * ms, 0, 5 * ms}},
		{"all lost, and yet on the line", Config{Rate: rate, QueuePackets: 1, Loss: 1}, []time.Duration{ms, ms, ms}, []time.Duration{0, 0, 0}},
		{"all late", Config{Reordering: 1, ReorderingDelay: 10 * ms}, []time.Duration{ms, 2 * ms}, []time.Duration{11 * ms, 12 * ms}},
		{"a queue of 3000 bytes before a trace", Config{Trace: Trace{10 * ms, 20 * ms}, QueueBytes: 3000},
			[]time.Duration{ms, ms, ms, ms, 10 * ms}, []time.Duration{10 * ms, 20 * ms, 20 * ms, 0, 30 * ms}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := play(&Direction{Config: test.cfg}, 1, test.at...); !slices.Equal(got, test.want) {
				t.Errorf("arrived at %v, want %v", got, test.want)
			}
		})
	}
}

// A packet that finds the queue full is not lost in transit, and does not use the line.
func TestCounts(t *testing.T) {
	d := &Direction{Config: Config{Rate: 8e6, QueuePackets: 1, Duplication: 1, Corruption: 1}}
	play(d, 1, ms, ms, ms, ms)
	if want := (Counts{Packets: 4, Bytes: 4000, QueueFull: 2, Duplicated: 2, Damaged: 2}); d.Counts != want {
		t.Errorf("%+v, want %+v", d.Counts, want)
	}
	if got := d.LossShare(); got != 0 {
		t.Errorf("LossShare = %v, want 0", got)
	}
	d = &Direction{Config: Config{Rate: 8e6, QueuePackets: 1, Loss: 1}}
	play(d, 1, ms, ms, ms, ms)
	if want := (Counts{Packets: 4, Bytes: 4000, QueueFull: 2, Lost: 2}); d.Counts != want || d.LossShare() != 1 {
		t.Errorf("%+v, a share of %v, want %+v and 1", d.Counts, d.LossShare(), want)
	}
}

// The seed and the number of a packet determine its fate. A packet that is lost with a small probability is lost with a
// larger one.
func TestLossOfASeed(t *testing.T) {
	lost := func(seed uint64, loss float64) (numbers []int) {
		d := &Direction{Config: Config{Loss: loss}}
		for i, at := range play(d, seed, steady(200)...) {
			if at == 0 {
				numbers = append(numbers, i)
			}
		}
		if int(d.Lost) != len(numbers) || d.Packets != 200 {
			t.Errorf("%d did not arrive: %+v", len(numbers), d.Counts)
		}
		return numbers
	}
	some := lost(1, 0.1)
	if len(some) < 10 || len(some) > 35 {
		t.Errorf("%d of 200 lost, of which 10 %% should be", len(some))
	}
	if again := lost(1, 0.1); !slices.Equal(again, some) {
		t.Errorf("the same seed loses %v, then %v", some, again)
	}
	if other := lost(2, 0.1); slices.Equal(other, some) {
		t.Error("another seed loses the same")
	}
	more := lost(1, 0.2)
	for _, i := range some {
		if !slices.Contains(more, i) {
			t.Errorf("packet %d is lost with 10 %%, but not with 20 %%", i)
		}
	}
}

// Each probability is that of its fault, within four standard errors of the binomial distribution.
func TestProbabilities(t *testing.T) {
	const n, p = 100_000, 0.03
	for _, test := range []struct {
		name  string
		cfg   Config
		count func(*Counts) int64
	}{
		{"Loss", Config{Loss: p}, func(c *Counts) int64 { return c.Lost }},
		{"Duplication", Config{Duplication: p}, func(c *Counts) int64 { return c.Duplicated }},
		{"Corruption", Config{Corruption: p}, func(c *Counts) int64 { return c.Damaged }},
		{"Marking", Config{Marking: p}, func(c *Counts) int64 { return c.Marked }},
		{"Reordering", Config{Reordering: p, ReorderingDelay: 1}, func(c *Counts) int64 { return c.Reordered }},
		{"Burst.Between", Config{Burst: Burst{Between: p}}, func(c *Counts) int64 { return c.Lost }},
	} {
		d, r := &Direction{Config: test.cfg}, newRand(7)
		for i := range time.Duration(n) {
			d.Send(i, 1000, wire.ECT0, d.Draw(i, r), r)
		}
		got := float64(test.count(&d.Counts))
		if limit := 4 * math.Sqrt(n*p*(1-p)); math.Abs(got-n*p) > limit {
			t.Errorf("%s %g: %v of %d packets, want %v ± %.0f", test.name, p, got, n, n*p, limit)
		}
		want := Counts{Packets: n, Bytes: 1000 * n, Lost: d.Lost, Duplicated: d.Duplicated, Damaged: d.Damaged, Reordered: d.Reordered, Marked: d.Marked}
		if got := d.Lost + d.Duplicated + d.Damaged + d.Reordered + d.Marked; d.Counts != want || got != test.count(&d.Counts) {
			t.Errorf("%s: other counts: %+v", test.name, d.Counts)
		}
	}
}

// Losses of a Burst are consecutive, and as many as the model predicts.
func TestBurst(t *testing.T) {
	d := &Direction{Config: Config{Burst: Burst{Begin: 0.01, End: 0.2, Loss: 0.9, MaxGap: time.Second}}}
	r := newRand(1)
	const n = 100_000
	lost, pairs, last := 0, 0, false
	for range n {
		now := d.Draw(0, r).Copies == 0
		if now {
			lost++
		}
		if now && last {
			pairs++
		}
		last = now
	}
	mean := d.Burst.Mean() // a burst is in progress 0.01/(0.01+0.2) of the time
	if share := float64(lost) / n; math.Abs(mean-0.0429) > 0.0001 || math.Abs(share-mean) > 0.003 {
		t.Errorf("%.4f of the packets are lost, a mean of %.4f", share, mean)
	}
	if after := float64(pairs) / float64(lost); after < 0.70 || after > 0.75 {
		t.Errorf("after a lost packet, the next is lost with %.2f", after)
	}
	for d.bad = false; !d.bad; {
		d.Draw(0, r)
	}
	if d.Draw(2*time.Second, r); d.bad {
		t.Error("a burst continues after two seconds without packets") // a new burst has a probability of 0.01
	}
}

// With KeepOrder, jitter spreads the delays, and no packet overtakes another one. With Overtake, packets do.
func TestJitter(t *testing.T) {
	for _, order := range []Order{KeepOrder, Overtake} {
		d := &Direction{Config: Config{Delay: 20 * ms, Jitter: 10 * ms, Order: order}}
		arrived := play(d, 3, steady(1000)...)
		for i, at := range arrived {
			if over := at - time.Duration(i+1)*ms - 20*ms; over < 0 || over >= 10*ms {
				t.Errorf("order %d: packet %d was late by %v", order, i, over)
			}
		}
		if slices.IsSorted(arrived) != (order == KeepOrder) {
			t.Errorf("order %d: sorted %v", order, slices.IsSorted(arrived))
		}
		apart := play(&Direction{Config: d.Config}, 3, 0, time.Second, 2*time.Second, 3*time.Second)
		if first, last := apart[0], apart[3]-3*time.Second; first-last < ms {
			t.Errorf("order %d: packets far apart are delayed by %v and %v, without jitter", order, first, last)
		}
	}
}

// Reordered packets are late by ReorderingDelay, and do not delay the others.
func TestReordering(t *testing.T) {
	d := &Direction{Config: Config{Delay: 20 * ms, Reordering: 0.05, ReorderingDelay: 10 * ms, Jitter: ms / 2}}
	late := 0
	for i, at := range play(d, 3, steady(200)...) {
		switch over := at - time.Duration(i+1)*ms - 20*ms; {
		case over >= 0 && over <= ms/2:
		case over >= 10*ms && over <= 10*ms+ms/2:
			late++
		default:
			t.Errorf("packet %d was late by %v", i, over)
		}
	}
	if late < 3 || late > 25 || int(d.Reordered) != late {
		t.Errorf("%d of 200 were late, %d counted; 5 %% should be", late, d.Reordered)
	}
}

// A line carries its rate in a second, with packets of any sizes.
func TestRate(t *testing.T) {
	d, r := &Direction{Config: Config{Rate: 100e6, QueueTime: 10 * ms}}, newRand(1)
	bytes := 0
	for now, i := time.Duration(0), 0; now < time.Second; now, i = now+50*time.Microsecond, i+1 {
		size := 40 + (i*97)%1461
		p := d.Send(now, size, wire.NotECT, Fate{Copies: 1}, r)
		if p.Waited > 10*ms+120*time.Microsecond {
			t.Fatalf("a wait of %v", p.Waited)
		}
		if p.Drop == Delivered && p.At[0] < time.Second {
			bytes += size
		}
	}
	if got := float64(bytes) * 8; math.Abs(got-100e6) > 0.001*100e6 {
		t.Errorf("%.0f bits in a second, want 100,000,000", got)
	}
	if d.QueueFull == 0 {
		t.Error("no packet was dropped")
	}
}

func TestCheck(t *testing.T) {
	if err := (&Config{Rate: 1, Trace: Trace{0, ms}, Loss: 1, Burst: Burst{Begin: 1, End: 1, Loss: 1, Between: 1}}).Check(); err != nil {
		t.Error(err)
	}
	for want, cfg := range map[string]Config{
		"netem: Loss 1.5 is not a probability from 0 to 1":     {Loss: 1.5},
		"netem: Loss NaN is not a probability from 0 to 1":     {Loss: math.NaN()},
		"netem: Burst.End -1 is not a probability from 0 to 1": {Burst: Burst{End: -1}},
		"netem: Delay is negative":                             {Delay: -1},
		"netem: QueuePackets is negative":                      {QueuePackets: -1},
		"the trace has no length: its last instant is 0":       {Trace: Trace{0}},
	} {
		if err := cfg.Check(); err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// A packet on its way costs no memory beyond that of the queue.
func TestAllocs(t *testing.T) {
	cfg := Config{Rate: 1e9, QueuePackets: 10, Discipline: CoDel, Delay: ms, Jitter: ms, Loss: 0.1, Reordering: 0.1, Burst: Burst{Begin: 0.1, End: 0.1}}
	d, r := &Direction{Config: cfg}, newRand(1)
	var transit Transit[int]
	now := time.Duration(0)
	if n := testing.AllocsPerRun(10_000, func() {
		now += 10_000
		p := d.Send(now, 1500, wire.NotECT, d.Draw(now, r), r)
		if p.Drop == Delivered {
			transit.Push(p.At[0], 1)
		}
		for at, ok := transit.Next(); ok && at <= now; at, ok = transit.Next() {
			transit.Pop()
		}
	}); n != 0 {
		t.Errorf("%v allocations per packet, want 0", n)
	}
}

// Packets that are larger than MaxPacket never arrive, and use neither the queue nor the line.
func TestMaxPacket(t *testing.T) {
	d := Direction{Config: Config{Rate: 8e6, MaxPacket: 1000}}
	r := newRand(1)
	for i, size := range []int{1000, 1001, 65_535, 1000} {
		p := d.Send(ms, size, wire.NotECT, d.Draw(ms, r), r)
		want := Passage{Drop: DropTooLarge}
		if size <= 1000 {
			want = Passage{At: [2]time.Duration{2*ms + time.Duration(i/3)*ms}}
		}
		if p.Drop != want.Drop || p.At != want.At {
			t.Errorf("packet %d of %d bytes: %+v, want %+v", i, size, p, want)
		}
	}
	if d.TooLarge != 2 || d.Packets != 4 || d.LossShare() != 0 {
		t.Errorf("%+v", d.Counts)
	}
	if c := (Config{MaxPacket: 1}); !c.Active() || !c.Instant() {
		t.Error("a link with a largest packet is not active, or not instant")
	}
}
