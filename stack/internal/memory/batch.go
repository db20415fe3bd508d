package memory

import "fmt"

// Batch is the memory of the frames that are read at once.
type Batch struct {
	Frames [][]byte // lent to the device
	Sizes  []int    // in bytes, of the frames read

	home   *Frames
	memory []*Frame // the memory of Frames
}

// NewBatch returns the memory of n frames.
func (p *Frames) NewBatch(n int) Batch {
	b := Batch{Frames: make([][]byte, n), Sizes: make([]int, n), home: p, memory: make([]*Frame, n)}
	for i := range b.Frames {
		b.replace(i)
	}
	return b
}

// replace gives frame i new memory.
func (b *Batch) replace(i int) {
	b.memory[i] = b.home.Get()
	b.Frames[i] = b.memory[i].Memory[:]
}

// Lend returns the memory of frame i, which a connection may retain. If it does, the caller calls Kept.
func (b *Batch) Lend(i int) *Frame {
	b.memory[i].Lend()
	return b.memory[i]
}

// Kept gives frame i new memory, because a connection has retained that lent.
func (b *Batch) Kept(i int) {
	kept := b.memory[i]
	b.replace(i)
	kept.Kept()
}

// Check returns an error if the device has not read n frames as it should: if their memory is not that lent, or their
// sizes are impossible. A device may exchange frames with each other.
func (b *Batch) Check(n int) error {
	if n < 0 || n > len(b.Frames) {
		return fmt.Errorf("%d frames were read, there was room for %d", n, len(b.Frames))
	}
	for i := range n {
		if !b.lent(i, i) {
			j := i + 1
			for j < len(b.Frames) && !b.lent(i, j) {
				j++
			}
			if j == len(b.Frames) {
				return fmt.Errorf("the device has replaced element %d of the frames lent to it", i)
			}
			b.memory[i], b.memory[j] = b.memory[j], b.memory[i]
		}
		if size := b.Sizes[i]; size < 0 || size > MaxFrame {
			return fmt.Errorf("frame %d has a size of %d bytes, there was room for %d", i, size, MaxFrame)
		}
	}
	return nil
}

// lent reports whether frame i is the whole of memory j.
func (b *Batch) lent(i, j int) bool {
	f := b.Frames[i]
	return len(f) == MaxFrame && &f[0] == &b.memory[j].Memory[0]
}
