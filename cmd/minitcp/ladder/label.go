package ladder

import (
	"fmt"
	"strconv"
	"strings"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// segment is the text of a line with an arrow.
type segment struct {
	time       string
	ours, peer string   // states, "" if unchanged
	label      []string // the most important first
	must       int      // number of labels that must not be left out
	note       string
	outgoing   bool
	outcome    outcome
	kind       kind
}

// outcome is the place that the segment reached.
type outcome uint8

const (
	arrived  outcome = iota
	rejected         // discarded by the receiver
	lost             // lost or damaged on the way
)

// kind selects the colour of a segment.
type kind uint8

const (
	plain kind = iota
	opening
	closing
	trouble // retransmitted, out of order or unacceptable
	failure
)

// describe returns the text of a segment and records its numbers.
func (c *connection) describe(v *stack.TraceEvent) segment {
	c.learn(v)
	from, to := &c.sides[theirs], &c.sides[ours]
	if v.Outgoing {
		from, to = to, from
	}
	h := &v.TCP
	s := segment{outgoing: v.Outgoing, note: v.Note, outcome: outcomeOf(v)}
	takesNumbers := v.Len > 0 || h.Flags&(wire.SYN|wire.FIN) != 0
	switch {
	case s.outcome == lost && takesNumbers:
		from.markLost(h.Seq)
	case s.outcome != lost && takesNumbers && from.retransmitted(h.Seq) && s.note == "":
		s.note = "retransmission" // of the peer; the stack notes those of this side
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
	s.add(h.Options.AccECN.String())
	if !h.Flags.Has(wire.RST) { // the window of a RST has no meaning
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

func (s *segment) add(text string) {
	if text != "" {
		s.label = append(s.label, text)
	}
}

// number returns the text of a sequence number of a side, relative to the initial one if that is known.
func number(name string, n uint32, of *side) string {
	if of.isnKnown {
		return name + " " + strconv.FormatUint(uint64(n-of.isn), 10)
	}
	if n == 0 {
		return name + " 0"
	}
	return name + " raw " + strconv.FormatUint(uint64(n), 10)
}

// window returns the window in bytes if both SYNs were seen to have a window scale, else the number in the header
// [RFC 7323 2.2].
func window(h *wire.TCP, from, to *side) int64 {
	if from.scaled && to.scaled && !h.Flags.Has(wire.SYN) {
		return int64(h.Window) << from.scale
	}
	return int64(h.Window)
}

// outcomeOf returns the outcome of a segment.
func outcomeOf(v *stack.TraceEvent) outcome {
	switch {
	case !v.Dropped:
		return arrived
	case v.Outgoing, strings.HasPrefix(v.Note, "lost"), strings.HasPrefix(v.Note, "damaged"):
		return lost
	}
	return rejected
}

// kindOf returns the kind of a segment.
func kindOf(s *segment, h *wire.TCP) kind {
	switch {
	case s.outcome == lost, h.Flags.Has(wire.RST):
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
