package emulate

import (
	"math/rand/v2"
	"sync"
	"time"

	"minitcp/conn/netem"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/internal/gso"
)

// direction is one direction of a link, with the packets on their way.
type direction struct {
	epoch time.Time
	alarm alarm

	mu         sync.Mutex
	link       netem.Direction
	meter      netem.Meter
	random     *rand.Rand
	transit    netem.Transit[packet]
	memory     memory
	overflowed int64
	cutter     gso.Cutter
	decide     func(Way, []byte, *netem.Fate) // nil, or changes fates
	way        Way
	fate       netem.Fate           // of the packet in scratch
	list       [gso.MaxBatch][]byte // of the goroutine that takes packets
	scratch    [stack.MaxFrame]byte // a packet that has no fate yet
	err        error                // set at the end: enter and take return it
	draining   error                // set while take returns the last packets: enter returns it
	drained    chan struct{}        // closed when draining and empty, or at the end
}

// packet is a packet on its way.
type packet struct {
	frame   []byte // with a virtio_net_hdr of zeros
	passage netem.Passage
}

func newDirection(cfg *Config, way Way, epoch time.Time) *direction {
	d := &direction{epoch: epoch, random: rand.New(rand.NewPCG(cfg.Seed, uint64(way))), decide: cfg.Fate, way: way, drained: make(chan struct{})}
	d.link.Config = cfg.Out
	if way == In {
		d.link.Config = cfg.In
	}
	d.alarm = newAlarm(cfg.Sleep)
	return d
}

func (d *direction) now() time.Duration { return time.Since(d.epoch) }

// enter puts the packets of a frame on the link.
func (d *direction) enter(parts [][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.enterLocked(parts)
}

func (d *direction) enterLocked(parts [][]byte) error {
	if d.err != nil {
		return d.err
	}
	if d.draining != nil {
		return d.draining
	}
	if err := d.cutter.Load(parts); err != nil {
		return err
	}
	now := d.now()
	for d.cutter.More() {
		n := d.cutter.Next(d.scratch[wire.VirtioHeaderLen:])
		if n == 0 {
			return gso.ErrFrame
		}
		d.send(now, d.scratch[:wire.VirtioHeaderLen+n])
	}
	return nil
}

// pass writes the packets of a frame that arrive to the device. The direction must be instant, so that packets stay on
// their goroutine.
func (d *direction) pass(parts [][]byte, w *writer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.enterLocked(parts)
	for d.transit.Len() > 0 {
		n := d.pop(d.list[:], d.now())
		if failed := w.write(d.list[:n]); err == nil {
			err = failed
		}
		d.free(d.list[:n])
	}
	return err
}

// pop removes the packets that have arrived, and returns their number. The caller must hold mu.
func (d *direction) pop(list [][]byte, now time.Duration) (n int) {
	for n < len(list) {
		if at, ok := d.transit.Next(); !ok || at > now {
			break
		}
		p := d.transit.Pop()
		d.meter.Deliver(now, len(p.frame)-wire.VirtioHeaderLen, &p.passage)
		list[n] = p.frame
		n++
	}
	return n
}

// free takes the memory of packets back. The caller must hold mu.
func (d *direction) free(list [][]byte) {
	for i, p := range list {
		d.memory.release(p)
		list[i] = nil
	}
}

// release takes the memory of packets back.
func (d *direction) release(list [][]byte) {
	if len(list) > 0 {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.free(list)
	}
}

// send decides the fate of a packet in scratch. The caller must hold mu.
func (d *direction) send(now time.Duration, frame []byte) {
	if d.memory.held > maxHeld {
		d.overflowed++
		return
	}
	p := frame[wire.VirtioHeaderLen:]
	d.fate = d.link.Draw(now, d.random)
	if d.decide != nil {
		d.decide(d.way, p, &d.fate)
	}
	passage := d.link.Send(now, len(p), ecnOf(p), d.fate, d.random)
	if passage.Drop != netem.Delivered {
		return
	}
	if passage.Mark {
		wire.MarkCE(p)
	}
	if d.fate.Damage {
		p[d.random.IntN(len(p))] ^= 1 << d.random.IntN(8)
	}
	for _, at := range passage.At[:d.fate.Copies] {
		next, waiting := d.transit.Next()
		d.transit.Push(at, packet{d.memory.copyOf(frame), passage})
		if !waiting || at < next {
			d.alarm.ring()
		}
	}
}

// take removes the packets that have arrived, which the caller must release. If there is none, it returns the time of
// the next arrival.
func (d *direction) take(list [][]byte) (n int, next time.Duration, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, 0, d.err
	}
	if n = d.pop(list, d.now()); n > 0 {
		return n, 0, nil
	}
	if at, ok := d.transit.Next(); ok {
		return 0, at, nil
	}
	if d.draining != nil {
		d.endLocked(d.draining)
		return 0, 0, d.err
	}
	return 0, never, nil
}

// wait blocks until a time, until a packet arrives earlier, or until the end.
func (d *direction) wait(next time.Duration) { d.alarm.wait(next, d.now()) }

// end makes all calls return err. Packets on their way are lost.
func (d *direction) end(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endLocked(err)
}

func (d *direction) endLocked(err error) {
	if d.err == nil {
		d.err = err
		close(d.drained)
		d.alarm.ring()
	}
}

// drain makes enter return err, and take when it has returned the packets on their way. It ends the direction when they
// have been taken, or after drainTime.
func (d *direction) drain(err error) {
	if d.link.Instant() {
		d.end(err)
		return
	}
	d.mu.Lock()
	d.draining = err
	d.alarm.ring()
	d.mu.Unlock()
	limit := time.NewTimer(drainTime)
	defer limit.Stop()
	select {
	case <-d.drained:
	case <-limit.C:
		d.end(err)
	}
}

// report returns the totals. Those of a nil direction are zero.
func (d *direction) report() Report {
	if d == nil {
		return Report{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	return Report{d.link.Counts, d.meter, d.overflowed, d.link.Wait(now), d.link.Capacity(now)}
}

// ecnOf returns the ECN field of an IP packet.
func ecnOf(p []byte) wire.ECN {
	switch {
	case len(p) >= wire.IPv4HeaderLen && p[0]>>4 == 4:
		return wire.ECN(p[1] & 3)
	case len(p) >= wire.IPv6HeaderLen && p[0]>>4 == 6:
		return wire.ECN(p[1] >> 4 & 3)
	}
	return wire.NotECT
}
