// Package ladder draws TCP connections as textbooks do: a vertical line for each end, and an arrow between them for
// every segment.
//
//	#1  minitcp 10.77.0.2:80                                                      kernel 10.77.0.1:51822
//	#1         ms        LISTEN |                                                         | CLOSED
//	#1      0.000  SYN-RECEIVED |<-- SYN seq 0 win 64240 mss 1460 scale 10 ---------------| SYN-SENT
//	#1      0.041               |--- SYN,ACK seq 0 ack 1 win 65535 mss 1460 scale 7 ----->| ESTABLISHED
//	#1      0.120   ESTABLISHED |<-- ACK seq 1 ack 1 win 64512 ---------------------------|
//
// A line has the number of the connection, because several may be drawn at once; the time since its first segment, in
// milliseconds; this side's state if it has changed; the segment; and the peer's state if it is known and has changed.
// States are those after the segment was sent or received, as in the figures of RFC 9293. Sequence numbers count from
// the initial ones, and windows are in bytes. A number marked "raw" is the one in the header, because the initial
// number is not known. A GSO packet (superframe) is one arrow, labelled with the number of its segments. If a line is
// too narrow, the window and the options are left out.
//
// With Options.Page, a ladder is a page of HTML with the same lines as pictures in SVG.
//
// An X instead of an arrow's head marks a segment that was not used. In the middle of the line, the segment was lost or
// damaged on the way; at the receiver's line, the receiver discarded it.
package ladder
