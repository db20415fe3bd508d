package datagrams

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"

	"minitcp/conn/buffer"
)

// budget counts memory, and limits buffers to share bytes.
type budget struct {
	buffer.Heap
	charged, share int
}

func (b *budget) Charge(n int)                    { b.charged += n }
func (b *budget) BufferShare(buffer.Progress) int { return b.share }

func newInbox(limit, share int) (*Inbox, *budget) {
	b := &budget{share: share}
	i := new(Inbox)
	i.Init(b, b, limit)
	return i, b
}

// An Inbox has its limit or, if that is less, its share of the memory, but never less than 4 KiB.
func TestInboxRoom(t *testing.T) {
	const each = 1024 - Overhead
	for _, test := range []struct{ limit, share, want int }{{8 << 10, 1 << 20, 8}, {8 << 10, 6 << 10, 6}, {8 << 10, 0, 4}, {2 << 10, 0, 2}} {
		i, b := newInbox(test.limit, test.share)
		added, dropped, _ := i.PushAll(Datagram{}, make([]byte, 10*each), each)
		if added != test.want || dropped != 10-test.want || i.Len() != test.want {
			t.Errorf("limit %d, share %d: %d are added and %d dropped, want %d and %d", test.limit, test.share, added, dropped, test.want, 10-test.want)
		}
		if b.charged == 0 {
			t.Error("the memory is not charged")
		}
		for i.Len() > 0 {
			i.Pop(nil)
		}
		if again, _, _ := i.PushAll(Datagram{}, make([]byte, 10*each), each); again != test.want {
			t.Errorf("limit %d, share %d: after all have been read %d are added, want %d", test.limit, test.share, again, test.want)
		}
		if i.Close(os.ErrClosed); i.Len() != 0 || b.charged != 0 {
			t.Errorf("after Close there are %d datagrams, and %d bytes are charged", i.Len(), b.charged)
		}
	}
}

// The datagrams have the size given, except for the last one. The queue becomes half full once.
func TestInboxPushAll(t *testing.T) {
	i, _ := newInbox(10*(1000+Overhead), 1<<20)
	for n, want := range []bool{false, true, false, false} {
		added, dropped, half := i.PushAll(Datagram{}, make([]byte, 2500), 1000)
		if wantAdded := []int{3, 3, 3, 2}[n]; added != wantAdded || added+dropped != 3 || half != want {
			t.Errorf("call %d: %d added, %d dropped, half full %v; want %d, %d, %v", n, added, dropped, half, wantAdded, 3-wantAdded, want)
		}
	}
	var sizes []int
	for range 4 {
		next := i.Next()
		_, n, truncated := i.Pop(make([]byte, 800))
		if n != min(next, 800) || truncated != (next > 800) {
			t.Errorf("%d bytes of a datagram of %d, truncated %v", n, next, truncated)
		}
		sizes = append(sizes, next)
	}
	if want := [...]int{1000, 1000, 500, 1000}; [4]int(sizes) != want {
		t.Errorf("sizes %v, want %v", sizes, want)
	}
}

// A call that reads has the error of Close, or that of Fail once, or a datagram.
func TestInboxAwait(t *testing.T) {
	i, _ := newInbox(1<<20, 1<<20)
	var mu sync.Mutex
	mu.Lock()
	defer mu.Unlock()
	i.Push(Datagram{Data: []byte("x")})
	if err := i.Await(&mu, "read"); err != nil {
		t.Errorf("with a datagram: %v", err)
	}
	i.Fail(syscall.ECONNREFUSED)
	var call *os.SyscallError
	if err := i.Await(&mu, "read"); !errors.As(err, &call) || call.Syscall != "read" || call.Err != syscall.ECONNREFUSED {
		t.Errorf("after Fail: %v", err)
	}
	if err := i.Pending(); err != nil {
		t.Errorf("the error is there again: %v", err)
	}
	if err := i.Await(&mu, "read"); err != nil {
		t.Errorf("after that: %v", err)
	}
	i.Close(os.ErrClosed)
	if err := i.Await(&mu, "read"); err != os.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}
