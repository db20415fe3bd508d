package conn

import "slices"

// matrixNote is the reason for a deviation from RFC 9293. An empty set means any.
type matrixNote struct {
	mark                              byte
	groups, flags, places, data, acks []string
	remark                            bool // whether the note is for cells without a compared difference
	reason                            string
}

// set returns a set of names.
func set(names ...string) []string { return names }

var matrixNotes = []matrixNote{
	{mark: 'a', groups: set("LISTEN", "TIME-WAIT"), flags: set("SYN,FIN"), reason: `A SYN with FIN opens no connection. T/TCP gave it a meaning; today only scanners send it. In TIME-WAIT it is treated like
any other segment, and does not end TIME-WAIT for a listener that would drop it.`},
	{mark: 'b', groups: set("LISTEN"), flags: set("SYN"), data: set("10"), remark: true, reason: `The data of a SYN is not kept. The RFC has it "queued for processing later", but the source address of a SYN may be forged,
and a flood would fill the memory. It is not acknowledged either, so the peer retransmits it.`},
	{mark: 'c', groups: set("SYN-SENT"), flags: set("SYN", "SYN,FIN"), remark: true, reason: `Data and FIN of a SYN that crossed ours are not kept, as in b.`},
	{mark: 'd', groups: set("SYN-RECEIVED, passive", "SYN-RECEIVED, active"), flags: set("SYN", "SYN,FIN"), places: set("IRS"),
		reason: `The peer retransmits its SYN because our SYN-ACK was lost. A plain ACK, as for other segments left of the window, would be
ignored in SYN-SENT. The SYN-ACK completes the handshake a timeout earlier. The SYN is not a new one either, even with data
that reaches into the window.`},
	{mark: 'e', groups: set("SYN-RECEIVED, passive"), flags: set("SYN", "SYN,FIN", "SYN,ACK"), places: set("IRS", "edge", "inside"),
		reason: `The handshake does not return to LISTEN but follows RFC 5961 4 for synchronized states. Otherwise an attacker who guesses a
number in the window could end a handshake with a SYN. A peer that has started anew replies to the challenge ACK with a RST.`},
	{mark: 'f', groups: set("SYN-RECEIVED, active"), flags: set("SYN,ACK"), places: set("IRS"), reason: `The SYN-ACK that crosses ours in figure 8 has the number of the SYN that was accepted before. By the sequence check it would
be dropped, and both ends would wait for a timeout. Its ACK field, and the data after its SYN, are processed.`},
	{mark: 'g', groups: set("CLOSE-WAIT", "CLOSING", "LAST-ACK"), flags: set("FIN,ACK"), places: set("edge", "inside"),
		reason: `A second FIN, above the first. The RFC's eighth step would advance RCV.NXT and acknowledge a number above the first FIN. The
FIN is ignored, as data is there.`},
	{mark: 'h', groups: set("TIME-WAIT"), flags: set("FIN,ACK"), places: set("edge"), reason: `As g. The ACK has the current RCV.NXT.`},
	{mark: 'i', groups: set("TIME-WAIT"), flags: set("none", "FIN", "ACK", "PSH,ACK", "URG,ACK"), places: set("edge", "inside"),
		reason: `A connection in TIME-WAIT has no receive window and does not check the ACK field, as no more data is valid. Any segment
except an empty one at RCV.NXT is answered with an ACK, at a limited rate.`},
	{mark: 'k', groups: set("CLOSE-WAIT", "CLOSING", "LAST-ACK"), flags: set("RST", "RST,ACK", "all"), places: set("FIN again"), data: set("no"),
		reason: `After its FIN, Darwin sends a RST with the sequence number of the FIN. It is accepted, as on Linux since 4.12.`},
	{mark: 'l', groups: set("ESTABLISHED, window closed"), flags: set("FIN,ACK"), places: set("edge"), data: set("no"),
		reason: `A FIN that is next in sequence needs no buffer. It is accepted although its number is outside the closed window.`},
	{mark: 'm', groups: set("SYN-SENT"), flags: set("ACK", "PSH,ACK", "URG,ACK", "FIN,ACK", "SYN,ACK"), acks: set("ancient", "old", "current", "too new"),
		reason: `The RST ends an old connection that the peer still has. The SYN follows it at once, a single time, and not after the
retransmission timeout, as on Linux.`},
	{mark: 'j', groups: set("TIME-WAIT"), flags: set("RST", "RST,ACK", "all"), reason: `A RST does not end TIME-WAIT (RFC 1337 3, fix F1).`},
}

// noteFor returns the mark of the note for a cell, or 0.
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

const matrixPreface = `The reply, new state and verdict for every kind of segment in every state.
Written by go test ./conn -run TestMatrix -update.

Review: every changed cell is a change of behaviour and needs a reason. Check a new letter against its note at the end. A
changed order of rows, or rows that are split or joined without a changed cell, need no reason.

Columns. A row is for segments with one of the flags, at one of the places in the sequence space, with this number of bytes
of data and one of these acknowledgment numbers. It has the reply, the state afterwards, and the verdict. An empty column
repeats that of the row above. "any" is every value. "-" is no reply; "later" is a delayed ACK.

  begins      left         wholly below RCV.NXT
              straddling   below RCV.NXT; ends above it with 10 bytes of data
              IRS          at the sequence number of the peer's SYN
              FIN again    its FIN, if any, is at the number of the peer's FIN
              edge         at RCV.NXT
              inside       in the window, above RCV.NXT
              last         at the last byte of the window
              right        above the window

  acknowledges  ancient    below SND.UNA-MAX.SND.WND
                old        below SND.UNA
                current    SND.UNA
                part       all data in flight, without our FIN
                new        everything in flight
                too new    numbers never sent

  flags       "all" is FIN, SYN, RST, PSH, ACK, URG, ECE and CWR. Without ACK, the acknowledgment number is not valid.

Every cell is compared with a transcription of RFC 9293 3.10.7 and RFC 5961 (matrix_rfc_test.go): the reply, the state,
the advance of SND.UNA, the number of bytes delivered, and the notification of urgent data. In a row with a deviation, a
letter before the reply refers to the reason at the end.
`
