package script

import (
	"fmt"
	"slices"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// encode returns the encoded segment. It translates our numbers from those of the script.
func (p *packet) encode(n *numbering) []byte {
	syn := p.flags.Has(wire.SYN)
	if syn && n.relative {
		n.irs = p.seq
	}
	h := wire.TCP{Seq: p.seq + n.peerOffset(syn), Flags: p.flags, Window: p.window, Urgent: p.urgent, Ack: p.ack}
	if p.flags.Has(wire.ACK) {
		h.Ack = n.fromScript(p.ack, syn)
	}
	options := make([]option, len(p.options))
	for i, o := range p.options {
		o.numbers = slices.Clone(o.numbers)
		switch {
		case o.kind == kindSACK:
			for j := range o.numbers {
				o.numbers[j] = n.fromScript(o.numbers[j], syn)
			}
		case o.kind == kindTimestamps && p.flags.Has(wire.ACK):
			o.numbers[1] = n.stampFromScript(o.numbers[1])
		}
		options[i] = o
	}
	encoded := encodeOptions(options)
	for len(encoded)%4 != 0 {
		encoded = append(encoded, kindEnd)
	}
	b := make([]byte, tcpHeaderLen+len(encoded)+p.length)
	wire.PutTCP(b, &h)
	b[12] = byte((tcpHeaderLen+len(encoded))/4)<<4 | b[12]&0x0f // with AE
	copy(b[tcpHeaderLen:], encoded)
	first := h.Seq
	if syn {
		first++
	}
	fill(b[tcpHeaderLen+len(encoded):], first)
	return b
}

// script returns the segment with the numbers of the script.
func (s *sent) script() *packet {
	p := &packet{
		flags: s.tcp.Flags, seq: s.tcp.Seq, length: len(s.data), ack: s.tcp.Ack, window: s.tcp.Window, hasWindow: true,
		urgent: s.tcp.Urgent, options: slices.Clone(s.options),
	}
	if s.ecn != wire.NotECT { // Not-ECT is omitted for readability
		p.ecn = codepointOf(s.ecn)
	}
	n := &s.flow.numbers
	if s.incarnation == s.flow.incarnation {
		syn := s.tcp.Flags.Has(wire.SYN)
		p.seq = n.toScript(s.tcp.Seq, syn)
		if s.tcp.Flags.Has(wire.ACK) {
			p.ack -= n.peerOffset(syn)
		}
		for i := range p.options {
			switch o := &p.options[i]; {
			case o.kind == kindTimestamps && n.stamped:
				o.numbers = slices.Clone(o.numbers)
				o.numbers[0] = o.numbers[0] - n.stamp + n.scriptStamp
			case o.kind == kindSACK:
				o.numbers = slices.Clone(o.numbers)
				for j := range o.numbers {
					o.numbers[j] -= n.peerOffset(syn)
				}
			}
		}
	}
	return p
}

// departure waits for the next sent segment and compares it with the one that the script expects.
func (r *runner) departure(e *event, d *departure, from, to conn.Time) *fault {
	tolerance := r.s.settings.tolerance
	late := to
	if e.at.kind != timeAny {
		late = to.Add(tolerance)
	}
	for !r.hasSent() {
		next := min(r.h.deadline(), r.pollDeadline())
		if next > late || next == conn.Never {
			return r.missing(e, d, late)
		}
		if f := r.step(max(next, r.h.now)); f != nil {
			return f
		}
	}
	s := r.takeSent(d)
	got := s.script()
	f := &fault{line: e.line, expected: d.String(), seen: got.String()}
	switch {
	case s.at < from.Add(-tolerance) || s.at > late:
		f.reason = fmt.Sprintf("a segment was sent at %s, want %s", seconds(s.at), timeText(from, to, e.at))
		return f
	case s.flow != r.h.current:
		f.reason = "a segment was sent on an earlier connection"
		return f
	}
	if f.reason = r.compare(d, s); f.reason != "" {
		f.seen = s.script().String()
		return f
	}
	r.before = from
	if e.at.kind == timeAny || e.at.ranged {
		r.before = s.at
	}
	if r.h.now < r.before {
		return r.advance(r.before)
	}
	return nil
}

// hasSent reports whether a segment was sent that the script has not expected yet. Scripts for Linux do not see the
// segments of earlier connections, as in packetdrill.
func (r *runner) hasSent() bool {
	for r.s.settings.asLinux && len(r.h.sent) > 0 && r.h.sent[0].flow != r.h.current {
		r.h.sent = r.h.sent[1:]
	}
	return len(r.h.sent) > 0
}

// timeText formats the range of times of an event.
func timeText(from, to conn.Time, at timing) string {
	switch {
	case at.kind == timeAny:
		return "any time"
	case from == to:
		return seconds(from)
	}
	return seconds(from) + " to " + seconds(to)
}

// missing returns the fault for a segment that was not sent in time. It runs further timers, and shows the next
// segment.
func (r *runner) missing(e *event, d *departure, late conn.Time) *fault {
	f := faultf(e, "no segment was sent")
	f.expected, f.seen = d.String(), "nothing"
	if late != conn.Never {
		f.reason += " until " + seconds(late)
	}
	for range 100 {
		if next := r.h.deadline(); next == conn.Never || len(r.h.sent) > 0 {
			break
		}
		if r.step(max(r.h.deadline(), r.h.now)) != nil {
			break
		}
	}
	if len(r.h.sent) > 0 {
		s := r.h.sent[0]
		f.seen = fmt.Sprintf("%s, at %s", s.script(), seconds(s.at))
	}
	return f
}

// takeSent removes and returns the next sent segment. If d is longer, the segments that follow it without a gap are
// appended. If d is shorter, only its length in segments of a GSO packet is removed.
func (r *runner) takeSent(d *departure) *sent {
	sent := &r.h.sent
	s := *(*sent)[0] // a copy, as segments may be appended
	if n := s.segmentSize; n > 0 && 0 < d.length && d.length < len(s.data) && d.length%n == 0 {
		return (*sent)[0].cut(d.length)
	}
	*sent = (*sent)[1:]
	const lastOnly = wire.PSH | wire.FIN // flags of the last segment
	const firstOnly = wire.CWR           // flags of the first segment alone
	for len(*sent) > 0 && len(s.data) > 0 && len(s.data) < d.length && !r.s.settings.strict {
		next := (*sent)[0]
		if next.at != s.at || next.flow != s.flow || next.tcp.Seq != s.tcp.Seq+uint32(len(s.data)) ||
			next.tcp.Flags&^lastOnly != s.tcp.Flags&^lastOnly&^firstOnly || next.ecn != s.ecn || s.tcp.Flags.Has(wire.FIN) || next.tcp.Ack != s.tcp.Ack {
			break
		}
		s.data = slices.Concat(s.data, next.data)
		if r.s.settings.asLinux {
			s.tcp.Flags &^= lastOnly
		}
		s.tcp.Flags |= next.tcp.Flags
		s.tcp.Window = next.tcp.Window
		*sent = (*sent)[1:]
	}
	return &s
}

// cut removes the first n bytes of a GSO packet, which are whole segments, and returns them.
func (s *sent) cut(n int) *sent {
	first := *s
	first.data = s.data[:n:n]
	first.tcp.Flags &^= wire.PSH | wire.FIN
	s.data = s.data[n:]
	s.tcp.Seq += uint32(n)
	s.tcp.Flags &^= wire.CWR
	return &first
}

// compare describes the first difference between d and s, or returns "".
func (r *runner) compare(d *departure, s *sent) string {
	n := &s.flow.numbers
	same := s.incarnation == s.flow.incarnation
	if same && d.flags.Has(wire.SYN) && s.tcp.Flags.Has(wire.SYN) {
		n.learn(d.seq)
	}
	got := s.script()
	switch {
	case got.flags != d.flags && !(r.s.settings.anyPush && got.flags^d.flags == wire.PSH):
		return "the flags differ"
	case got.seq != d.seq:
		return "the sequence number differs"
	case got.length != d.length:
		return "the length differs"
	case got.ack != d.ack:
		return "the acknowledgment number differs"
	case d.hasWindow && got.window != d.window:
		return "the window differs"
	case got.urgent != d.urgent:
		return "the urgent pointer differs"
	case !d.ecn.matches(codepointOf(s.ecn)):
		return "the ECN field differs"
	}
	first := s.tcp.Seq
	if s.tcp.Flags.Has(wire.SYN) {
		first++
	}
	if i := misplaced(s.data, first); i >= 0 {
		return fmt.Sprintf("byte %d of the data is wrong", i)
	}
	if d.anyOptions {
		if o := &s.tcp.Options; o.HasTimestamps && !n.stamped {
			n.learnStamp(0, o.TSVal, s.at) // the origin, as the script gives no number
		}
		return ""
	}
	if len(d.options) != len(s.options) {
		return "the options differ"
	}
	for i, want := range d.options {
		o := got.options[i]
		if o.kind == kindTimestamps {
			o = s.options[i]
		}
		if want.kind == kindTimestamps && o.kind == kindTimestamps && len(o.numbers) == 2 {
			if !r.sameStamp(n, want.numbers, o.numbers, s.at) {
				return "the timestamps differ"
			}
			continue
		}
		if o.kind != want.kind || o.raw || want.raw || o.bytes != want.bytes || !slices.Equal(o.numbers, want.numbers) {
			return "the options differ"
		}
	}
	return ""
}

// sameStamp reports whether timestamps match. The first of ours defines the script's origin. Later ones are compared
// only if the length of the script's tick is known.
func (r *runner) sameStamp(n *numbering, want, got []uint32, at conn.Time) bool {
	if want[1] != got[1] {
		return false
	}
	n.learnStamp(want[0], got[0], at)
	tick := r.s.settings.tick
	if tick == 0 {
		return true
	}
	elapsed := time.Duration(want[0]-n.scriptStamp) * tick
	ours := time.Duration(got[0]-n.stamp) * time.Millisecond
	return (elapsed - ours).Abs() <= max(r.s.settings.tolerance, max(tick, time.Millisecond)-1)
}
