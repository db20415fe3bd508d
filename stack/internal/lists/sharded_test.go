package lists

import (
	"testing"
	"time"
)

// If there are too many objects, the oldest in the list of the newest is removed, or one of the next list that has one,
// but never the newest itself.
func TestShardedExcess(t *testing.T) {
	var s Sharded[object, *object]
	s.Init(3)
	names := make(map[*object]string)
	add := func(name string, list int) *object {
		x := new(object)
		names[x] = name
		if !s.Reserve(100) || !s.Add(list, x) {
			t.Fatalf("%s is not added", name)
		}
		return x
	}
	excess := func(list int, x *object, most int, want string) {
		t.Helper()
		if got := names[s.Excess(list, x, most)]; got != want {
			t.Errorf("%q is removed, want %q", got, want)
		}
	}
	a := add("a", 0)
	excess(0, a, 1, "")
	b := add("b", 0)
	excess(0, b, 2, "")
	excess(0, b, 1, "a")
	c := add("c", 2)
	excess(2, c, 1, "b")
	excess(2, c, 0, "")
	s.Remove(0, a) // does nothing
	if s.Len() != 1 {
		t.Errorf("%d objects, want 1", s.Len())
	}
	s.Remove(2, c)
	d := add("d", 1)
	var dropped []*object
	s.Close(func(x *object) { dropped = append(dropped, x) })
	if len(dropped) != 1 || dropped[0] != d || s.Len() != 0 || s.Add(1, new(object)) {
		t.Errorf("Close drops %d objects and leaves %d, or some can be added", len(dropped), s.Len())
	}
}

// The first objects are reserved, up to a number; the next ones are when others have been removed.
func TestShardedReserve(t *testing.T) {
	var s Sharded[object, *object]
	s.Init(1)
	x := new(object)
	for _, step := range []struct {
		name string
		do   func() bool
		want bool
	}{
		{"the first is reserved", func() bool { return s.Reserve(2) }, true},
		{"the second is reserved", func() bool { return s.Reserve(2) }, true},
		{"the third is reserved", func() bool { return s.Reserve(2) }, false},
		{"the first is added", func() bool { return s.Add(0, x) }, true},
		{"another is reserved", func() bool { return s.Reserve(2) }, false},
		{"another is reserved after Cancel", func() bool { s.Cancel(); return s.Reserve(2) }, true},
		{"another is reserved after Remove", func() bool { s.Remove(0, x); return s.Reserve(2) }, true},
		{"one is added after Close", func() bool { s.Close(nil); return s.Add(0, x) }, false},
		{"one is left", func() bool { return s.Len() == 1 }, true},
	} {
		if got := step.do(); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

// Calls for one list do not wait for the lock of another.
func TestShardedLocks(t *testing.T) {
	var s Sharded[object, *object]
	s.Init(2)
	s.shards[1].mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var a, b object
		for _, x := range []*object{&a, &b} {
			if !s.Reserve(2) || !s.Add(0, x) {
				t.Error("an object is not added")
			}
		}
		if s.Reserve(2) {
			t.Error("a third object is reserved")
		}
		if x := s.Excess(0, &b, 2); x != nil {
			t.Error("an object is removed although there are not too many")
		}
		if x := s.Excess(0, &b, 1); x != &a {
			t.Error("the oldest object is not removed")
		}
		s.Remove(0, &b)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("a call waits for the lock of another list")
	}
	s.shards[1].mu.Unlock()
	<-done
}

// The oldest of too many objects is removed; one that was removed before leaves room.
func TestBounded(t *testing.T) {
	b := Bounded[object, *object]{Limit: 2}
	var x [4]object
	for i, want := range []*object{nil, nil, &x[0]} {
		if got := b.Add(&x[i]); got != want {
			t.Errorf("object %d makes %p leave, want %p", i, got, want)
		}
	}
	if b.Contains(&x[0]) || !b.Contains(&x[1]) || !b.Contains(&x[2]) || b.Len() != 2 {
		t.Errorf("the list of %d does not have the two newest objects", b.Len())
	}
	b.Remove(&x[1])
	b.Remove(&x[1])
	if got := b.Add(&x[3]); got != nil || b.Len() != 2 {
		t.Errorf("object 3 makes %p leave, and %d are in the list; want none and 2", got, b.Len())
	}
}
