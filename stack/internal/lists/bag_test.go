package lists

import (
	"slices"
	"sync"
	"testing"
)

// Each object is taken once, unless it is removed before, and may be added again.
func TestBag(t *testing.T) {
	var b Bag[int]
	take := func(want ...int) {
		t.Helper()
		got := b.Take()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("Take returns %v, want %v", got, want)
		}
	}
	take()
	b.Remove(1)
	for _, x := range []int{1, 2, 3, 2} {
		b.Add(x)
	}
	b.Remove(1)
	if n := b.Len(); n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
	take(2, 3)
	take()
	b.Add(1)
	b.Add(2)
	b.Remove(2)
	take(1)
	if n := testing.AllocsPerRun(10, func() { b.Take() }); n != 0 {
		t.Errorf("Take of an empty bag makes %v allocations", n)
	}
}

// Objects that are added while others are taken are not lost.
func TestBagConcurrent(t *testing.T) {
	const adders, each = 4, 1000
	var b Bag[int]
	var adding sync.WaitGroup
	for a := range adders {
		adding.Go(func() {
			for i := range each {
				b.Add(a*each + i)
			}
		})
	}
	taken := make(map[int]bool)
	for range 100 {
		for _, x := range b.Take() {
			taken[x] = true
		}
	}
	adding.Wait()
	for _, x := range b.Take() {
		taken[x] = true
	}
	if len(taken) != adders*each {
		t.Errorf("%d objects were taken, want %d", len(taken), adders*each)
	}
}
