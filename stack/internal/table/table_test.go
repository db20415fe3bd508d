package table

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"minitcp/stack/internal/flow"
)

// entry has a place in a table.
type entry struct{ node Node[entry] }

func newEntry(k flow.Key) *entry {
	e := &entry{}
	e.node = Node[entry]{Key: k, Owner: e}
	return e
}

func testKey(i int) flow.Key {
	remote := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return flow.KeyOf(netip.MustParseAddr("10.77.0.2"), remote, 80, uint16(i))
}

// Random inserts and removes against a map, through several growths.
func TestTableModel(t *testing.T) {
	table := New[entry]()
	model := make(map[flow.Key]*entry)
	r := rand.New(rand.NewPCG(1, 2))
	for range 50000 {
		k := testKey(r.IntN(5000))
		e := newEntry(k)
		if r.IntN(3) > 0 {
			if ok := table.Insert(&e.node); ok != (model[k] == nil) {
				t.Fatalf("insert: %v", ok)
			} else if ok {
				model[k] = e
			}
		} else if old := model[k]; old != nil {
			table.Remove(&old.node)
			table.Remove(&old.node) // a second time does nothing
			delete(model, k)
		}
		if got := table.Find(&k); got != model[k] {
			t.Fatalf("find: %p, want %p", got, model[k])
		}
	}
	if n := len(slices.Collect(table.All())); n != len(model) || table.count.Load() != int64(n) {
		t.Errorf("%d entries, count %d, want %d", n, table.count.Load(), len(model))
	}
}

// Readers without a lock never miss an entry that is there throughout, while others come and go and the table grows and
// shrinks.
func TestTableConcurrent(t *testing.T) {
	table := New[entry]()
	const fixed = 500
	for i := range fixed {
		table.Insert(&newEntry(testKey(i)).node)
	}
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i = (i + 1) % fixed {
				k := testKey(i)
				if e := table.Find(&k); e == nil || e.node.Key != k {
					t.Errorf("entry %d: %v", i, e)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			var mine []*entry
			for i := range 30000 {
				e := newEntry(testKey(fixed + w*1000000 + i))
				table.Insert(&e.node)
				if mine = append(mine, e); i%3 == 0 {
					table.Remove(&mine[0].node)
					mine = mine[1:]
				}
			}
			for _, e := range mine {
				table.Remove(&e.node)
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if n := table.count.Load(); n != fixed {
		t.Errorf("%d entries", n)
	}
}

// The buckets follow the number of entries, up and down, and are not resized by one entry more and one fewer.
func TestTableShrinks(t *testing.T) {
	table := New[entry]()
	var entries []*entry
	buckets := func() int { return len(*table.buckets.Load()) }
	for range 2 {
		for i := range 5000 {
			e := newEntry(testKey(i))
			table.Insert(&e.node)
			entries = append(entries, e)
			if n := len(entries); buckets() < n || buckets() > max(minBuckets, 2*n) {
				t.Fatalf("%d buckets for %d entries, while it grows", buckets(), n)
			}
		}
		resized := 0
		for len(entries) > 0 {
			before := buckets()
			e := entries[0]
			entries = entries[1:]
			table.Remove(&e.node)
			if buckets() != before {
				resized++
				after := buckets()
				table.Insert(&e.node)
				table.Remove(&e.node)
				if buckets() != after {
					t.Fatalf("the table has %d buckets after an entry came and went, want %d", buckets(), after)
				}
			}
			if n := len(entries); buckets() > max(minBuckets, sparse*(n+1)) {
				t.Fatalf("%d buckets for %d entries, while it shrinks", buckets(), n)
			}
		}
		if buckets() != minBuckets || resized != 5 {
			t.Errorf("the empty table has %d buckets after %d changes, want %d after 5", buckets(), resized, minBuckets)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	table := New[entry]()
	for i := range 100000 {
		table.Insert(&newEntry(testKey(i)).node)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := testKey(i % 100000)
		if table.Find(&k) == nil {
			b.Fatal("not found")
		}
	}
}

// A listing has each entry that is there throughout once, and no entry twice, while others come and go and the table
// grows and shrinks.
func TestTableListing(t *testing.T) {
	table := New[entry]()
	const fixed, most = 500, 20_000
	for i := range fixed {
		table.Insert(&newEntry(testKey(i)).node)
	}
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		var mine []*entry
		for i := 0; !stop.Load(); i++ {
			e := newEntry(testKey(fixed + i))
			table.Insert(&e.node)
			if mine = append(mine, e); len(mine) == most {
				for _, e := range mine {
					table.Remove(&e.node)
				}
				mine = mine[:0]
			}
		}
	})
	sizes := make(map[int]bool)
	for range 200 {
		seen := make(map[*entry]bool)
		found := 0
		for e := range table.All() {
			if seen[e] {
				t.Errorf("entry %v is listed twice", e.node.Key)
			}
			seen[e] = true
			if e.node.Key.RemotePort() < fixed && e.node.Key.Remote == testKey(int(e.node.Key.RemotePort())).Remote {
				found++
			}
		}
		if found != fixed {
			t.Fatalf("%d of %d entries that are there throughout are listed", found, fixed)
		}
		sizes[len(*table.buckets.Load())] = true
	}
	stop.Store(true)
	writer.Wait()
	if len(sizes) < 2 {
		t.Errorf("the table was not resized during the listings")
	}
}

// A listing holds the lock of one shard at most, and none while the caller handles an entry.
func TestTableListingLeavesTheTableFree(t *testing.T) {
	table := New[entry]()
	for i := range 1000 {
		table.Insert(&newEntry(testKey(i)).node)
	}
	for e := range table.All() {
		for i := range table.shards {
			if !table.shards[i].TryLock() {
				t.Fatalf("the lock of shard %d is held while an entry is handled", i)
			}
			table.shards[i].Unlock()
		}
		table.Remove(&e.node)
	}
	if n := table.count.Load(); n != 0 {
		t.Errorf("%d entries are left, want 0", n)
	}
}
