package emulator

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A trace sends MTU bytes at each of its instants, shares one among small packets, loses the room that no packet
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
			d := NewDirection(Config{Trace: trace})
			var got []time.Duration
			for _, p := range test.packets {
				d.Arrive(p.at, make([]byte, p.size), func([]byte) {})
			}
			for at, ok := d.Next(); ok; at, ok = d.Next() {
				d.Take(at)
				got = append(got, at)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("arrived at %v, want %v", got, test.want)
			}
		})
	}
}

func TestCapacity(t *testing.T) {
	d := NewDirection(Config{Trace: Trace{2 * ms, 3 * ms, 10 * ms}})
	for _, test := range []struct {
		now  time.Duration
		want int64
	}{{0, 0}, {2*ms + 1, 1500}, {9 * ms, 3000}, {10*ms + 1, 4500}, {33*ms + 1, 11 * 1500}} {
		if got := d.Capacity(test.now); got != test.want {
			t.Errorf("until %v: %d bytes, want %d", test.now, got, test.want)
		}
	}
	if got := NewDirection(Config{Rate: 8e6}).Capacity(2 * time.Second); got != 2e6 {
		t.Errorf("8 Mbit/s for 2 s: %d bytes, want 2,000,000", got)
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
		if got *= MTU; got > want || got <= want-MTU-len(rates) {
			t.Errorf("until %v: %d bytes, want %d", until, got, want)
		}
	}
}

func TestReadTrace(t *testing.T) {
	got, err := ReadTrace(strings.NewReader("0\n1\n1\n\n7\n"))
	if want := (Trace{0, ms, ms, 7 * ms}); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for text, want := range map[string]string{
		"": "it has no length", "0\n": "it has no length", "2\n1\n": "not in the order of time", "1\nx\n": `line 2: "x"`, "-1\n": `line 1: "-1"`,
	} {
		if _, err := ReadTrace(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
