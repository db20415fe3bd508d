package buffer

import "testing"

func TestLevelString(t *testing.T) {
	for level, want := range map[Level]string{NoPressure: "none", Scarce: "scarce", Exhausted: "exhausted", 9: "unknown"} {
		if got := level.String(); got != want {
			t.Errorf("level %d is %q, want %q", uint8(level), got, want)
		}
	}
}
