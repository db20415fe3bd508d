//go:build linux

// Package load is the client of the benchmark: the kernel's TCP in a network namespace, used with plain system calls on
// threads of its own. It costs little, and the same for every target.
//
//	datagrams  UDP: datagrams and idle flows;  refused: connections that the server refuses
//	crew      workers that begin and end together
//	socket    the system calls
//	bulk      up, down;  pingpong: rr;  connect: crr;  try: the same beside a flood;  flood: SYNs
//	talk: bulk and pings on one connection;  respond: short responses
//	mob       peers that take the server's memory
//	idle      idle connections, and those that read nothing;  bystanders: idle ones in processes of their own
package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/fairness"
	"minitcp/bench/latency"
	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

// Kind is the work of the connections.
type Kind uint8

const (
	Upload   Kind = iota // send the pattern as fast as possible
	Download             // receive it
	PingPong             // send 64 bytes, wait for them to come back, again and again
	Connect              // connect, send a byte, wait for it to come back, reset
	Idle                 // connect, send a byte, wait for it to come back, keep the connection
	Talk                 // connect, send bulk, receive bulk, do as PingPong for a while, reset
	Fetch                // connect, send a byte, receive a response, reset
	Refused              // connect to a port that nothing listens on
	Small                // send UDP datagrams of 64 bytes, which come back
	Large                // the same with 1400 bytes
	Joined               // the same in superframes, as QUIC libraries send
	Try                  // as Connect, but count the connections that fail
	Offered              // send UDP datagrams at OfferedRate, which come back
	Flows                // exchange a UDP datagram on each of many sockets, keep them
	Stalled              // connect to the source, and read nothing
)

// stall is the time without progress after which a crew fails.
const stall = 10 * time.Second

// Total is the work of a crew from beginning to end.
type Total struct {
	Connections    int64
	Sent, Received int64 // bytes
	Transactions   int64
}

// Add returns the work of two crews.
func (t Total) Add(u Total) Total {
	return Total{t.Connections + u.Connections, t.Sent + u.Sent, t.Received + u.Received, t.Transactions + u.Transactions}
}

// Crew is a number of connections with the same work.
type Crew struct {
	server netip.Addr
	care   pattern.Care
	total  struct{ connections, sent, received, transactions, failed atomic.Int64 }
	times  latency.Histogram // of transactions
	firsts latency.Histogram // of the first ping after bulk
	flows  fairness.Flows    // of a download

	stop    atomic.Bool // finish the work in progress
	done    chan struct{}
	ready   sync.WaitGroup // workers whose connections are not established
	release chan struct{}  // closed with stop
	resting atomic.Bool    // no progress is expected: the connections are idle
	enough  atomic.Bool    // Stalled opens no more connections

	mu      sync.Mutex
	sockets map[int]struct{}
	err     error // the first
	aborted bool
}

// Start starts a number of connections to the server from the kernel's sockets in a namespace. Bulk data is compared
// with care. Stop must follow.
func Start(kind Kind, where subject.Place, server netip.Addr, connections int, care pattern.Care) *Crew {
	c := &Crew{server: server, care: care, done: make(chan struct{}), release: make(chan struct{}), sockets: make(map[int]struct{})}
	work, workers := c.worker(kind, connections)
	c.ready.Add(workers)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			ready := sync.OnceFunc(c.ready.Done)
			defer ready()
			if err := where.Do(func() error { return work(ready) }); err != nil {
				c.Abort(err)
			}
		})
	}
	go func() {
		running.Wait()
		close(c.done)
	}()
	go c.watch()
	return c
}

