package datagrams

import (
	"os"
	"sync"

	"minitcp/conn/buffer"
	"minitcp/stack/internal/wait"
)

// Inbox is the receiving half of a socket: the datagrams that have arrived, and the errors of the calls that read them.
// The socket's lock guards it.
type Inbox struct {
	Readers wait.Direction
	Limit   int   // largest number of bytes of datagrams, with Overhead for each
	Closed  error // error of all calls; nil while the socket is open

	pending  error // error that the next call returns
	pool     buffer.Pool
	pressure buffer.Pressure
	queue    Queue
	charged  int // memory of queue that pool counts, in bytes
}

// leastShare is the number of bytes of datagrams that a socket may hold however little memory is left.
const leastShare = 4 << 10

// Init makes a zero Inbox one whose memory pool counts and pressure limits.
func (i *Inbox) Init(pool buffer.Pool, pressure buffer.Pressure, limit int) {
	i.pool, i.pressure, i.Limit = pool, pressure, limit
}

// Len returns the number of datagrams.
func (i *Inbox) Len() int { return i.queue.Len() }

// Next returns the number of bytes of data of the oldest datagram. There must be one.
func (i *Inbox) Next() int { return i.queue.Next() }

// Push adds a datagram and wakes a reader. It returns false if there is no room.
func (i *Inbox) Push(d Datagram) bool {
	if len(d.Data)+Overhead > i.room() {
		return false
	}
	i.queue.Push(d)
	i.charge()
	i.Readers.Wake()
	return true
}

// room returns the number of bytes that fit into the queue. Datagrams that are not read take the memory of the budget
// that is for peers that stall.
func (i *Inbox) room() int {
	limit := i.Limit
	if share := i.pressure.BufferShare(buffer.Stalled); limit > share {
		limit = min(limit, max(share, leastShare))
	}
	return limit - i.queue.Bytes()
}

// PushAll cuts data into datagrams of size bytes, the last of which may be shorter, and adds them with the properties
// of d. It returns the numbers of those added and dropped, and whether the queue has become half full with them.
func (i *Inbox) PushAll(d Datagram, data []byte, size int) (added, dropped int, half bool) {
	before := i.queue.Bytes()
	for {
		d.Data = data[:min(size, len(data))]
		data = data[len(d.Data):]
		if i.Push(d) {
			added++
		} else {
			dropped++
		}
		if len(data) == 0 {
			return added, dropped, before <= i.Limit/2 && i.queue.Bytes() > i.Limit/2
		}
	}
}

// Await returns when there is a datagram, or with the error of a call that reads. mu is the socket's lock. A pending
// error is that of the system call named.
func (i *Inbox) Await(mu *sync.Mutex, call string) error {
	for {
		switch {
		case i.Closed != nil:
			return i.Closed
		case i.Readers.Passed():
			return os.ErrDeadlineExceeded
		case i.pending != nil:
			return os.NewSyscallError(call, i.Pending())
		case i.queue.Len() > 0:
			return nil
		}
		i.Readers.Wait(mu)
	}
}

// Pop removes the oldest datagram, of which there must be one; see [Queue.Pop].
func (i *Inbox) Pop(b []byte) (d Datagram, n int, truncated bool) {
	d, n, truncated = i.queue.Pop(b)
	i.charge()
	return d, n, truncated
}

// Fail makes the next call return err.
func (i *Inbox) Fail(err error) {
	i.pending = err
	i.Readers.Wake()
}

// Pending returns the error of Fail once, nil if there is none.
func (i *Inbox) Pending() error {
	err := i.pending
	i.pending = nil
	return err
}

// Close discards the datagrams, and makes all calls return cause.
func (i *Inbox) Close(cause error) {
	i.Closed = cause
	i.queue.Clear()
	i.queue = Queue{}
	i.charge()
	i.Readers.Stop()
}

// charge counts the memory of the queue in the pool.
func (i *Inbox) charge() {
	if n := i.queue.Memory(); n != i.charged {
		i.pool.Charge(n - i.charged)
		i.charged = n
	}
}
