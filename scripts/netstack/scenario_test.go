package netstack

import (
	"fmt"
	"hash/fnv"
	"testing"

	"minitcp/conn/conntest"
)

// Every scenario with gVisor as one end obeys the rules of conntest. More seeds: go run ./scripts/simulate --gvisor.
func TestScenarios(t *testing.T) {
	for seed := range uint64(300) {
		s := Draw(seed)
		if _, err := s.Run(nil); err != nil {
			t.Errorf("%v\n%v\nladder diagram: go run ./scripts/simulate --gvisor --replay %d", err, s, seed)
		}
	}
}

// Seeds that broke a rule before a fix of minitcp obey all rules.
func TestFixedFailures(t *testing.T) {
	for seed, was := range map[uint64]string{
		1974: "each lost ACK made the timeout a sample of the round trip, since gVisor sends no D-SACKs",
	} {
		if _, err := Draw(seed).Run(nil); err != nil {
			t.Errorf("seed %d (%s): %v", seed, was, err)
		}
	}
}

// The same seed gives the same segments at the same times.
func TestRepeatable(t *testing.T) {
	for seed := range uint64(30) {
		play := func() (events int, digest uint64) {
			h := fnv.New64()
			Draw(seed).Run(func(flow int, v *conntest.Event) {
				events++
				fmt.Fprint(h, flow, v.Now, v.From.Name, v.Arrived, v.Segment.TCP, len(v.Segment.Data), v.Lost)
			})
			return events, h.Sum64()
		}
		n, first := play()
		if m, second := play(); first != second || n < 10 {
			t.Errorf("seed %d: runs of %d and %d events differ", seed, n, m)
		}
	}
}
