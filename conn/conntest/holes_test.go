package conntest

import "testing"

// Scenarios with holes lose hundreds of segments of one window, and the receiver gets few bytes more than once.
func TestHoles(t *testing.T) {
	most, found := 0, 0
	for seed := uint64(0); found < 6 && seed < 2000; seed++ {
		s := Draw(seed)
		if s.Link.Periodic.Of == 0 || s.Link.Box.on() {
			continue
		}
		found++
		lost := 0
		_, err := s.Run(func(_ int, v *Event) {
			if v.Lost == "lost: periodic" {
				lost++
			}
		})
		if err != nil {
			t.Errorf("%v\n%v", err, s)
		}
		most = max(most, lost)
	}
	if most < 300 {
		t.Errorf("%d scenarios lose at most %d segments each, want at least 300", found, most)
	}
}
