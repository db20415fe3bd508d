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

// Seeds that once broke a rule keep all of them.
func TestFormerFailures(t *testing.T) {
	for seed, was := range map[uint64]string{
		7613: "both windows shrank, and each end dropped the other's ACKs as duplicates until R2",
		7945: "the same, one byte before RCV.NXT",
		8833: "the same on a link that loses nothing",
		3551: "repairs that left at the same instant as new data, but after it, were sent twice",
		3943: "the same",
		6881: "the same",
		7166: "the same",
		8168: "the same",
		// Broken by an F-RTO that waits for room in the window.
		6901:  "one segment left per timeout in a window that had shrunk below SND.NXT",
		16513: "the same",
		27002: "the same",
	} {
		if err := Draw(seed).Run(nil); err != nil {
			t.Errorf("seed %d (%s): %v", seed, was, err)
		}
	}
}
