package algorithm

import (
	"testing"

	"minitcp/conn/cc/bbr"
)

// Each algorithm has a name, by which it is found, and a controller.
func TestAlgorithms(t *testing.T) {
	for a, want := range map[Algorithm]struct {
		text       string
		modelBased bool
	}{CUBIC: {"cubic", false}, Reno: {"reno", false}, BBR: {"bbr", true}} {
		var parsed Algorithm
		text, _ := a.MarshalText()
		if err := parsed.UnmarshalText(text); err != nil || parsed != a || a.String() != want.text || !a.Valid() {
			t.Errorf("%v is parsed as %v, error %v; want %s", a, parsed, err, want.text)
		}
		c := a.New(bbr.Config{MSS: 1000, Window: 10_000, Seed: 1})
		if c.ModelBased() != want.modelBased || c.Window() != 10_000 {
			t.Errorf("%v: a controller with a window of %d bytes, model-based: %v", a, c.Window(), c.ModelBased())
		}
	}
	parsed := BBR
	err := parsed.UnmarshalText([]byte("vegas"))
	if want := "unknown congestion control: want cubic, reno or bbr"; err == nil || err.Error() != want || parsed != BBR || (BBR + 1).Valid() {
		t.Errorf("an unknown name is parsed as %v, error %v; want the error %q", parsed, err, want)
	}
}
