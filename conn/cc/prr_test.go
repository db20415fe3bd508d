package cc

import (
	"slices"
	"testing"
)

// hears is an ACK of an episode. Arrived and lost are numbers of segments.
type hears struct {
	arrived, lost int64
	moves         bool // it moves SND.UNA
}

// times returns n equal ACKs.
func times(n int, h hears) []hears { return slices.Repeat([]hears{h}, n) }

// An episode begins with twenty segments in flight. The window must fall to ten, or to fourteen as with CUBIC, and each
// ACK permits the given number of segments (RFC 9937 6.2).
func TestProportionalRateReduction(t *testing.T) {
	one, next := hears{arrived: 1}, hears{arrived: 1, moves: true}
	for _, c := range []struct {
		name      string
		threshold int64
		acks      []hears
		want      []int64
		pipe      int64 // in the end
	}{
		// Half of the data delivered may leave, rounded up to whole segments, until the seventeenth leaves ten in
		// flight.
		{"one loss", 10, append([]hears{{arrived: 1, lost: 1}}, times(21, one)...),
			[]int64{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1}, 10},
		// Seven tenths of the data delivered, rounded up: 1, 2, 3, 3, 4, 5, 5, 6, 7, 7.
		{"to seven tenths", 14, append([]hears{{arrived: 1, lost: 1}}, times(9, one)...),
			[]int64{1, 1, 1, 0, 1, 1, 0, 1, 1, 0}, 16},
		// Fewer than ten are in flight at once: one for one, and two where nothing more is lost, until ten are.
		{"fifteen lost", 10, slices.Concat([]hears{{arrived: 1, lost: 15}}, times(4, one), times(8, next)),
			[]int64{1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1}, 10},
		// An ACK that shows a loss is not safe.
		{"more lost later", 10, []hears{{arrived: 1, lost: 15}, one, one, {arrived: 1, lost: 1, moves: true}, next},
			[]int64{1, 1, 1, 1, 2}, 5},
		// An ACK for many at once counts for all of them: of nine that have arrived, half is five; of eleven, six.
		{"ACKs that were lost", 10, []hears{{arrived: 1, lost: 1}, {arrived: 8}, one, one},
			[]int64{1, 4, 0, 1}, 14},
		// The first retransmission leaves even if nothing has arrived.
		{"nothing has arrived", 10, []hears{{lost: 1}, one, one}, []int64{1, 0, 0}, 18},
		// Below the threshold, each ACK permits at least the data that it has delivered, although the retransmission that
		// nothing had paid for counts as sent.
		{"a retransmission before any delivery", 10, append([]hears{{lost: 15}}, times(2, one)...), []int64{1, 1, 1}, 6},
		// All but one lost.
		{"nearly all lost", 10, slices.Concat([]hears{{arrived: 1, lost: 19}}, times(4, next)), []int64{1, 2, 2, 2, 2}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPRR(20_000, 1000*c.threshold)
			var got []int64
			pipe := int64(20_000)
			for _, h := range c.acks {
				pipe -= 1000 * (h.arrived + h.lost)
				if h.arrived > 0 || h.lost > 0 {
					p.OnAck(Delivery{Bytes: 1000 * h.arrived, Pipe: pipe, MSS: 1000, Safe: h.moves && h.lost == 0})
				}
				n := max(0, p.Window()-pipe) / 1000
				got = append(got, n)
				pipe += 1000 * n
				p.OnSent(1000 * n)
			}
			if !slices.Equal(got, c.want) || pipe != 1000*c.pipe {
				t.Errorf("sent %d, %d bytes are in flight; want %d, %d segments", got, pipe, c.want, c.pipe)
			}
		})
	}
}
