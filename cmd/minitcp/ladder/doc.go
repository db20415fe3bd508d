// Package ladder draws TCP connections the way lessons draw them: two vertical lines, one for each end, and an arrow
// between them for every segment.
//
//	#1  minitcp 10.77.0.2:80                                                      kernel 10.77.0.1:51822
//	#1         ms        LISTEN |                                                         | CLOSED
//	#1      0.000  SYN-RECEIVED |<-- SYN seq 0 win 64240 mss 1460 scale 10 ---------------| SYN-SENT
//	#1      0.041               |--- SYN,ACK seq 0 ack 1 win 65535 mss 1460 scale 7 ----->| ESTABLISHED
//	#1      0.120   ESTABLISHED |<-- ACK seq 1 ack 1 win 64512 ---------------------------|
//
// A line holds the number of the connection, so that many may be drawn at once; the time since its first segment, in
// milliseconds; this side's state when it has changed; the segment; and the peer's state where somebody knows it.
// States are those after the segment has left or arrived, as in the figures of RFC 9293. Sequence numbers count from the
// initial ones, and windows are in octets. A number marked "raw" is as on the wire: the initial one is not known. Of a
// superframe the number of its segments is told. Where there is no room for all, the window and options are left out.
//
// An X instead of an arrow's head says that the segment was of no use: in the middle, that it was lost or damaged on
// the way; at the receiver's line, that it was thrown away there.
package ladder
