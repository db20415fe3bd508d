package memory

import "testing"

// A frame that a connection releases while the queue still reads it, as in the call that takes it, is not lent again
// before the queue is done with it.
func TestFrameIsReleasedWhileInUse(t *testing.T) {
	pages := NewPool(1 << 20)
	p := NewFrames(pages)
	f := p.Get()
	f.Lend()
	f.Release()
	if n := f.users.Load(); n != 1 {
		t.Errorf("%d users after Release, want the queue", n)
	}
	if p.Get() == f {
		t.Error("the frame is lent again while the queue reads it")
	}
	f.Kept()
	if n := f.users.Load(); n != 0 {
		t.Errorf("%d users after the queue is done, want 0", n)
	}
	if n := pages.Lent(); n != 0 {
		t.Errorf("%d pages are lent, want 0", n)
	}
}
