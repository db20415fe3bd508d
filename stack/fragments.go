package stack

import (
	"math/rand/v2"
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/icmp"
	"minitcp/stack/internal/reassembly"
)

// fragments puts the fragments together that arrive on all queues.
type fragments struct {
	mu          sync.Mutex
	reassembler reassembly.Reassembler
	timer       *time.Timer // nil before the first fragment
	armed       bool        // whether the timer runs, which it does while fragments are held
}

// reassemble takes a fragment. It returns the whole packet if the fragment completes one, else nil.
func (s *Stack) reassemble(now conn.Time, fragment []byte) []byte {
	f := &s.fragments
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.reassembler.Memory()
	whole := f.reassembler.Receive(now, fragment)
	s.cfg.Conn.Pool.Charge(f.reassembler.Memory() - before)
	if !f.armed {
		s.armFragments(now)
	}
	return whole
}

// armFragments sets the timer for the first packet that is out of time, if there is one. The lock of fragments is held.
func (s *Stack) armFragments(now conn.Time) {
	f := &s.fragments
	deadline := f.reassembler.Deadline()
	f.armed = deadline != conn.Never && s.Err() == nil
	if !f.armed {
		return
	}
	left := max(0, deadline.Sub(now))
	if f.timer == nil {
		f.timer = time.AfterFunc(left, s.expireFragments)
	} else {
		f.timer.Reset(left)
	}
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
	s.armFragments(now)
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
	if f.timer != nil {
		f.timer.Stop()
	}
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

// writeFragments sends the packet with the header in w.ip and the payload given in fragments of at most mtu bytes
// [RFC 791 3.2, RFC 8200 4.5]. The identification is random [RFC 6864, RFC 7739].
func (s *Stack) writeFragments(w *writer, queue uint8, ipLen int, payload []byte, mtu int) {
	w.body = payload
	is4 := ipLen == wire.IPv4HeaderLen
	f := wire.Fragment{ID: rand.Uint32()}
	next := w.ip.Protocol
	extra := 0
	if !is4 {
		extra = 8 // the fragment header
		w.ip.Protocol = wire.ProtocolFragment
	}
	most := (mtu - ipLen - extra) &^ 7
	wire.PutVirtio(w.headers[:], &wire.VirtioHeader{})
	header := w.headers[wire.VirtioHeaderLen:]
	for ; f.Offset < len(payload); f.Offset += most {
		n := min(most, len(payload)-f.Offset)
		f.More = f.Offset+n < len(payload)
		wire.PutIP(header, &w.ip, extra+n)
		if is4 {
			wire.PutFragmentIPv4(header, f, n)
		} else {
			wire.PutFragmentIPv6(header[ipLen:], f, next)
		}
		w.parts = append(w.parts[:0], w.headers[:wire.VirtioHeaderLen+ipLen+extra], payload[f.Offset:f.Offset+n])
		s.writeFrame(w, queue, conn.Closed)
		s.totals.Count(counters.FragmentsSent)
	}
}
