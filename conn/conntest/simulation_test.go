package conntest

import "testing"

// Whatever a network does and applications do, every rule is kept, the octets arrive, and both ends come to an end. More
// seeds: go run ./scripts/simulate.
func TestScenarios(t *testing.T) {
	for seed := range uint64(200) {
		s := Draw(seed)
		if err := s.Run(nil); err != nil {
			t.Errorf("%v\n%v\nits ladder: go run ./scripts/simulate -replay %d", err, s, seed)
		}
	}
}
