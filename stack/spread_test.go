package stack

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// attacher is a device whose queues can be taken out of use, on which a frame goes to the queue on which its flow was last
// answered, and one of a new flow to any.
type attacher struct {
	*lanesDevice

	attached []int // as asked for; guarded like written
	refuses  bool
}

func (d *attacher) Attach(n int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attached = append(d.attached, n)
	if d.refuses {
		return errors.New("no")
	}
	return nil
}

// asked returns what Attach was called with since it was asked last.
func (d *attacher) asked() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.attached
	d.attached = nil
	return list
}

// A client's connections, from one port after the other, come to all lanes, whatever the seed.
func TestLanesOfConsecutivePorts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := int32(2); n <= 8; n++ {
		for range 2000 {
			s := seed{random.Uint64(), random.Uint64(), random.Uint64()}
			used := make([]int, n)
			for port := range uint16(16 * n) {
				k := makeKey(netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("10.77.0.1"), 80, 40000+port)
				used[laneOf(k.hash(&s), n)]++
			}
			if slices.Contains(used, 0) {
				t.Errorf("with seed %x the lanes have %v", s, used)
			}
		}
	}
}

// Small frames come on few queues, bulk on all, and answers leave on those that are used.
func TestSpread(t *testing.T) {
	within(t, func(t *testing.T) {
		all := runtime.GOMAXPROCS(0) + 1
		least := max(1, runtime.GOMAXPROCS(0)/2)
		near, far := stacktest.New(stacktest.Config{Queues: all})
		d := &attacher{lanesDevice: &lanesDevice{Device: near}}
		s, err := New(d, Config{Addresses: addressesB})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		peer, err := New(far, Config{Addresses: addressesA})
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		l, err := s.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		wantAsked := func(want ...int) {
			t.Helper()
			if got := d.asked(); !slices.Equal(got, want) {
				t.Errorf("asked to attach %v queues, want %v", got, want)
			}
		}
		wantAsked(least)

		var clients, servers []io.ReadWriteCloser
		for range 16 * all { // fewer may leave a queue without
			c, err := peer.Dial("tcp", "10.77.0.2:80")
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			clients, servers = append(clients, c), append(servers, server)
		}
		// round lets time pass and has all connections send, which makes the stack look how much there was before.
		round := func() (used map[int]bool) {
			time.Sleep(2 * lookEvery)
			used = make(map[int]bool)
			for pass := range 2 { // what the first causes is seen by the second
				d.taken()
				for i, c := range clients {
					write(t, c, "little")
					wantRead(t, servers[i], "little")
					write(t, servers[i], "little")
					wantRead(t, c, "little")
				}
				quiet()
				if pass == 1 {
					for _, queue := range d.taken() {
						used[queue] = true
					}
				}
			}
			return used
		}
		if used := round(); len(used) != least {
			t.Errorf("with %d queues attached, %v are used", least, used)
		}
		wantAsked()

		bulk := func() {
			for range 40 {
				write(t, clients[0], string(make([]byte, 1<<20)))
				io.CopyN(io.Discard, servers[0], 1<<20)
			}
		}
		time.Sleep(2 * lookEvery) // so that what came before is in no look
		write(t, clients[0], "x")
		wantRead(t, servers[0], "x")
		bulk()
		if used := round(); len(used) != all {
			t.Errorf("after bulk, of %d queues %v are used", all, used)
		}
		wantAsked(all)
		if used := round(); len(used) != least {
			t.Errorf("when it is over, %v are used", used)
		}
		wantAsked(least)

		d.mu.Lock()
		d.refuses = true
		d.mu.Unlock()
		bulk()
		if used := round(); len(used) != least {
			t.Errorf("though more are refused, %v are used", used)
		}
		wantAsked(all)
	})
}

// Where queues cannot be taken out of use, all are used, each for what comes on it.
func TestSpreadRefused(t *testing.T) {
	within(t, func(t *testing.T) {
		near, far := stacktest.New(stacktest.Config{Queues: runtime.GOMAXPROCS(0) + 1})
		d := &attacher{lanesDevice: &lanesDevice{Device: near}, refuses: true}
		s, err := New(d, Config{Addresses: addressesB})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		defer far.Close()
		for i := range near.Queues() {
			near.Inject(packet(segmentSpec{flags: wire.SYN}))
			quiet()
			if got, want := d.taken(), (i+1)%near.Queues(); len(got) != 1 || got[0] != want {
				t.Errorf("what came on queue %d was answered on %v", want, got)
			}
		}
	})
}
