package netem

import (
	"slices"
	"strings"
	"testing"
	"time"

	"minitcp/conn/wire"
)

// A trace sends TraceUnit bytes at each of its instants, shares one among small packets, loses the room that no packet
// uses, and begins again.
func TestTraceDirection(t *testing.T) {
	trace := Trace{2 * ms, 3 * ms, 10 * ms}
	type packet struct {
		at   time.Duration
		size int
	}
	for _, test := range []struct {
		name    string
		packets []packet
		want    []time.Duration
	}{
		{"one", []packet{{ms, 1500}}, []time.Duration{2 * ms}},
		{"full ones", []packet{{ms, 1500}, {ms, 1500}, {ms, 1500}, {ms, 1500}}, []time.Duration{2 * ms, 3 * ms, 10 * ms, 12 * ms}},
		{"small ones share an instant", []packet{{ms, 700}, {ms, 700}, {ms, 700}, {ms, 700}}, []time.Duration{2 * ms, 2 * ms, 3 * ms, 3 * ms}},
		{"unused room is lost", []packet{{ms, 100}, {4 * ms, 1500}, {9 * ms, 1500}}, []time.Duration{2 * ms, 10 * ms, 12 * ms}},
		{"room of an instant that is now", []packet{{3 * ms, 1500}, {3 * ms, 1500}}, []time.Duration{3 * ms, 10 * ms}},
		{"the second round", []packet{{13*ms - 1, 1500}, {13*ms - 1, 1500}, {25 * ms, 1500}}, []time.Duration{13 * ms, 20 * ms, 30 * ms}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &Direction{Config: Config{Trace: trace}}
			var got []time.Duration
			for _, p := range test.packets {
				got = append(got, d.Send(p.at, p.size, wire.NotECT, Fate{Copies: 1}, nil).At[0])
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("arrived at %v, want %v", got, test.want)
			}
		})
	}
}

func TestCapacity(t *testing.T) {
	d := &Direction{Config: Config{Trace: Trace{2 * ms, 3 * ms, 10 * ms}}}
	for _, test := range []struct {
		now  time.Duration
		want int64
	}{{0, 0}, {2*ms + 1, 1500}, {9 * ms, 3000}, {10*ms + 1, 4500}, {33*ms + 1, 11 * 1500}} {
		if got := d.Capacity(test.now); got != test.want {
			t.Errorf("until %v: %d bytes, want %d", test.now, got, test.want)
		}
	}
	if got := (&Direction{Config: Config{Rate: 8e6}}).Capacity(2 * time.Second); got != 2e6 {
		t.Errorf("8 Mbit/s for 2 s: %d bytes, want 2,000,000", got)
	}
	if got := d.Trace.Rate(); got != 3_600_000 {
		t.Errorf("Rate = %d bit/s, want 3,600,000: 4500 bytes in 10 ms", got)
	}
}

// A trace of rates carries them, to within a packet, and lasts as long as they do, to within the time of a packet.
func TestTraceOf(t *testing.T) {
	rates := []int{1_500_000, 15_000, 150_000, 3_000_000}
	trace := TraceOf(rates)
	if err := trace.check(); err != nil {
		t.Fatal(err)
	}
	for i := range rates {
		until := time.Duration(i+1) * TraceStep
		want := 0
		for _, r := range rates[:i+1] {
			want += r / 10
		}
		got, _ := slices.BinarySearch(trace, until+1)
		if got *= TraceUnit; got > want || got <= want-TraceUnit-len(rates) {
			t.Errorf("until %v: %d bytes, want %d", until, got, want)
		}
	}
}

func TestParseTrace(t *testing.T) {
	got, err := ParseTrace("0\n1\r\n 1\n\n7")
	if want := (Trace{0, ms, ms, 7 * ms}); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for text, want := range map[string]string{
		"": "the trace is empty", "\n \n": "the trace is empty", "0\n0\n": "the trace has no length: its last instant is 0",
		"2\n1\n":                            "line 2: 1 ms is earlier than the line before",
		"1\nx\n":                            `line 2: "x" is not a number of milliseconds up to 4000000000`,
		"1\n\n-1\n":                         `line 3: "-1" is not a number of milliseconds up to 4000000000`,
		"4000000001":                        `line 1: "4000000001" is not a number of milliseconds up to 4000000000`,
		strings.Repeat("\xff", 1000) + "\n": `line 1: "…" is not a number of milliseconds up to 4000000000`,
	} {
		if _, err := ParseTrace(text); err == nil || err.Error() != want {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
}

// Every trace that ParseTrace returns can be played: times do not go back, and a packet waits for at most a length.
func FuzzParseTrace(f *testing.F) {
	for _, seed := range []string{"", "0\n", "1\n2\n3", "0\n4000000000\n", "5\nx", "1\n1\n1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := ParseTrace(text)
		if err != nil {
			return
		}
		length := trace[len(trace)-1]
		d := &Direction{Config: Config{Trace: trace, QueueBytes: 2 * TraceUnit}}
		last := time.Duration(0)
		for i := range time.Duration(8) {
			now := i * length / 3
			p := d.Send(now, TraceUnit, wire.NotECT, Fate{Copies: 1}, nil)
			if p.Drop != Delivered {
				continue
			}
			if at := p.At[0]; at < now || at < last || at-now > 3*length {
				t.Fatalf("sent at %v, arrives at %v, after one at %v; the length is %v", now, at, last, length)
			}
			last = p.At[0]
		}
		if trace.Rate() < 0 {
			t.Errorf("Rate = %d", trace.Rate())
		}
	})
}
