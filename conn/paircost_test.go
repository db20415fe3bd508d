package conn_test

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
	"minitcp/conn/wire"
)

// feedbackCost is the cost of the feedback of ECN for the sender a of 8 MB.
type feedbackCost struct {
	packets     int // with data, of which each is a write to the device
	segments    int // into which they are cut
	withOption  int // of these, segments with the option of AccECN
	optionBytes int
	acks        int // pure ACKs of b
	acksWith    int // of these, those with the option
}

// costOfFeedback transfers 8 MB from a to b, and as much from b to a if bothWays, over a path of 100 Mbit/s and 10 ms
// that marks a part of the packets with ECT.
func costOfFeedback(t *testing.T, mode conn.ECNMode, marking float64, bothWays bool) (c feedbackCost) {
	const n = 8_000_000
	p := conntest.NewPair(5, conn.Config{ECN: mode, CongestionControl: conn.CUBIC}, conntest.Link{
		Delay: 5 * time.Millisecond, Rate: 12_500_000, Queue: 250_000, Marking: marking, GSOMaxSize: 65000,
	})
	p.A.ToSend = make([]byte, n)
	if bothWays {
		p.B.ToSend = make([]byte, n)
	}
	p.Trace = func(v *conntest.Event) {
		s, option := v.Segment, v.Segment.TCP.Options.AccECN.Len()
		switch data := len(s.Data); {
		case v.Arrived || s.TCP.Flags.Has(wire.SYN):
		case data == 0 && v.From == p.B:
			c.acks++
			c.acksWith += min(1, option)
		case data > 0 && v.From == p.A:
			k := 1
			if s.SegmentSize > 0 {
				k = (data + s.SegmentSize - 1) / s.SegmentSize
			}
			c.packets++
			c.segments += k
			c.withOption += k * min(1, option)
			c.optionBytes += k * option
		}
	}
	p.Dial(p.A)
	run(t, p, 2*time.Hour)
	finished(t, p)
	return c
}

// The option takes 12 of 1448 bytes at most, and is in a part of the segments only if the peer sends nothing. Marks in
// both directions make the ACE field contain CWR half of the time, and then no GSO packet leaves. conn/RFC9768.md has
// the numbers.
func TestCostOfAccECN(t *testing.T) {
	for _, c := range []struct {
		marking  float64
		bothWays bool
		most     float64 // bound of packets, relative to classic ECN
		with     float64 // bound of the part of segments with an option
	}{
		{0, false, 1.25, 0.3}, {0.001, false, 1.25, 0.3}, {0.01, false, 1.25, 0.4},
		{0, true, 1.25, 0.8}, {0.001, true, 1.5, 0.8}, {0.01, true, 2, 0.8},
	} {
		classic := costOfFeedback(t, conn.ECNActive, c.marking, c.bothWays)
		got := costOfFeedback(t, conn.ECNAccurate, c.marking, c.bothWays)
		if classic.withOption > 0 || classic.acksWith > 0 {
			t.Errorf("classic ECN has options: %+v", classic)
		}
		if float64(got.packets) > c.most*float64(classic.packets) || float64(got.withOption) > c.with*float64(got.segments) ||
			got.optionBytes > 12*got.withOption || got.acksWith > got.acks {
			t.Errorf("marks %v, both ways %v: classic %+v, AccECN %+v", c.marking, c.bothWays, classic, got)
		}
	}
}
