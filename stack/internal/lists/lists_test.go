package lists

import (
	"slices"
	"testing"
)

type object struct {
	links Links[object]
	place uint32
	n     int
}

func (o *object) Links() *Links[object] { return &o.links }
func (o *object) Place() *uint32        { return &o.place }

func TestLinked(t *testing.T) {
	var l Linked[object, *object]
	var objects [10]object
	for i := range objects {
		objects[i].n = i
		if l.Contains(&objects[i]) {
			t.Errorf("object %d is in the list before it is added", i)
		}
		l.Push(&objects[i])
	}
	for _, i := range []int{0, 9, 4, 4} { // the oldest, the newest, one between, which is then in no list
		if l.Remove(&objects[i]); l.Contains(&objects[i]) {
			t.Errorf("object %d is in the list after it is removed", i)
		}
	}
	if n := l.Len(); n != 7 {
		t.Errorf("%d objects, want 7", n)
	}
	l.Push(&objects[4])
	var got []int
	for o := l.Pop(); o != nil; o = l.Pop() {
		got = append(got, o.n)
	}
	if want := []int{1, 2, 3, 5, 6, 7, 8, 4}; !slices.Equal(got, want) || l.Len() != 0 {
		t.Errorf("the list has %v, then %d objects; want %v, 0", got, l.Len(), want)
	}
	l.Push(&objects[0])
	if l.Remove(&objects[0]); l.oldest != nil || l.newest != nil {
		t.Error("an empty list has an object")
	}
}

func TestWaiting(t *testing.T) {
	var l Waiting[object, *object]
	var objects [200]object
	var want []*object
	for i := range objects {
		l.Push(&objects[i])
		if i%3 == 0 {
			l.Remove(&objects[i])
			l.Remove(&objects[i]) // does nothing
			continue
		}
		want = append(want, &objects[i])
		if i%10 == 1 {
			if got := l.Pop(); got != want[0] {
				t.Fatalf("Pop after %d objects: not the oldest", i)
			}
			l.Remove(want[0]) // does nothing
			want = want[1:]
		}
	}
	for i, o := range want {
		if got := l.Pop(); got != o {
			t.Fatalf("object %d of %d is another one", i, len(want))
		}
	}
	if o := l.Pop(); o != nil || l.Len() != 0 {
		t.Errorf("an empty list has an object, or counts %d", l.Len())
	}
}

// The places of objects that were removed are used again.
func TestWaitingPlaces(t *testing.T) {
	var l Waiting[object, *object]
	var objects [1000]object
	for i := range objects {
		if l.Push(&objects[i]); i >= 16 {
			l.Remove(&objects[i-16])
		}
	}
	if n, places := l.Len(), cap(l.list); n != 16 || places > 64 {
		t.Errorf("%d places for %d objects, want at most 64 for 16", places, n)
	}
}
