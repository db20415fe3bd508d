//go:build linux

package emulator

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"minitcp/conn/netem"
	"minitcp/stack"
	"minitcp/stack/emulate"
	"minitcp/tun"
)

const (
	// MTU is the size of the largest packet of a link in bytes.
	MTU = netem.TraceUnit

	deviceName   = "link0"
	queueLength  = 20000 // frames, so that a burst waits in the queue of the link and not in that of the device
	pingInterval = 5 * time.Millisecond
	batch        = 16 // frames
)

// Open makes a TUN in a namespace, with an address.
func Open(namespace *tun.Namespace, address netip.Prefix) (*tun.Device, error) {
	return tun.Open(tun.Config{
		Name: deviceName, MTU: MTU, Namespace: namespace, HostAddresses: []netip.Prefix{address}, TxQueueLen: queueLength, Queues: 1,
	})
}

// Link moves packets between two TUNs.
type Link struct {
	near, far *tun.Device
	emulated  *emulate.Device // near, behind the link
	movers    sync.WaitGroup
	stopping  chan struct{}

	mu       sync.Mutex // guards the rest
	err      error      // that has ended the link
	observer Observer
	pings    []time.Duration
	delay    time.Duration // of a round trip without a queue
}

// Start connects two TUNs, which the link owns from then on. The direction there leads to far.
func Start(near, far *tun.Device, there, back netem.Config, seed uint64) (*Link, error) {
	l := &Link{near: near, far: far, stopping: make(chan struct{}), delay: there.Delay + back.Delay}
	emulated, err := emulate.New(observed{near, l.see}, emulate.Config{In: there, Out: back, Seed: seed})
	if err != nil {
		return nil, errors.Join(err, near.Close(), far.Close())
	}
	l.emulated = emulated
	l.movers.Go(func() { l.move(emulated, far) })
	l.movers.Go(func() { l.move(far, emulated) })
	l.movers.Go(l.ping)
	return l, nil
}

// observed is the near end, whose frames pass an Observer before the link.
type observed struct {
	stack.Device
	see func(frame []byte)
}

func (o observed) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	n, err := o.Device.ReadBatch(frames, sizes)
	for i := range n {
		o.see(frames[i][:sizes[i]])
	}
	return n, err
}

func (l *Link) see(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.observer.See(frame)
}

// move moves frames until a device is closed.
func (l *Link) move(from, to stack.Device) {
	frames, sizes, parts := make([][]byte, batch), make([]int, batch), make([][]byte, 1)
	for i := range frames {
		frames[i] = make([]byte, stack.MaxFrame)
	}
	for {
		n, err := from.ReadBatch(frames, sizes)
		for i := 0; i < n && !errors.Is(err, os.ErrClosed); i++ {
			parts[0] = frames[i][:sizes[i]]
			if failed := to.WriteFrame(parts); errors.Is(failed, os.ErrClosed) {
				err = failed // any other error is that of a frame
			}
		}
		if err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.err = errors.Join(l.err, err)
			return
		}
	}
}

// ping measures the round trip of a small packet at intervals.
func (l *Link) ping() {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-l.stopping:
			return
		case <-tick.C:
			back, there := l.emulated.Report()
			l.mu.Lock()
			l.pings = append(l.pings, l.delay+there.Wait+back.Wait)
			l.mu.Unlock()
		}
	}
}

// Report counts the traffic of a link.
type Report struct {
	There, Back     netem.Counts
	Segments, Again int64 // with data, from the near end: all, and those that were sent before
	// Ping and LatePing are the median and the 95th percentile of the round trips that a small packet would have had since
	// the last report.
	Ping, LatePing time.Duration
	// CapacityThere and CapacityBack are the bytes that the line could have carried, 0 without a limit.
	CapacityThere, CapacityBack int64
}

// Report returns the counts so far.
func (l *Link) Report() Report {
	back, there := l.emulated.Report()
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Report{There: there.Counts, Back: back.Counts, Segments: l.observer.Segments, Again: l.observer.Again}
	r.CapacityThere, r.CapacityBack = there.Capacity, back.Capacity
	if n := len(l.pings); n > 0 {
		slices.Sort(l.pings)
		r.Ping, r.LatePing = l.pings[n/2], l.pings[n*95/100]
	}
	l.pings = l.pings[:0]
	return r
}

// Stop ends the link and closes its ends. The error is the one that ended it earlier, if there is one.
func (l *Link) Stop() error {
	l.mu.Lock()
	err := l.err
	l.mu.Unlock()
	close(l.stopping)
	l.near.Close() // first, so that packets on their way are lost
	l.emulated.Close()
	l.far.Close()
	l.movers.Wait()
	return err
}
