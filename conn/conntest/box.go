package conntest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"minitcp/conn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Box is a middlebox, or an unusual or hostile peer. It changes headers of segments as they arrive, and forges ICMP
// errors. Its zero value changes nothing. SYNs are changed by AccECN only. Probabilities are from 0 to 1.
type Box struct {
	// Strip is the probability that the timestamps of a segment are removed.
	Strip   float64
	StripOf string        // name of the end whose segments are changed, or "" for both
	StripAt time.Duration // time from which segments are changed

	Shrinks  []Shrink
	ShrinkOf string // name of the end whose windows shrink, or "" for both

	// SACK is the probability that SACK blocks of an ACK are replaced by invented ones.
	SACK   float64
	SACKOf string // name of the end whose ACKs are changed, or "" for both

	// ICMP is the probability that a forged ICMP error, which quotes a number in flight, arrives with a segment.
	ICMP float64
	// MTU is the size in bytes in a forged Packet Too Big. A negative MTU means a random size up to its absolute value.
	MTU int

	// Blind is the probability that a segment of a third party arrives before a segment. The third party knows the
	// addresses and ports, but neither the exact sequence number nor an acceptable acknowledgment number.
	Blind float64

	AccECN AccurateBox // changes SYNs too
}

// Shrink is a period during which no window field exceeds Field.
type Shrink struct {
	From, To time.Duration
	Field    uint16
}

// on reports whether the box changes anything.
func (b *Box) on() bool {
	return b.Strip > 0 || len(b.Shrinks) > 0 || b.SACK > 0 || b.ICMP > 0 || b.Blind > 0 || b.AccECN.on()
}

// String lists the active parts of the box, or returns "".
func (b Box) String() string {
	var parts []string
	if b.Strip > 0 {
		parts = append(parts, fmt.Sprintf("strips %g of timestamps of %q from %v", b.Strip, b.StripOf, b.StripAt))
	}
	if len(b.Shrinks) > 0 {
		parts = append(parts, fmt.Sprintf("shrinks windows of %q %+v", b.ShrinkOf, b.Shrinks))
	}
	if b.SACK > 0 {
		parts = append(parts, fmt.Sprintf("invents SACK blocks of %q in %g", b.SACKOf, b.SACK))
	}
	if b.ICMP > 0 {
		parts = append(parts, fmt.Sprintf("forges ICMP errors %g MTU %d", b.ICMP, b.MTU))
	}
	if b.Blind > 0 {
		parts = append(parts, fmt.Sprintf("injects blind segments %g", b.Blind))
	}
	if b.AccECN.on() {
		parts = append(parts, b.AccECN.String())
	}
	return strings.Join(parts, ", ")
}

// shrinks returns the Shrink that applies to e's windows, or nil.
func (b *Box) shrinks(e *End, now conn.Time) *Shrink {
	for i := range b.Shrinks {
		s := &b.Shrinks[i]
		if of(b.ShrinkOf, e) && now >= conn.Time(s.From) && now < conn.Time(s.To) {
			return s
		}
	}
	return nil
}

// of reports whether a name in a Box selects the end e.
func of(name string, e *End) bool { return name == "" || name == e.Name }

// change applies the box to an arriving segment.
func (b *Box) change(p *Pair, k *packet) {
	h := &k.seg.TCP
	if b.AccECN.on() && of(b.AccECN.Of, k.from) {
		b.AccECN.change(h)
	}
	if !b.on() || h.Flags.Has(wire.SYN) || h.Flags.Has(wire.RST) {
		return
	}
	r := p.boxRand
	if o := &h.Options; b.Strip > 0 && of(b.StripOf, k.from) && p.Now >= conn.Time(b.StripAt) && r.Float64() < b.Strip {
		o.HasTimestamps, o.TSVal, o.TSEcr = false, 0, 0
	}
	if s := b.shrinks(k.from, p.Now); s != nil {
		h.Window = min(h.Window, s.Field)
	}
	if b.SACK > 0 && of(b.SACKOf, k.from) && k.to.sacks() && r.Float64() < b.SACK {
		b.invent(r, &k.to.Monitor, h)
	}
	if b.ICMP > 0 && r.Float64() < b.ICMP {
		b.forge(p, k.to, r)
	}
	if b.Blind > 0 && r.Float64() < b.Blind {
		b.inject(p, k.to, r)
	}
}

// sacks reports whether e has a connection that uses SACK.
func (e *End) sacks() bool {
	return e.Conn != nil && !e.over && e.TimeWait == nil && e.Conn.Info(0).SACK
}

