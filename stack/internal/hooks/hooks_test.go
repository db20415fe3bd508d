package hooks

import (
	"slices"
	"sync"
	"testing"
)

// Functions are called in order, until they are removed.
func TestList(t *testing.T) {
	var l List[int]
	var got []int
	call := func(event int, want ...int) {
		t.Helper()
		got = nil
		l.Call(event)
		if !slices.Equal(got, want) || l.Any() != (len(want) > 0) {
			t.Errorf("the calls are %v and Any is %v, want %v", got, l.Any(), want)
		}
	}
	call(1)
	l.Add(nil)()
	add := func(factor int) (remove func()) { return l.Add(func(event int) { got = append(got, factor*event) }) }
	removeFirst, removeSecond := add(10), add(100)
	call(2, 20, 200)
	removeFirst()
	call(3, 300)
	removeFirst()
	call(4, 400)
	add(1000)
	call(5, 500, 5000)
	removeSecond()
	call(6, 6000)
}

// Functions are added and removed while others are called.
func TestListConcurrent(t *testing.T) {
	var l List[int]
	sum := 0
	l.Add(func(event int) { sum += event })
	var changing sync.WaitGroup
	for range 4 {
		changing.Go(func() {
			for range 200 {
				l.Add(func(int) {})()
			}
		})
	}
	for range 1000 {
		l.Call(1)
	}
	changing.Wait()
	if sum != 1000 {
		t.Errorf("a function was called %d times, want 1000", sum)
	}
	if n := testing.AllocsPerRun(100, func() { l.Call(1) }); n != 0 {
		t.Errorf("a call makes %v allocations", n)
	}
}
