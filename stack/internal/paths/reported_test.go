package paths

import (
	"testing"

	"minitcp/conn"
)

// A message lowers the path MTU for its life, down to the least of its IP version, and raises none.
func TestReported(t *testing.T) {
	for _, test := range []struct {
		mtus []int // of messages, one after the other
		is4  bool
		want int
		last bool // whether the last message makes packets smaller
	}{
		{nil, true, 1500, false}, {[]int{1400}, true, 1400, true}, {[]int{1500}, true, 1500, false}, {[]int{9000}, true, 1500, false},
		{[]int{68}, true, 552, true}, {[]int{68}, false, 1280, true}, {[]int{0}, true, 552, true},
		{[]int{1300, 1400}, true, 1300, false}, {[]int{1400, 1300}, true, 1300, true}, {[]int{1400, 1400}, true, 1400, false},
	} {
		var r Reported
		now, smaller := conn.Time(1000), false
		for _, mtu := range test.mtus {
			smaller = r.TooBig(now, 1500, mtu, test.is4)
		}
		end := now.Add(Life)
		if got := r.Limit(end-1, 1500); got != test.want || smaller != test.last {
			t.Errorf("after messages of %v bytes the limit is %d, smaller %v; want %d, %v", test.mtus, got, smaller, test.want, test.last)
		}
		if got := r.Limit(end, 1500); got != 1500 {
			t.Errorf("after the life of the messages of %v bytes the limit is %d, want 1500", test.mtus, got)
		}
		if got := r.Limit(now, 500); got != 500 {
			t.Errorf("behind a device of 500 bytes the limit is %d", got)
		}
	}
}
