package conntest

import (
	"math"
	"math/rand/v2"
	"time"

	"minitcp/conn/netem"
)

// Cellular returns rates in bytes per second that vary as those of a cellular network do, one for each netem.TraceStep
// of the duration d. They are a mean-reverting random walk on a logarithmic scale. Now and then the rate fades to
// between a tenth and a third for up to two seconds. The seed determines the rates.
func Cellular(seed uint64, mean int, d time.Duration) []int {
	r := rand.New(rand.NewPCG(seed, 4))
	rates := make([]int, d/netem.TraceStep)
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
