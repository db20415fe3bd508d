package datagrams

import "testing"

func TestJoinable(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		other int // the datagram with other addresses
		want  int
	}{
		{"one", []int{100}, -1, 1},
		{"of one size", []int{100, 100, 100}, -1, 3},
		{"a shorter one at the end", []int{100, 100, 50, 50}, -1, 3},
		{"a longer one", []int{100, 100, 101}, -1, 2},
		{"an empty one", []int{100, 0, 100}, -1, 1},
		{"an empty one at first", []int{0, 0}, -1, 1},
		{"an invalid one", []int{100, -1}, -1, 1},
		{"other addresses", []int{100, 100, 100}, 1, 1},
		{"a short one with other addresses", []int{100, 50}, 1, 1},
		{"more than fits", []int{400, 400, 201, 10}, -1, 2},
		{"just what fits", []int{400, 400, 200, 10}, -1, 3},
	} {
		got := Joinable(len(c.sizes), 1000, func(i int) int { return c.sizes[i] }, func(i int) bool { return i != c.other })
		if got != c.want {
			t.Errorf("%s: %d of %v can be joined, want %d", c.name, got, c.sizes, c.want)
		}
	}
}
