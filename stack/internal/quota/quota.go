// Package quota limits the number of connections, in all and with each host.
package quota

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"

	"minitcp/conn/wire"
)

// Quota counts connections. A host is an IPv4 address or an IPv6 network of 64 bits. The counts of hosts are in several
// maps, each with a lock of its own, so that the queues rarely wait for each other. Without a limit for hosts, none are
// kept.
type Quota struct {
	most, perHost int64 // 0: no limit
	seed          maphash.Seed
	count         atomic.Int64
	shards        [16]shard
}

type shard struct {
	mu    sync.Mutex
	hosts map[netip.Addr]int64
}

// New returns a Quota of most connections, and perHost with each host. 0 means no limit.
func New(most, perHost int) *Quota {
	q := &Quota{most: int64(most), perHost: int64(perHost), seed: maphash.MakeSeed()}
	if perHost > 0 {
		for i := range q.shards {
			q.shards[i].hosts = make(map[netip.Addr]int64)
		}
	}
	return q
}

// Count returns the number of connections.
func (q *Quota) Count() int { return int(q.count.Load()) }

// Full reports whether Enter would return false.
func (q *Quota) Full(a netip.Addr) bool {
	if q.most > 0 && q.count.Load() >= q.most {
		return true
	}
	if q.perHost == 0 {
		return false
	}
	host, s := q.shardOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[host] >= q.perHost
}

// Enter counts a connection with the host of an address. It returns false, and counts nothing, if there are as many
// connections as permitted.
func (q *Quota) Enter(a netip.Addr) bool {
	if q.count.Add(1) > q.most && q.most > 0 {
		q.count.Add(-1)
		return false
	}
	if q.perHost == 0 {
		return true
	}
	host, s := q.shardOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[host] >= q.perHost {
		q.count.Add(-1)
		return false
	}
	s.hosts[host]++
	return true
}

// Leave undoes Enter.
func (q *Quota) Leave(a netip.Addr) {
	q.count.Add(-1)
	if q.perHost == 0 {
		return
	}
	host, s := q.shardOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}

// shardOf returns the host of an address, and the shard with its count.
func (q *Quota) shardOf(a netip.Addr) (netip.Addr, *shard) {
	host := wire.Source(a)
	return host, &q.shards[maphash.Comparable(q.seed, host)%uint64(len(q.shards))]
}
