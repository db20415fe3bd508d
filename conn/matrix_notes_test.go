package conn

import "slices"

import "minitcp/conn/seq"

func seqOffset(n int) seq.Offset { return seq.Offset(n) }

// matrixNote gives the reason for every difference between what happens and what RFC 9293 says. Empty sets mean any.
type matrixNote struct {
	mark                              byte
	groups, flags, places, data, acks []string
	remark                            bool // about cells that do not differ in what is compared
	reason                            string
}

var matrixNotes = []matrixNote{}

// noteFor returns the mark of the note about the cell, 0 if there is none.
func noteFor(c cell, differs bool) byte {
	in := func(set []string, s string) bool { return len(set) == 0 || slices.Contains(set, s) }
	for _, n := range matrixNotes {
		if differs != n.remark && in(n.groups, c.group) && in(n.flags, c.flags) && in(n.places, c.place) &&
			in(n.data, c.data) && in(n.acks, c.ack) {
			return n.mark
		}
	}
	return 0
}

const matrixPreface = ``
