package conn

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// The matrix has every state against every kind of segment at every place and with every acknowledgment. The effects
// are in testdata/matrix.txt; go test -run TestMatrix -update writes it. Each effect is also compared with
// segmentArrives. If the two differ, a note must give the reason.

const matrixFile = "testdata/matrix.txt"

var matrixFlags = []struct {
	name  string
	flags wire.Flags
}{
	{"none", 0},
	{"FIN", wire.FIN},
	{"ACK", wire.ACK},
	{"PSH,ACK", wire.PSH | wire.ACK},
	{"URG,ACK", wire.URG | wire.ACK},
	{"FIN,ACK", wire.FIN | wire.ACK},
	{"SYN", wire.SYN},
	{"SYN,FIN", wire.SYN | wire.FIN},
	{"SYN,ACK", wire.SYN | wire.ACK},
	{"RST", wire.RST},
	{"RST,ACK", wire.RST | wire.ACK},
	{"all", wire.FIN | wire.SYN | wire.RST | wire.PSH | wire.ACK | wire.URG | wire.ECE | wire.CWR},
}

// matrixData is the bytes of data a segment has.
var matrixData = []struct {
	name   string
	octets seq.Offset
}{{"no", 0}, {"10", 10}}

// cell is one segment to one state.
type cell struct {
	group, flags, place, data, ack string
}

// TestMatrix shows every row of RFC 9293 3.10.7 and of RFC 5961.
//
// Shows: MUST-10, MUST-11, MUST-66, SHLD-2, SHLD-31, MAY-2, MAY-12.
func TestMatrix(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(matrixPreface)
	used := make(map[byte]bool)
	cells := 0
	for _, g := range matrixGroups {
		fmt.Fprintf(&b, "\n%s", g.name)
		if g.about != "" {
			fmt.Fprintf(&b, ": %s", g.about)
		}
		b.WriteString("\n\n")
		rows := tabulate(len(matrixFlags), len(g.places), len(matrixData), len(g.acks), func(flags, place, data, ack int) string {
			cells++
			c := cell{g.name, matrixFlags[flags].name, g.places[place].name, matrixData[data].name, g.acks[ack].name}
			s := g.make(t)
			a := &arriving{flags: matrixFlags[flags].flags, data: matrixData[data].octets}
			a.at = g.places[place].at(&s.tcb, a.data)
			a.ack = g.acks[ack].at(&s.tcb)
			before := s.tcb
			o := s.receive(a)
			e := segmentArrives(&before, a)
			note := noteFor(c, e.differs(&o))
			switch {
			case note != 0:
				used[note] = true
			case e.differs(&o):
				t.Errorf("%+v is not the reaction of RFC 9293", c)
				return formatOutcome(&o, '!') + fmt.Sprintf("  RFC 9293: %q %v, acknowledges %d, takes %d, urgent %v", e.sends, e.next, e.acks, e.takes, e.urgent)
			}
			return formatOutcome(&o, note)
		})
		names := [4]func(int) string{
			func(i int) string { return matrixFlags[i].name },
			func(i int) string { return g.places[i].name },
			func(i int) string { return matrixData[i].name },
			func(i int) string { return g.acks[i].name },
		}
		writeRows(&b, rows, names)
	}
	b.WriteString("\nNotes\n\n")
	for _, n := range matrixNotes {
		if !used[n.mark] {
			t.Errorf("note %c is about no cell", n.mark)
		}
		fmt.Fprintf(&b, "%c  %s\n", n.mark, strings.ReplaceAll(n.reason, "\n", "\n   "))
	}
	fmt.Fprintf(&b, "\n%d cells.\n", cells)
	golden(t, matrixFile, b.Bytes())
}

func formatOutcome(o *outcome, note byte) string {
	mark := " "
	if note != 0 {
		mark = string(note)
	}
	sends := o.sends
	if sends == "" {
		sends = "-"
	}
	if o.delayed {
		sends += " later"
	}
	return strings.TrimRight(fmt.Sprintf("%s %-46s %-12s %-15s %s", mark, sends, o.next, o.verdict, o.effects()), " ")
}
