package stack

import (
	"minitcp/stack/internal/memory"
)

// Stats holds totals since the stack was made, and a few current values, by name. Names do not change between versions.
// A counter of events that have not happened is present with the value 0. Packets that the device refuses count as
// sent, and the frames they are in as frame-write-errors. A wakeup is a batch of frames that were read from the device
// at once, or a run of the timers. The counters of ECN are of connections that have ended. With another
// Config.Conn.Pool than the stack's own, memory-used and memory-limit are absent.
type Stats map[string]uint64

// Stats returns the present counters. They are read one after the other, so that related counters may not agree.
func (s *Stack) Stats() Stats {
	stats := make(Stats)
	s.totals.Put(stats)
	s.fragments.stats(stats)
	stats["udp-flows"] = uint64(s.udpForwarder.Load().count())
	stats["forward-pending"] = uint64(s.forwarder.Load().waiting())
	stats["connections"] = uint64(s.table.Len())
	stats["connections-stalled"] = uint64(s.stalls.Len())
	if pool, ok := s.cfg.Conn.Pool.(*memory.Pool); ok {
		stats["memory-used"] = uint64(max(0, pool.Bytes()))
		stats["memory-limit"] = uint64(pool.Limit())
	}
	stats["out-of-order-memory"] = uint64(s.outOfOrder.Total())
	return stats
}
