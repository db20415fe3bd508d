// Package table finds connections by their two ends.
package table

import (
	"iter"
	"sync"
	"sync/atomic"

	"minitcp/stack/internal/flow"
)

// Table maps keys to entries of type E. A look-up takes no lock and writes nothing. An insertion or removal takes the
// lock of one shard. The buckets are linked lists through the entries, so that only resizing allocates.
type Table[E any] struct {
	seed    flow.Seed
	buckets atomic.Pointer[[]bucket[E]]
	// version is odd while entries are being relinked into other buckets, and has changed afterwards. A reader that has
	// found nothing meanwhile searches again under the lock.
	version atomic.Uint32
	count   atomic.Int64
	shards  [shardCount]shard
}

// Node is the place of its Owner in a Table, and part of it. Key and Owner do not change while the Node is in the
// Table.
type Node[E any] struct {
	Key   flow.Key
	Owner *E
	next  bucket[E]
}

type bucket[E any] struct{ atomic.Pointer[Node[E]] }

// shardCount is the number of shards. A bucket belongs to the shard of its index's low bits, whatever the number of
// buckets.
const shardCount = 64

type shard struct {
	sync.Mutex
	_ [56]byte // fills a cache line
}

// The number of buckets doubles when there is more than one entry per bucket. It halves when there is less than one
// entry in 8 buckets, so that many entries come or go between two changes.
const (
	minBuckets = 4 * shardCount
	sparse     = 8
)

// bucketsFor returns the number of buckets for count entries in a table that has n buckets.
func bucketsFor(count int64, n int) int {
	switch {
	case count > int64(n):
		return 2 * n
	case n > minBuckets && count < int64(n/sparse):
		return n / 2
	}
	return n
}

// New returns an empty table. Its hash has a random key.
func New[E any]() *Table[E] {
	t := &Table[E]{seed: flow.NewSeed()}
	b := make([]bucket[E], minBuckets)
	t.buckets.Store(&b)
	return t
}

// Len returns the number of entries.
func (t *Table[E]) Len() int { return int(t.count.Load()) }

// Find returns the entry of k, or nil.
func (t *Table[E]) Find(k *flow.Key) *E {
	h := k.Hash(&t.seed)
	version := t.version.Load()
	if n := t.search(k, h); n != nil {
		return n.Owner
	}
	if version&1 == 0 && t.version.Load() == version {
		return nil
	}
	s := t.lock(h)
	defer s.Unlock()
	if n := t.search(k, h); n != nil {
		return n.Owner
	}
	return nil
}

func (t *Table[E]) search(k *flow.Key, h uint64) *Node[E] {
	b := *t.buckets.Load()
	for n := b[h&uint64(len(b)-1)].Load(); n != nil; n = n.next.Load() {
		if n.Key == *k {
			return n
		}
	}
	return nil
}

func (t *Table[E]) lock(h uint64) *shard {
	s := &t.shards[h%shardCount]
	s.Lock()
	return s
}

// Insert adds n and returns true, or returns false if its key is taken.
func (t *Table[E]) Insert(n *Node[E]) bool {
	h := n.Key.Hash(&t.seed)
	s := t.lock(h)
	if t.search(&n.Key, h) != nil {
		s.Unlock()
		return false
	}
	b := *t.buckets.Load()
	n.link(b, h)
	change := bucketsFor(t.count.Add(1), len(b)) != len(b)
	s.Unlock()
	if change {
		t.resize()
	}
	return true
}

// link inserts n, whose hash is h, into its bucket.
func (n *Node[E]) link(b []bucket[E], h uint64) {
	head := &b[h&uint64(len(b)-1)]
	n.next.Store(head.Load())
	head.Store(n)
}

// Remove removes n, if it is in the table. A reader at n continues on the list, because n keeps its link.
func (t *Table[E]) Remove(n *Node[E]) {
	if t.cut(n) {
		t.resize()
	}
}

// cut removes n from its list, and reports whether the table then has too many buckets.
func (t *Table[E]) cut(n *Node[E]) (resize bool) {
	h := n.Key.Hash(&t.seed)
	s := t.lock(h)
	defer s.Unlock()
	b := *t.buckets.Load()
	for at := &b[h&uint64(len(b)-1)]; ; {
		found := at.Load()
		switch found {
		case nil:
			return false
		case n:
			at.Store(n.next.Load())
			return bucketsFor(t.count.Add(-1), len(b)) != len(b)
		}
		at = &found.next
	}
}

// resize changes the number of buckets to the one that the table needs. Entries move one by one. A list is not circular
// at any time: the link of an entry that has moved leads only to entries that have moved.
func (t *Table[E]) resize() {
	t.lockAll()
	defer t.unlockAll()
	old := *t.buckets.Load()
	size := bucketsFor(t.count.Load(), len(old))
	if size == len(old) {
		return // another call has done it
	}
	buckets := make([]bucket[E], size)
	t.version.Add(1)
	for i := range old {
		for n := old[i].Load(); n != nil; {
			next := n.next.Load()
			n.link(buckets, n.Key.Hash(&t.seed))
			n = next
		}
	}
	t.buckets.Store(&buckets)
	t.version.Add(1)
}

func (t *Table[E]) lockAll() {
	for i := range t.shards {
		t.shards[i].Lock()
	}
}

func (t *Table[E]) unlockAll() {
	for i := range t.shards {
		t.shards[i].Unlock()
	}
}

// All returns the entries, each once. An entry that is in the table during the whole iteration is among them. One that
// is inserted or removed meanwhile may be. No lock is held during a step, and one shard's lock between steps: an entry
// stays in its shard when the table is resized.
func (t *Table[E]) All() iter.Seq[*E] {
	return func(yield func(*E) bool) {
		var list []*E
		for i := range t.shards {
			list = t.shard(i, list[:0])
			for _, e := range list {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// shard appends the entries of shard i to list.
func (t *Table[E]) shard(i int, list []*E) []*E {
	t.shards[i].Lock()
	defer t.shards[i].Unlock()
	for b := *t.buckets.Load(); i < len(b); i += shardCount {
		for n := b[i].Load(); n != nil; n = n.next.Load() {
			list = append(list, n.Owner)
		}
	}
	return list
}
