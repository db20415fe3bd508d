package memory

import (
	"fmt"
	"testing"
)

// A device may exchange frames with each other, and nothing else. Check names the first frame that breaks the rule.
func TestBatchCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		n      int
		change func(b *Batch)
		want   error
	}{
		{"unchanged", 3, func(*Batch) {}, nil},
		{"exchanged", 3, func(b *Batch) { b.Frames[0], b.Frames[2] = b.Frames[2], b.Frames[0] }, nil},
		{"turned", 2, func(b *Batch) { b.Frames[0], b.Frames[1], b.Frames[2] = b.Frames[1], b.Frames[2], b.Frames[0] }, nil},
		{"replaced", 2, func(b *Batch) { b.Frames[1] = make([]byte, MaxFrame) },
			fmt.Errorf("the device has replaced element 1 of the frames lent to it")},
		{"replaced behind those read", 1, func(b *Batch) { b.Frames[1] = nil }, nil},
		{"one twice", 2, func(b *Batch) { b.Frames[1] = b.Frames[0] }, fmt.Errorf("the device has replaced element 1 of the frames lent to it")},
		{"shortened", 1, func(b *Batch) { b.Frames[0] = b.Frames[0][:MaxFrame-1] },
			fmt.Errorf("the device has replaced element 0 of the frames lent to it")},
		{"too large", 2, func(b *Batch) { b.Sizes[1] = MaxFrame + 1 },
			fmt.Errorf("frame 1 has a size of 65546 bytes, there was room for 65545")},
		{"too many", 4, func(*Batch) {}, fmt.Errorf("4 frames were read, there was room for 3")},
		{"fewer than none", -1, func(*Batch) {}, fmt.Errorf("-1 frames were read, there was room for 3")},
	} {
		b := NewFrames(nil).NewBatch(3)
		c.change(&b)
		if err := b.Check(c.n); fmt.Sprint(err) != fmt.Sprint(c.want) {
			t.Errorf("%s: the error is %v, want %v", c.name, err, c.want)
		}
		if c.want != nil {
			continue
		}
		for i := range c.n { // memory has followed the frames
			if &b.Frames[i][0] != &b.Lend(i).Memory[0] {
				t.Errorf("%s: the memory of frame %d is that of another", c.name, i)
			}
		}
	}
}

// A frame that a connection has retained counts in the budget until it is released, and the batch has another.
func TestBatchKept(t *testing.T) {
	pool := NewPool(100 << 20)
	b := NewFrames(pool).NewBatch(1)
	kept := b.Lend(0)
	b.Kept(0)
	if &b.Frames[0][0] == &kept.Memory[0] || b.Check(1) != nil {
		t.Error("the batch still has the frame that is retained")
	}
	if n := pool.Lent(); n != FramePages {
		t.Errorf("%d pages are lent, want %d", n, FramePages)
	}
	kept.Release()
	if n := pool.Lent(); n != 0 {
		t.Errorf("%d pages are lent after Release", n)
	}
}
