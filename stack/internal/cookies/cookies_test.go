package cookies

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/cookie"
)

// key is valid for one second.
type key struct {
	secret byte
	made   conn.Time
}

func (k *key) Valid(now conn.Time) bool { return k != nil && now < k.made.Add(time.Second) }

// Keys are made when they are needed first, and again when they are no longer valid.
func TestRotating(t *testing.T) {
	r := Rotating[key, *key]{
		Secret: &[32]byte{7},
		New:    func(secret *[32]byte, now conn.Time) *key { return &key{secret[0], now} },
	}
	first := r.Now(5)
	if *first != (key{7, 5}) {
		t.Errorf("the first keys are %+v", *first)
	}
	if r.Now(4+conn.Time(time.Second)) != first {
		t.Error("keys were replaced while they were valid")
	}
	if k := r.Now(5 + conn.Time(time.Second)); *k != (key{7, 5 + conn.Time(time.Second)}) {
		t.Errorf("the second keys are %+v", *k)
	}
	set := &key{1, 10 * conn.Time(time.Second)}
	r.Set(set)
	if r.Now(10*conn.Time(time.Second)) != set {
		t.Error("the keys that were set are not in use")
	}
	r.Set(nil)
	if k := r.Now(9); *k != (key{7, 9}) {
		t.Errorf("the keys after none are %+v", *k)
	}
}

// Cookies are accepted from the first that is sent until the last has expired, and for up to a second more.
func TestAcceptance(t *testing.T) {
	var a Acceptance
	want := func(at conn.Time, want bool) {
		t.Helper()
		if got := a.Accepts(at); got != want {
			t.Errorf("accepted at %v: %v, want %v", time.Duration(at), got, want)
		}
	}
	want(0, false)
	const first = conn.Time(5e9)
	a.Sent(first)
	end := first.Add(cookie.Lifetime + time.Second)
	want(first, true)
	want(end-1, true)
	want(end, false)
	a.Sent(first.Add(time.Second) - 1) // within the second: the end does not move
	want(end, false)
	a.Sent(first.Add(time.Second) + 1)
	want(end.Add(time.Second), true)
	want(end.Add(time.Second)+1, false)
}