// invent replaces SACK blocks of an ACK to m's end by random ranges, single bytes with gaps, unsent numbers,
// acknowledged numbers or arbitrary numbers.
func (b *Box) invent(r *rand.Rand, m *Monitor, h *wire.TCP) {
	o := &h.Options
	limit := len(o.SACK)
	if o.HasTimestamps {
		limit--
	}
	ack := seq.Unwrap(m.iss, m.Next, h.Ack)
	flight := max(1, int64(m.Next-ack))
	kind := r.IntN(5)
	at := ack + seq.Offset(r.Int64N(flight))
	for n := range 1 + r.IntN(limit) {
		left, right := at, at+1
		switch kind {
		case 0: // ranges of the data in flight
			left = ack + seq.Offset(r.Int64N(flight))
			right = left + 1 + seq.Offset(r.Int64N(flight))
			right = min(right, max(m.Next, left+1))
		case 1: // every other byte
			left = at + seq.Offset(2*n)
			right = left + 1
		case 2: // above SND.NXT
			left = m.Next + seq.Offset(r.Int64N(100_000))
			right = left + 1 + seq.Offset(r.Int64N(3000))
		case 3: // a D-SACK
			right = ack - seq.Offset(r.Int64N(3000))
			left = right - 1 - seq.Offset(r.Int64N(3000))
		case 4: // arbitrary numbers
			left, right = seq.Offset(r.Uint32()), seq.Offset(r.Uint32())
		}
		o.SACK[n] = wire.SACKBlock{Left: seq.Wire(m.iss, left), Right: seq.Wire(m.iss, right)}
		o.SACKCount = max(o.SACKCount, uint8(n+1))
	}
}

// forge delivers a forged ICMP error to e that quotes a number in flight. Before ESTABLISHED it does nothing, because
// an error may end a connection attempt.
func (b *Box) forge(p *Pair, e *End, r *rand.Rand) {
	if e.Conn == nil || e.over || e.TimeWait != nil || e.Conn.State() < conn.Established {
		return
	}
	i := e.Conn.Info(p.Now)
	if i.InFlight == 0 {
		return
	}
	x := conn.ICMPError{Kind: pick(&generator{r}, conn.ICMPSoft, conn.ICMPHard, conn.ICMPTooBig), Err: conn.ErrRefused}
	x.Seq = seq.Wire(e.Monitor.iss, e.Monitor.Next-1-seq.Offset(r.Int64N(i.InFlight)))
	if x.MTU = b.MTU; b.MTU < 0 {
		x.MTU = r.IntN(-b.MTU)
	}
	e.Monitor.Called()
	e.Conn.ReceiveICMP(p.Now, x)
	p.check(e.Conn.Check(), e)
	if i := e.Conn.Info(p.Now); i.MSS < min(int(e.Conn.Info(p.Now).AdvertisedMSS), minPathMTU-e.Open.IPHeader-20-12) {
		p.check(fmt.Errorf("a forged ICMP error makes segments of %d bytes", i.MSS), e)
	}
}

// minPathMTU is the smallest path MTU in bytes that an ICMP error may set, Linux's min_pmtu.
const minPathMTU = 552

// inject delivers a segment of a third party to e. It must change neither the state nor the data, and cause no reply
// except an ACK (RFC 5961). Before ESTABLISHED it does nothing.
func (b *Box) inject(p *Pair, e *End, r *rand.Rand) {
	if e.Conn == nil || e.over || e.TimeWait != nil || e.Conn.State() < conn.Established {
		return
	}
	before := e.Conn.Info(p.Now)
	next := seq.Offset(1 + len(e.Received) + before.Unread) // or one more, after the FIN
	at := next + seq.Offset(r.Int64N(100_000)) - 50_000
	if at >= next-1 && at <= next+1 {
		at += 1000
	}
	ack := e.Monitor.Next + 1 + seq.Offset(r.Int64N(1<<30))
	if r.IntN(2) == 0 {
		ack -= 1<<30 + 1<<29 + 2
	}
	s := conn.Segment{TCP: wire.TCP{Seq: seq.Wire(e.Monitor.irs, at), Ack: seq.Wire(e.Monitor.iss, ack), Window: uint16(r.Uint32())}}
	switch r.IntN(5) {
	case 0:
		s.TCP.Flags = wire.RST
	case 1:
		s.TCP.Flags = wire.RST | wire.ACK
	case 2:
		s.TCP.Flags = wire.SYN
	case 3:
		s.TCP.Flags = wire.FIN | wire.ACK
	default:
		s.TCP.Flags = wire.ACK
		s.Data = make([]byte, r.IntN(3000))
	}
	e.Monitor.Challenged()
	e.Conn.Receive(p.Now, &s)
	p.check(e.Conn.Check(), e)
	if after := e.Conn.Info(p.Now); after.State != before.State || after.Unread != before.Unread || after.InFlight != before.InFlight {
		p.check(fmt.Errorf("a blind segment with %v at %d, ACK %d, changed the connection", s.TCP.Flags, at-next, ack-e.Monitor.Next), e)
	}
}
