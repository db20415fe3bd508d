// Package paths remembers for some minutes the size of packets that the path to a host carries, and whether SYNs that
// request ECN reach it, so that later connections to the host begin with that.
package paths

import (
	"sync"
	"sync/atomic"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
)

const (
	// Life is the time for which a path is remembered. A path that has changed is noticed then; RFC 1191 6.3 and RFC 8201
	// 4 recommend this time, and forbid less than five minutes.
	Life = 10 * time.Minute
	// Most is the largest number of hosts, at 32 bytes each.
	Most = sets * ways

	sets = 64
	ways = 16
)

// Cache is a table of hosts. Its zero value is empty. An empty Cache has no memory and no lock; otherwise a keyed hash
// assigns to each host a part of the table, with a lock of its own.
type Cache struct {
	table atomic.Pointer[table] // nil before the first Put
}

type table struct {
	seed flow.Seed
	sets [sets]set
}

type set struct {
	mu      sync.Mutex
	entries [ways]entry
}

type entry struct {
	host  flow.Address
	ends  conn.Time // 0: not in use
	known conn.KnownPath
}

// Get returns the knowledge about the path to a host.
func (c *Cache) Get(now conn.Time, host flow.Address) conn.KnownPath {
	t := c.table.Load()
	if t == nil {
		return conn.KnownPath{}
	}
	s := t.set(host)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(host); e != nil && now < e.ends {
		return e.known
	}
	return conn.KnownPath{}
}

// Put remembers the path to a host, and forgets another host if there is no room: the one whose time ends first. The
// zero KnownPath makes Put forget the host.
func (c *Cache) Put(now conn.Time, host flow.Address, known conn.KnownPath) {
	t := c.table.Load()
	if t == nil {
		if known == (conn.KnownPath{}) {
			return
		}
		c.table.CompareAndSwap(nil, &table{seed: flow.NewSeed()})
		t = c.table.Load()
	}
	s := t.set(host)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(host)
	switch {
	case known != conn.KnownPath{}:
		if e == nil {
			e = s.oldest()
		}
		*e = entry{host: host, ends: now.Add(Life), known: known}
	case e != nil:
		*e = entry{}
	}
}

func (t *table) set(host flow.Address) *set { return &t.sets[host.Hash(&t.seed)%sets] }

// find returns the entry of a host, nil if there is none.
func (s *set) find(host flow.Address) *entry {
	for i := range s.entries {
		if e := &s.entries[i]; e.host == host && e.ends != 0 {
			return e
		}
	}
	return nil
}

// oldest returns the entry whose time ends first. An unused one has the time 0.
func (s *set) oldest() *entry {
	oldest := &s.entries[0]
	for i := range s.entries {
		if e := &s.entries[i]; e.ends < oldest.ends {
			oldest = e
		}
	}
	return oldest
}