// worker returns the function of one thread, which calls ready when its connections are established, and the number of
// threads.
func (c *Crew) worker(kind Kind, connections int) (work func(ready func()) error, workers int) {
	switch kind {
	case Upload:
		return c.upload, connections
	case Download:
		return c.download, connections
	case PingPong:
		if connections == 1 {
			return c.pingPong, 1
		}
		return func(ready func()) error { return c.pingPongMany(ready, connections) }, 1
	case Connect:
		if connections == 1 {
			return c.connect, 1
		}
		return func(ready func()) error { return c.connectMany(ready, connections) }, 1
	case Talk:
		return c.talk, connections
	case Fetch:
		return c.fetch, connections
	case Try:
		return func(ready func()) error { return c.try(ready, connections) }, 1
	case Refused:
		return c.refused, connections
	case Small:
		return func(ready func()) error { return c.datagrams(ready, smallDatagram) }, connections
	case Large:
		return func(ready func()) error { return c.datagrams(ready, largeDatagram) }, connections
	case Joined:
		return c.superframes, connections
	case Offered:
		return c.offer, connections
	case Flows:
		return func(ready func()) error { return c.openFlows(ready, connections) }, 1
	case Stalled:
		return func(ready func()) error { return c.stalled(ready, connections) }, 1
	case Idle:
		return func(ready func()) error { return c.idle(ready, connections) }, 1
	}
	panic("load: unknown kind")
}

// Ready waits until all connections are established or the crew has failed.
func (c *Crew) Ready() error {
	c.ready.Wait()
	return c.Err()
}

// Ended returns a channel that is closed when all connections have ended.
func (c *Crew) Ended() <-chan struct{} { return c.done }

// Err returns the reason of the failure of the crew, if it has failed.
func (c *Crew) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Wait returns after d, or with an error as soon as the context or the crew ends.
func (c *Crew) Wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.Ended():
		if err := c.Err(); err != nil {
			return err
		}
		return errors.New("the client ended too early")
	}
}

// Connections returns the number of connections that were established so far.
func (c *Crew) Connections() int64 { return c.total.connections.Load() }

// Received returns the number of bytes that the crew has received so far.
func (c *Crew) Received() int64 { return c.total.received.Load() }

// Transactions returns the number of transactions that are complete so far.
func (c *Crew) Transactions() int64 { return c.total.transactions.Load() }

// Failed returns the number of connections of [Try] that have failed so far.
func (c *Crew) Failed() int64 { return c.total.failed.Load() }

// Times returns the durations of those transactions, from the sending of a ping or the call of connect on.
func (c *Crew) Times() *latency.Counts { return c.times.Counts() }

// Firsts returns the durations of the first pings after bulk.
func (c *Crew) Firsts() *latency.Counts { return c.firsts.Counts() }

// Watch begins to observe how the connections of a download share the data.
func (c *Crew) Watch() *fairness.Watch { return c.flows.Watch() }

// transacted counts a transaction that began at start, and returns the time.
func (c *Crew) transacted(start time.Time) time.Time {
	now := time.Now()
	c.total.transactions.Add(1)
	c.times.Record(now.Sub(start))
	return now
}

// Enough keeps a crew of [Stalled] from opening further connections.
func (c *Crew) Enough() { c.enough.Store(true) }

// Stop ends the workload and waits for the connections to finish.
func (c *Crew) Stop() (Total, error) {
	if !c.stop.Swap(true) {
		close(c.release)
	}
	<-c.done
	t := &c.total
	return Total{t.connections.Load(), t.sent.Load(), t.received.Load(), t.transactions.Load()}, c.Err()
}

// Abort ends all connections at once. The error becomes that of the crew unless it has one.
func (c *Crew) Abort(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.aborted = true
	for fd := range c.sockets {
		unix.Shutdown(fd, unix.SHUT_RDWR) // ends blocked system calls
	}
	if !c.stop.Swap(true) {
		close(c.release)
	}
}

// watch ends the crew if it makes no progress.
func (c *Crew) watch() {
	tick := time.NewTicker(stall)
	defer tick.Stop()
	for last := int64(-1); ; {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		t := &c.total
		now := t.connections.Load() + t.sent.Load() + t.received.Load() + t.failed.Load()
		if now == last && !c.resting.Load() {
			c.Abort(fmt.Errorf("the client made no progress for %v", stall))
		}
		last = now
	}
}

var errAborted = errors.New("aborted")
