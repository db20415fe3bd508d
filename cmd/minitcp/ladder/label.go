package ladder

import (
	"fmt"
	"strconv"
	"strings"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// segment is a line with an arrow, in words.
type segment struct {
	time       string
	ours, peer string   // states, "": unchanged
	label      []string // the most important first; those at the end may be left out
	must       int      // how many of them may not
	note       string
	outgoing   bool
	fate       fate
	kind       kind
}

// fate says how far the segment came.
type fate uint8

const (
	arrived  fate = iota
	rejected      // thrown away by the receiver
	wasted        // lost or damaged on the way
)

// kind says what colour it has.
type kind uint8

const (
	plain kind = iota
	opening
	closing
	trouble // again, early, or out of place
	failure
)

// describe puts a segment into words, and learns from it.
func (c *connection) describe(v *stack.TraceEvent) segment {
	c.learn(v)
	from, to := &c.sides[theirs], &c.sides[ours]
	if v.Outgoing {
		from, to = to, from
	}
	h := &v.TCP
	s := segment{outgoing: v.Outgoing, note: v.Note, fate: fateOf(v)}
	takesNumbers := v.Len > 0 || h.Flags&(wire.SYN|wire.FIN) != 0
	switch {
	case s.fate == wasted && takesNumbers:
		from.waste(h.Seq)
	case s.fate != wasted && takesNumbers && from.again(h.Seq) && s.note == "":
		s.note = "retransmission" // the peer's: of ours the stack says so
	}
	s.kind = kindOf(&s, h)
	if v.ECN == wire.CE && s.kind == plain {
		s.kind = trouble
	}

	s.add(h.Flags.String())
	s.add(number("seq", h.Seq, from))
	if h.Flags.Has(wire.ACK) {
		s.add(number("ack", h.Ack, to))
	}
	switch {
	case v.Segments > 1:
		s.add(fmt.Sprintf("len %d (%d segs)", v.Len, v.Segments))
	case v.Len > 0:
		s.add("len " + strconv.Itoa(v.Len))
	}
	if h.Flags.Has(wire.URG) {
		s.add("urg " + strconv.Itoa(int(h.Urgent)))
	}
	if v.ECN == wire.CE {
		s.add("CE")
	}
	s.must = len(s.label)
	if !h.Flags.Has(wire.RST) { // its window says nothing
		s.add("win " + strconv.FormatInt(window(h, from, to), 10))
	}
	o := &h.Options
	if o.MSS > 0 {
		s.add("mss " + strconv.Itoa(int(o.MSS)))
	}
	if o.HasWindowScale {
		s.add("scale " + strconv.Itoa(int(o.WindowScale)))
	}
	for _, b := range o.SACK[:o.SACKCount] {
		s.add(fmt.Sprintf("sack %d-%d", b.Left-to.isn, b.Right-to.isn))
	}
	if v.ECN == wire.ECT0 || v.ECN == wire.ECT1 {
		s.add(v.ECN.String())
	}
	return s
}

func (s *segment) add(text string) { s.label = append(s.label, text) }

// number is a sequence number of a side's, counted from its initial one if that is known.
func number(name string, n uint32, of *side) string {
	if of.isnKnown {
		return name + " " + strconv.FormatUint(uint64(n-of.isn), 10)
	}
	if n == 0 {
		return name + " 0"
	}
	return name + " raw " + strconv.FormatUint(uint64(n), 10)
}

// window is in octets if both sides were seen to agree on scaling, else as on the wire (RFC 7323 2.2).
func window(h *wire.TCP, from, to *side) int64 {
	if from.scaled && to.scaled && !h.Flags.Has(wire.SYN) {
		return int64(h.Window) << from.scale
	}
	return int64(h.Window)
}

func fateOf(v *stack.TraceEvent) fate {
	switch {
	case !v.Dropped:
		return arrived
	case v.Outgoing, strings.HasPrefix(v.Note, "lost"), strings.HasPrefix(v.Note, "damaged"):
		return wasted
	}
	return rejected
}

func kindOf(s *segment, h *wire.TCP) kind {
	switch {
	case s.fate == wasted, h.Flags.Has(wire.RST):
		return failure
	case s.note != "" && s.note != "window update" && s.note != "keep-alive":
		return trouble
	case h.Flags.Has(wire.SYN):
		return opening
	case h.Flags.Has(wire.FIN):
		return closing
	}
	return plain
}
