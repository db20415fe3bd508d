package stack

import (
	"iter"
	"minitcp/stack/internal/flow"
	"sync"
	"sync/atomic"
)

// table maps keys to entries. A look-up takes no lock and writes nothing. An insertion or removal takes the lock of one
// shard. The buckets are linked lists through the entries, so that only resizing allocates.
type table struct {
	seed    flow.Seed
	buckets atomic.Pointer[[]bucket]
	// version is odd while entries are being relinked into other buckets, and has changed afterwards. A reader that has
	// found nothing meanwhile searches again under the lock.
	version atomic.Uint32
	count   atomic.Int64
	shards  [shardCount]shard
}

type bucket = atomic.Pointer[entry]

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

func newTable(s flow.Seed) *table {
	t := &table{seed: s}
	b := make([]bucket, minBuckets)
	t.buckets.Store(&b)
	return t
}

func (t *table) hash(k *flow.Key) uint64 { return k.Hash(&t.seed) }

// find returns the entry of k, or nil.
func (t *table) find(k *flow.Key) *entry {
	h := t.hash(k)
	version := t.version.Load()
	if e := t.search(k, h); e != nil {
		return e
	}
	if version&1 == 0 && t.version.Load() == version {
		return nil
	}
	s := t.lock(h)
	defer s.Unlock()
	return t.search(k, h)
}

func (t *table) search(k *flow.Key, h uint64) *entry {
	b := *t.buckets.Load()
	for e := b[h&uint64(len(b)-1)].Load(); e != nil; e = e.next.Load() {
		if e.key == *k {
			return e
		}
	}
	return nil
}

func (t *table) lock(h uint64) *shard {
	s := &t.shards[h%shardCount]
	s.Lock()
	return s
}

// insert adds e and returns true, or returns false if its key is taken.
func (t *table) insert(e *entry) bool {
	e.hash = t.hash(&e.key)
	s := t.lock(e.hash)
	if t.search(&e.key, e.hash) != nil {
		s.Unlock()
		return false
	}
	b := *t.buckets.Load()
	link(b, e)
	change := bucketsFor(t.count.Add(1), len(b)) != len(b)
	s.Unlock()
	if change {
		t.resize()
	}
	return true
}

func link(b []bucket, e *entry) {
	head := &b[e.hash&uint64(len(b)-1)]
	e.next.Store(head.Load())
	head.Store(e)
}

// remove removes e, if it is in the table. A reader at e continues on the list, because e keeps its link.
func (t *table) remove(e *entry) {
	if t.cut(e) {
		t.resize()
	}
}

// cut removes e from its list, and reports whether the table then has too many buckets.
func (t *table) cut(e *entry) (resize bool) {
	s := t.lock(e.hash)
	defer s.Unlock()
	b := *t.buckets.Load()
	for at := &b[e.hash&uint64(len(b)-1)]; ; {
		found := at.Load()
		switch found {
		case nil:
			return false
		case e:
			at.Store(e.next.Load())
			return bucketsFor(t.count.Add(-1), len(b)) != len(b)
		}
		at = &found.next
	}
}

// resize changes the number of buckets to the one that the table needs. Entries move one by one. A list is not circular
// at any time: the link of an entry that has moved leads only to entries that have moved.
func (t *table) resize() {
	t.lockAll()
	defer t.unlockAll()
	old := *t.buckets.Load()
	n := bucketsFor(t.count.Load(), len(old))
	if n == len(old) {
		return // another call has done it
	}
	buckets := make([]bucket, n)
	t.version.Add(1)
	for i := range old {
		for e := old[i].Load(); e != nil; {
			next := e.next.Load()
			link(buckets, e)
			e = next
		}
	}
	t.buckets.Store(&buckets)
	t.version.Add(1)
}

func (t *table) lockAll() {
	for i := range t.shards {
		t.shards[i].Lock()
	}
}

func (t *table) unlockAll() {
	for i := range t.shards {
		t.shards[i].Unlock()
	}
}

// all returns the entries, each once. An entry that is in the table during the whole iteration is among them. One that
// is inserted or removed meanwhile may be. No lock is held during a step, and one shard's lock between steps: an entry
// stays in its shard when the table is resized.
func (t *table) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		var list []*entry
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
func (t *table) shard(i int, list []*entry) []*entry {
	t.shards[i].Lock()
	defer t.shards[i].Unlock()
	for b := *t.buckets.Load(); i < len(b); i += shardCount {
		for e := b[i].Load(); e != nil; e = e.next.Load() {
			list = append(list, e)
		}
	}
	return list
}
