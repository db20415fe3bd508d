//go:build linux

package tun

import (
	"slices"
	"testing"
)

// wait returns how often a wait polls for a frame that comes after a number of polls.
func (p *polls) wait(comes int) int {
	p.begin()
	n := 0
	for n < comes && p.again() {
		n++
	}
	if n < comes { // the reader has blocked, and is woken
		p.again() // a wake-up without a frame
	}
	p.found()
	return n
}

// The number of polls follows their success. Now and then it is the largest.
func TestPolls(t *testing.T) {
	var p polls
	never := maxPolls + 1
	waits := func(comes, count int) (polled []int) {
		for range count {
			polled = append(polled, p.wait(comes))
		}
		return polled
	}
	want := func(what string, got, want []int) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v polls, want %v", what, got, want)
		}
	}
	want("a reader that finds nothing", waits(never, 3), []int{minPolls, minPolls, minPolls})
	rest := waits(20, fullWaits-3)
	want("a peer that replies after 20 polls", rest[len(rest)-3:], []int{minPolls, minPolls, 20})
	want("from then on", waits(20, 3), []int{20, 20, 20})
	want("a reply that is later once", waits(50, 1), []int{40})
	want("and then not", waits(20, 2), []int{20, 20})
	want("replies at once", waits(1, 2), []int{1, 1})
	want("and no longer", waits(never, 3), []int{2, 2, 2})
	want("frames that wait already", waits(0, 3), []int{0, 0, 0})
}
