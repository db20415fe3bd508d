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

// A reader polls many times while that finds more frames than it misses, and tries it now and then.
func TestPolls(t *testing.T) {
	var p polls
	want := func(what string, comes int, want ...int) {
		t.Helper()
		var got []int
		for range want {
			got = append(got, p.wait(comes))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v polls, want %v", what, got, want)
		}
	}
	const never = manyPolls + 1
	want("frames that are there", 0, 0, 0)
	want("a reader that finds nothing", never, fewPolls, fewPolls)
	want("a peer that replies soon", fewPolls, fewPolls, fewPolls)
	for p.waits < trial-1 {
		want("a peer that replies after 20 polls", 20, fewPolls)
	}
	want("the trial and the waits after it", 20, 20, 20, 20)
	want("a peer that stops", never, manyPolls, manyPolls, manyPolls, fewPolls, fewPolls)
	for p.waits%trial != 0 {
		want("until the next trial", 20, fewPolls)
		if p.waits%trial == trial-1 {
			break
		}
	}
	for range 100 {
		want("a peer that replies late", manyPolls, manyPolls)
	}
	for range maxCredit {
		want("then not", never, manyPolls)
	}
	if got := p.wait(never); got != fewPolls && p.waits%trial != 0 {
		t.Errorf("after as many misses as count: %d polls, want %d", got, fewPolls)
	}
}
