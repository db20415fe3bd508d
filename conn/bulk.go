package conn

import "time"

// Connections that receive bulk data over a near path (see [Open]) share 4 MiB of receive window, about the size of a
// cache. On such a path the data that a window permits waits in the device's queue and in memory, not on the way, so a
// larger sum makes each byte cost more and does not make the path faster. A window that the application has set is not
// reduced.

// Counter is a number that the connections of one [Config] share. The *atomic.Int64 of package sync/atomic is one.
type Counter interface {
	// Add adds change to the number and returns the sum.
	Add(change int64) int64
	// Load returns the number.
	Load() int64
}

// noCounter is a Counter that is always 0.
type noCounter struct{}

func (noCounter) Add(int64) int64 { return 0 }
func (noCounter) Load() int64     { return 0 }

const (
	// bulkWindow is the sum of the bulk receivers' windows in bytes.
	bulkWindow = 4 << 20
	// leastBulkWindow is the least window of a bulk receiver in bytes: two GSO packets, one in flight and one to follow.
	leastBulkWindow = 128 << 10
	// bulkBytes is the least number of bytes that a bulk receiver reads in a round trip.
	bulkBytes = leastBulkWindow / 2
	// bulkTime is the time for which a connection counts as a bulk receiver after a round trip with that many bytes.
	bulkTime = 5 * time.Second
)

// noteBulk takes the number of bytes that the application has read in a round trip. On a near path it adds the
// connection to the bulk receivers or, after bulkTime, removes it.
func (c *Conn) noteBulk(now Time, n int) {
	switch since := &c.active.bulkSince; {
	case !c.near:
	case n >= bulkBytes:
		if *since == 0 {
			c.cfg.BulkReceivers.Add(1)
		}
		*since = max(now, 1)
	case *since != 0 && now.Sub(*since) > bulkTime:
		c.endBulk()
	}
}

// endBulk removes the connection from the bulk receivers.
func (c *Conn) endBulk() {
	if c.active != nil && c.active.bulkSince != 0 {
		c.active.bulkSince = 0
		c.cfg.BulkReceivers.Add(-1)
	}
}

// bulkShare returns limit, or the connection's share of bulkWindow if that is less.
func (c *Conn) bulkShare(limit int) int {
	if limit <= leastBulkWindow || c.rcv.fixed || !c.near {
		return limit
	}
	if n := int(c.cfg.BulkReceivers.Load()); n > 1 {
		return min(limit, max(bulkWindow/n, leastBulkWindow))
	}
	return limit
}
