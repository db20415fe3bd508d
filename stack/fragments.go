package stack

import (
	"math/rand/v2"
	"sync"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/icmp"
	"minitcp/stack/internal/reassembly"
	"minitcp/stack/internal/timing"
)

// fragments puts the fragments together that arrive on all queues.
type fragments struct {
	mu          sync.Mutex
	reassembler reassembly.Reassembler
	alarm       timing.Alarm // its deadline is set while fragments are held
}

// reassemble takes a fragment. It returns the whole packet if the fragment completes one, else nil.
func (s *Stack) reassemble(now conn.Time, fragment []byte) []byte {
	f := &s.fragments
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.reassembler.Memory()
	whole := f.reassembler.Receive(now, fragment)
	s.cfg.Conn.Pool.Charge(f.reassembler.Memory() - before)
	if f.alarm.At() == conn.Never {
		f.alarm.Set(now, f.reassembler.Deadline())
	}
	return whole
}

// expireFragments discards packets that were not completed in time, and sends their senders ICMP errors [RFC 1122
// 3.3.2, RFC 8200 4.5].
func (s *Stack) expireFragments() {
	now := s.clock.Now()
	var quotes [][]byte
	f := &s.fragments
	f.mu.Lock()
	before := f.reassembler.Memory()
	f.reassembler.Advance(now, func(first []byte) { quotes = append(quotes, first) })
	s.cfg.Conn.Pool.Charge(f.reassembler.Memory() - before)
	f.alarm.Set(now, f.reassembler.Deadline())
	f.mu.Unlock()
	w := s.borrowWriter()
	defer s.returnWriter(w)
	for _, packet := range quotes {
		var ip wire.IP
		if _, _, data, err := wire.ParseFragment(packet, &ip); err == nil && icmp.IsError(&ip, data) {
			continue
		}
		m := icmp.TimeExceeded(ip.Is4(), icmp.Reassembly, packet)
		s.sendICMP(now, w, 0, ip.Dst, ip.Src, &m)
	}
}

// close stops the timer.
func (f *fragments) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alarm.Stop()
}

// stats adds the totals.
func (f *fragments) stats(stats Stats) {
	f.mu.Lock()
	counts := f.reassembler.Counts()
	f.mu.Unlock()
	stats["fragments-received"] = counts.Fragments
	stats["fragments-reassembled"] = counts.Reassembled
	stats["fragments-failed"] = counts.Failed
	stats["fragments-timed-out"] = counts.TimedOut
}

// writeFragments sends the packet with the header in w.ip and the payload given in fragments of at most mtu bytes. The
// identification is random [RFC 6864, RFC 7739].
func (s *Stack) writeFragments(w *writer, queue uint8, payload []byte, mtu int) {
	w.body = payload
	reassembly.Cut(w.Headers[wire.VirtioHeaderLen:], &w.ip, payload, rand.Uint32(), mtu, func(headerLen int, data []byte) {
		w.WithHeaders(headerLen, data)
		s.writeFrame(w, queue, conn.Closed)
		s.totals.Count(counters.FragmentsSent)
	})
}
