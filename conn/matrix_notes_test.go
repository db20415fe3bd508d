package conn

import "slices"

// matrixNote gives the reason for a difference between what happens and what RFC 9293 says. Empty sets mean any.
type matrixNote struct {
	mark                              byte
	groups, flags, places, data, acks []string
	remark                            bool // about cells that do not differ in what is compared
	reason                            string
}

// set is a set of names in a note.
func set(names ...string) []string { return names }

var matrixNotes = []matrixNote{
	{mark: 'a', groups: set("LISTEN", "TIME-WAIT"), flags: set("SYN,FIN"), reason: `A SYN that carries FIN opens nothing, though T/TCP once gave it a meaning: only scanners send it. In TIME-WAIT it is a
segment like others, and does not end the waiting for a listener that would drop it.`},
	{mark: 'b', groups: set("LISTEN"), flags: set("SYN"), data: set("10"), remark: true, reason: `The data is not kept, as the RFC would have it ("queued for processing later"): the SYN may be forged, and memory for
strangers is what a flood wants. It is not acknowledged either, so the peer sends it again.`},
	{mark: 'c', groups: set("SYN-SENT"), flags: set("SYN", "SYN,FIN"), remark: true, reason: `Data and FIN of a SYN that crossed ours are not kept, as in b.`},
	{mark: 'd', groups: set("SYN-RECEIVED, passive", "SYN-RECEIVED, active"), flags: set("SYN", "SYN,FIN"), places: set("IRS"),
		reason: `The peer's own SYN again: our SYN-ACK was lost. A plain ACK, as for any segment left of the window, would tell it
nothing in SYN-SENT; the SYN-ACK completes its handshake a timeout earlier. It is not a new SYN either, even with data
that reaches into the window.`},
	{mark: 'e', groups: set("SYN-RECEIVED, passive"), flags: set("SYN", "SYN,FIN", "SYN,ACK"), places: set("IRS", "edge", "inside"),
		reason: `Instead of going back to LISTEN: what RFC 5961 4 says of synchronized states. Whoever guesses a number in the window
could end a stranger's handshake with a SYN; with a challenge ACK a peer that really began anew answers with a RST.`},
	{mark: 'f', groups: set("SYN-RECEIVED, active"), flags: set("SYN,ACK"), places: set("IRS"), reason: `The SYN-ACK that crosses ours in figure 8 has the number of the SYN that was taken already: by the letter of the
sequence check it is dropped, and both ends would wait for a timeout. Its ACK field, and what follows the SYN, count.`},
	{mark: 'g', groups: set("CLOSE-WAIT", "CLOSING", "LAST-ACK"), flags: set("FIN,ACK"), places: set("edge", "inside"),
		reason: `A second FIN, beyond the first: the RFC's eighth step would advance RCV.NXT over it, and acknowledge an octet that cannot
be. It is ignored, like text there.`},
	{mark: 'h', groups: set("TIME-WAIT"), flags: set("FIN,ACK"), places: set("edge"), reason: `As g. The ACK says where we are.`},
	{mark: 'i', groups: set("TIME-WAIT"), flags: set("none", "FIN", "ACK", "PSH,ACK", "URG,ACK"), places: set("edge", "inside"),
		reason: `What remains of a connection does not know the window of its stream's data, of which there can be no more, nor does it look
at the ACK field: any segment but an empty one at RCV.NXT is answered by an ACK, a few in five seconds.`},
	{mark: 'k', groups: set("CLOSE-WAIT", "CLOSING", "LAST-ACK"), flags: set("RST", "RST,ACK", "all"), places: set("FIN again"), data: set("no"),
		reason: `After its FIN, Darwin sends a RST with the number of the FIN itself. It is accepted, as on Linux since 4.12.`},
	{mark: 'l', groups: set("ESTABLISHED, window closed"), flags: set("FIN,ACK"), places: set("edge"), data: set("no"),
		reason: `A FIN that is next in sequence needs no memory: it is taken although the window has no room for its number.`},
	{mark: 'm', groups: set("SYN-SENT"), flags: set("ACK", "PSH,ACK", "URG,ACK", "FIN,ACK", "SYN,ACK"), acks: set("ancient", "old", "current", "too new"),
		reason: `Behind the RST, which ends an old connection that the peer still has, the SYN follows once more at once instead of after the
retransmission timeout (as on Linux).`},
	{mark: 'j', groups: set("TIME-WAIT"), flags: set("RST", "RST,ACK", "all"), reason: `TIME-WAIT is not assassinated: a RST is ignored (RFC 1337 3, fix F1).`},
}

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

const matrixPreface = `What every state does with every kind of segment. Written by go test ./conn -run TestMatrix -update; review what changes.

Reading. A row says: a segment with one of these flags, which begins there, with so many octets of data and this
acknowledgment, is answered by that, leaves the connection in that state, and is counted under that verdict. An empty
column is that of the row above. "any" is every value there is. "-" is no answer; "later" is the delayed ACK.

  begins      left         wholly before RCV.NXT
              straddling   before RCV.NXT; with 10 octets of data it ends behind it
              IRS          at the number of the peer's SYN
              FIN again    so that its FIN, if it has one, is where the peer's FIN was
              edge         at RCV.NXT
              inside       in the window, beyond RCV.NXT
              last         at the last octet of the window
              right        beyond the window

  acknowledges  ancient    less than SND.UNA-MAX.SND.WND
                old        less than SND.UNA
                current    SND.UNA
                part       all data in flight, but not our FIN
                new        everything in flight
                too new    what was never sent

  flags       "all" is FIN, SYN, RST, PSH, ACK, URG, ECE and CWR. The acknowledgment of a segment without ACK is no number at all.

Every cell is compared with a transcription of RFC 9293 3.10.7 and RFC 5961 (matrix_rfc_test.go): the answer, the state,
and also how far SND.UNA moves, how much data the application gets and whether it learns of urgent data. Where the two
differ the row has a letter before the answer, and the reason stands under that letter at the end.
`
