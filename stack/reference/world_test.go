package reference

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/scripts/netstack"
	"minitcp/stack"
	"minitcp/stack/stacktest"
)

var (
	miniAddresses = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")}
	gvisAddresses = []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}
)

// family is an IP version.
type family int

const (
	ipv4Family family = iota
	ipv6Family
)

func (f family) String() string { return [...]string{"IPv4", "IPv6"}[f] }

func (f family) address(of []netip.Prefix) netip.Addr { return of[f].Addr() }

// world is both stacks and the link between them.
type world struct {
	t      *testing.T
	g      *netstack.Stack
	mini   *stack.Stack
	device *stacktest.Device
	toMini *direction
	toGvis *direction

	epoch time.Time
	limit time.Duration
	wake  chan struct{} // signals a sent packet or a call to gVisor
	stop  chan struct{}
	done  chan struct{} // closed when drive has returned

	mu      sync.Mutex
	changed sync.Cond // signals a step of time for gVisor, or the end
	ended   bool
	watched []*history
}

// settings are the options of a test.
type settings struct {
	impairment
	seed uint64
	conn conn.Config
}

// look is the interval at which minitcp is checked for changes without packets, such as the end of TIME-WAIT.
const look = 100 * time.Millisecond

// limit is the virtual time within which a test must end: TIME-WAIT is 60 s.
const limit = 20 * time.Minute

// run runs body in a bubble with both stacks. After it returns, every connection must end.
func run(t *testing.T, s settings, body func(w *world)) {
	t.Helper()
	w := &world{
		toMini: newDirection(s.impairment, s.seed, 1),
		toGvis: newDirection(s.impairment, s.seed, 2),
		limit:  limit,
	}
	w.changed.L = &w.mu
	w.g = newGvisor(t, func(p []byte) { w.toMini.send(w.g.Clock.Elapsed(), p) })
	synctest.Test(t, func(t *testing.T) {
		w.begin(t, s.conn)
		body(w)
		w.wantNothingLeft()
	})
	w.g.Destroy()
}

// newGvisor returns a gVisor stack with its addresses.
func newGvisor(t *testing.T, send func(packet []byte)) *netstack.Stack {
	t.Helper()
	s, err := netstack.New(netstack.Config{MTU: mtu, Addresses: gvisAddresses, Send: send})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) begin(t *testing.T, cfg conn.Config) {
	t.Helper()
	w.t = t
	w.epoch = time.Now()
	w.wake, w.stop, w.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	w.device, _ = stacktest.New(stacktest.Config{MTU: mtu, Offload: stacktest.Plain, Queue: 1 << 14})
	w.device.SetHook(func(frame []byte) stacktest.Fate {
		w.toGvis.send(w.now(), slices.Clone(frame[wire.VirtioHeaderLen:]))
		w.poke()
		return stacktest.Drop
	})
	var err error
	if w.mini, err = stack.New(w.device, stack.Config{Addresses: miniAddresses, Conn: cfg}); err != nil {
		t.Fatal(err)
	}
	go w.drive()
	t.Cleanup(func() {
		if err := w.mini.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		w.end()
		close(w.stop)
		<-w.done
		if c := w.device.Counts(); c.Dropped > 0 || c.TooBig > 0 {
			t.Errorf("the device dropped %d frames and refused %d", c.Dropped, c.TooBig)
		}
	})
}

func (w *world) now() time.Duration { return time.Since(w.epoch) }

// poke wakes drive.
func (w *world) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// drive carries packets and sets the clock of gVisor while all goroutines in the bubble are blocked.
func (w *world) drive() {
	defer close(w.done)
	for {
		synctest.Wait()
		select {
		case <-w.stop:
			return
		default:
		}
		if w.step() {
			continue
		}
		next := w.now() + look
		for _, at := range []func() (time.Duration, bool){w.toMini.next, w.toGvis.next, w.g.Clock.Next} {
			if at, ok := at(); ok {
				next = min(next, at)
			}
		}
		t := time.NewTimer(next - w.now())
		select {
		case <-w.wake:
		case <-w.stop:
		case <-t.C:
		}
		t.Stop()
		if w.now() >= w.limit && !w.ended {
			w.t.Errorf("connections remain after %v", w.limit)
			w.end()
			w.mini.Close()
			w.limit *= 1000
		}
	}
}

// step processes the events that are due, and reports whether there were any.
func (w *world) step() (any bool) {
	now := w.now()
	w.g.Clock.Set(now)
	for _, p := range w.toGvis.arrived(now) {
		w.g.Deliver(p.bytes)
		any = true
	}
	if w.g.Clock.Run() {
		any = true
	}
	w.g.WaitIdle()
	for _, p := range w.toMini.arrived(now) {
		w.device.Inject(append(make([]byte, wire.VirtioHeaderLen), p.bytes...))
		any = true
	}
	w.mu.Lock()
	for _, h := range w.watched {
		h.look()
	}
	w.changed.Broadcast()
	w.mu.Unlock()
	return any
}

// wait lets virtual time pass.
func (w *world) wait(d time.Duration) { time.Sleep(d) }

// linger waits until all packets in flight have arrived and been acknowledged.
func (w *world) linger() { w.wait(10 * delay) }

// pause is the time of several window probes with backoff.
const pause = time.Minute

var errEnded = errors.New("the test is over")

// end releases every call that waits for gVisor.
func (w *world) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.changed.Broadcast()
}

// await calls f after each step of time for gVisor until it returns true. f calls gVisor.
func (w *world) await(f func() bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		w.g.Clock.Set(w.now())
		ok := f()
		switch {
		case w.ended:
			return errEnded
		case ok:
			w.poke() // f may have given work to gVisor's goroutines
			return nil
		}
		w.changed.Wait()
	}
}

// wantNothingLeft waits until both stacks have no connection, including TIME-WAIT.
func (w *world) wantNothingLeft() {
	w.t.Helper()
	gone := func() bool { return len(w.mini.Connections()) == 0 && len(w.g.Stack.CleanupEndpoints()) == 0 }
	if err := w.await(gone); err != nil {
		w.t.Errorf("minitcp has the connections %v, gVisor %d endpoints", w.mini.Connections(), len(w.g.Stack.CleanupEndpoints()))
	}
	if n := w.g.Stack.Stats().TCP.CurrentEstablished.Value(); n != 0 {
		w.t.Errorf("gVisor counts %d established connections", n)
	}
}
