package names

import "testing"

type fruit uint8

var fruits = []string{"apple", "pear", "plum"}

func TestOf(t *testing.T) {
	for constant, want := range map[fruit]string{0: "apple", 2: "plum", 3: "unknown", 255: "unknown"} {
		if got := Of(fruits, constant); got != want {
			t.Errorf("constant %d is %q, want %q", constant, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for name, want := range map[string]fruit{"apple": 0, "pear": 1, "plum": 2} {
		got := fruit(9)
		if err := Parse(fruits, []byte(name), "fruit", &got); err != nil || got != want {
			t.Errorf("%q is constant %d, error %v; want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"", "Apple", "apple ", "unknown"} {
		got := fruit(9)
		err := Parse(fruits, []byte(name), "fruit", &got)
		if want := "unknown fruit: want apple, pear or plum"; err == nil || err.Error() != want || got != 9 {
			t.Errorf("%q is constant %d, error %v; want the error %q", name, got, err, want)
		}
	}
}
