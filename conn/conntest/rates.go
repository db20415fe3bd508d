package conntest

import (
	"math"
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// rateStep is the duration of each of a Link's Rates.
const rateStep = 100 * time.Millisecond

// Cellular returns rates in bytes per second that vary as those of a cellular network do, for the duration d. They are
// a mean-reverting random walk on a logarithmic scale. Now and then the rate fades to between a tenth and a third for
// up to two seconds. The seed determines the rates.
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

// sent returns the end of the transmission of n bytes that begins at start.
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

// waiting returns the number of bytes that the line transmits between two times. If the queue is empty at the second,
// they are the length of the queue at the first.
func (l *Link) waiting(from, to conn.Time) (n int64) {
	for from < to {
		rate, until := l.rate(from)
		end := min(until, to)
		n += int64(end.Sub(from)) * int64(rate) / int64(time.Second)
		from = end
	}
	return n
}
