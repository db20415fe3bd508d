package conntest

import (
	"math"
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// rateStep is how long each of a Link's Rates lasts.
const rateStep = 100 * time.Millisecond

// Cellular returns rates that vary as those of a cellular network do, in bytes per second: a walk on a logarithmic scale
// that returns to the mean, with a fade now and then in which a tenth to a third remains for up to two seconds. They last
// for the given time. The seed determines them.
func Cellular(seed uint64, mean int, d time.Duration) []int {
	r := rand.New(rand.NewPCG(seed, 4))
	rates := make([]int, d/rateStep)
	level, fade, until := 0.0, 1.0, 0
	for i := range rates {
		level += 0.25*r.NormFloat64() - 0.05*level
		if i >= until {
			fade = 1
			if r.Float64() < 0.01 {
				fade, until = 0.2+0.3*r.Float64(), i+5+r.IntN(16)
			}
		}
		factor := max(0.1, min(math.Exp(level)*fade, 4))
		rates[i] = int(factor * float64(mean))
	}
	return rates
}

// rate returns the line's rate at an instant, in bytes per second, and the instant at which the next rate begins.
func (l *Link) rate(at conn.Time) (rate int, until conn.Time) {
	if len(l.Rates) == 0 {
		return l.Rate, conn.Never
	}
	step := at / conn.Time(rateStep)
	return l.Rates[int(step)%len(l.Rates)], (step + 1) * conn.Time(rateStep)
}

// sent returns when n bytes have been sent whose sending begins at an instant.
func (l *Link) sent(start conn.Time, n int) conn.Time {
	for {
		rate, until := l.rate(start)
		end := start.Add(time.Duration(int64(n) * int64(time.Second) / int64(rate)))
		if end <= until {
			return end
		}
		n -= int(int64(until.Sub(start)) * int64(rate) / int64(time.Second))
		start = until
	}
}

// waiting returns how many bytes the line sends between two instants: of a queue that is empty at the second, those that
// wait at the first.
func (l *Link) waiting(from, to conn.Time) (n int64) {
	for from < to {
		rate, until := l.rate(from)
		end := min(until, to)
		n += int64(end.Sub(from)) * int64(rate) / int64(time.Second)
		from = end
	}
	return n
}
