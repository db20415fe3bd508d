package conn

import (
	"slices"
	"testing"

	"minitcp/conn/scoreboard"
)

// hears is an ACK of an episode, in segments: so many have arrived, so many are found lost; a moving one moves SND.UNA.
type hears struct {
	arrived, lost int64
	moves         bool
}

// times is n ACKs that say the same.
func times(n int, h hears) []hears { return slices.Repeat([]hears{h}, n) }

// How many segments each ACK lets out (RFC 9937 6.2), of twenty in flight when the episode begins; the window is to come
// down to ten, or to fourteen as for CUBIC.
func TestProportionalRateReduction(t *testing.T) {
	one, next := hears{arrived: 1}, hears{arrived: 1, moves: true}
	for _, c := range []struct {
		name      string
		threshold int64
		acks      []hears
		want      []int64
		pipe      int64 // in the end
	}{
		// Half of what has arrived may be out, rounded up to whole segments, until the seventeenth leaves ten on their way.
		{"one loss", 10, append([]hears{{arrived: 1, lost: 1}}, times(21, one)...),
			[]int64{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1}, 10},
		// Seven tenths of what has arrived, rounded up: 1, 2, 3, 3, 4, 5, 5, 6, 7, 7.
		{"to seven tenths", 14, append([]hears{{arrived: 1, lost: 1}}, times(9, one)...),
			[]int64{1, 1, 1, 0, 1, 1, 0, 1, 1, 0}, 16},
		// Fewer than ten are on their way at once: one for one, and two where nothing more is lost, until ten are.
		{"fifteen lost", 10, slices.Concat([]hears{{arrived: 1, lost: 15}}, times(4, one), times(8, next)),
			[]int64{1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1}, 10},
		// What is found lost with an ACK makes it no safe one.
		{"more lost later", 10, []hears{{arrived: 1, lost: 15}, one, one, {arrived: 1, lost: 1, moves: true}, next},
			[]int64{1, 1, 1, 1, 2}, 5},
		// An ACK for many at once counts for all of them: of nine that have arrived, half is five; of eleven, six.
		{"ACKs that were lost", 10, []hears{{arrived: 1, lost: 1}, {arrived: 8}, one, one},
			[]int64{1, 4, 0, 1}, 14},
		// The retransmission that begins it leaves, whatever has arrived.
		{"nothing has arrived", 10, []hears{{lost: 1}, one, one}, []int64{1, 0, 0}, 18},
		// All but one lost.
		{"nearly all lost", 10, slices.Concat([]hears{{arrived: 1, lost: 19}}, times(4, next)), []int64{1, 2, 2, 2, 2}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := sackOne(t, Disabled)
			p := prr{flight: 20_000, threshold: 1000 * c.threshold}
			var got []int64
			o.c.active.sent.Push(1, 100_001, scoreboard.Sent{})
			setPipe := func(n int64) { o.c.active.recovery.leftNetwork = 100_000 - n }
			setPipe(20_000)
			for _, h := range c.acks {
				setPipe(o.c.pipe() - 1000*(h.arrived+h.lost))
				p.arrived(o.c, &arrival{Delivered: scoreboard.Delivered{Bytes: 1000 * h.arrived}, advanced: h.moves, lost: h.lost > 0})
				n := max(0, p.cwnd-o.c.pipe()) / 1000
				got = append(got, n)
				setPipe(o.c.pipe() + 1000*n)
				p.out += 1000 * n
			}
			if !slices.Equal(got, c.want) || o.c.pipe() != 1000*c.pipe {
				t.Errorf("sent %d, %d octets are on their way; want %d, %d segments", got, o.c.pipe(), c.want, c.pipe)
			}
		})
	}
}
