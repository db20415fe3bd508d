//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/subject"
	"minitcp/conn/wire"
)

// FloodSources are the addresses that a flood comes from, which are for benchmarks [RFC 2544 appendix C.2.2].
var FloodSources = netip.MustParsePrefix("198.18.0.0/15")

// Flood sends SYNs from random addresses and ports to the port of Connect. Nothing replies to their SYN-ACKs.
type Flood struct {
	server netip.Addr
	rate   int   // SYNs per second
	most   int64 // SYNs in all
	random *rand.PCG
	batch  *batch
	sent   atomic.Int64
	stop   atomic.Bool
	done   chan struct{}
	err    error // read after done
}

const (
	floodSegment = 20 + 12 // bytes of a TCP header with options
	floodPause   = 200 * time.Microsecond
	floodLag     = 10 * time.Millisecond // most that is caught up on at once
)

// StartFlood starts a flood from a namespace, at a rate in SYNs per second, for a time at most. Stop must follow.
func StartFlood(where subject.Place, server netip.Addr, rate int, longest time.Duration) *Flood {
	f := &Flood{
		server: server, rate: rate, most: int64(float64(rate) * longest.Seconds()), random: rand.NewPCG(1, uint64(rate)),
		batch: newBatch(wire.IPv4HeaderLen + floodSegment), done: make(chan struct{}),
	}
	go func() {
		defer close(f.done)
		f.err = where.Do(f.run)
	}()
	return f
}

// Sent returns the number of SYNs so far.
func (f *Flood) Sent() int64 { return f.sent.Load() }

// Stop ends the flood and returns its error.
func (f *Flood) Stop() error {
	f.stop.Store(true)
	<-f.done
	return f.err
}

func (f *Flood) run() error {
	if err := dropReplies(); err != nil {
		return err
	}
	fd, err := rawSocket(f.server)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	begin, skipped := time.Now(), int64(0)
	for f.sent.Load() < f.most && !f.stop.Load() {
		due := int64(time.Since(begin).Seconds()*float64(f.rate)) - skipped - f.sent.Load()
		if late := due - max(datagramWindow, int64(floodLag.Seconds()*float64(f.rate))); late > 0 {
			skipped += late
			due -= late
		}
		if due <= 0 {
			time.Sleep(floodPause)
			continue
		}
		n := int(min(due, datagramWindow, f.most-f.sent.Load()))
		for i := range n {
			f.put(f.batch.memory[i])
		}
		sent, err := f.batch.call(unix.SYS_SENDMMSG, fd, n, 0)
		if err != nil {
			return fmt.Errorf("sendmmsg: %w", err)
		}
		f.sent.Add(int64(sent))
	}
	return nil
}

// put writes a SYN, as Linux's clients send it without timestamps, from another source than the one before.
func (f *Flood) put(b []byte) {
	random := f.random.Uint64()
	source := FloodSources.Addr().As4()
	host := uint32(random) >> FloodSources.Bits()
	binary.BigEndian.PutUint32(source[:], binary.BigEndian.Uint32(source[:])|host)
	ip := wire.IP{Src: netip.AddrFrom4(source), Dst: f.server, Protocol: wire.ProtocolTCP, HopLimit: 64}
	tcp := wire.TCP{
		SrcPort: 1024 + uint16(random>>32)%(1<<16-1024), DstPort: subject.PortEcho, Seq: uint32(f.random.Uint64()),
		Flags: wire.SYN, Window: 64240,
		Options: wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7, SACKPermitted: true},
	}
	segment := b[wire.PutIP(b, &ip, floodSegment):]
	wire.PutTCP(segment, &tcp)
	sum := wire.PseudoHeaderSum(ip.Src, ip.Dst, ip.Protocol, len(segment))
	binary.BigEndian.PutUint16(segment[16:], ^wire.Fold(wire.Sum(segment, sum)))
}
