package main

// decisions is the part of the document about behaviour that RFC 9293 and its extensions leave open, or that other
// implementations have decided differently.
const decisions = `
## Decided

Behaviour that the RFCs leave open, or that other implementations have decided differently.

| case | decision and reason | shown by |
|---|---|---|
| data after the receiving direction is shut down | acknowledged and discarded, as on FreeBSD: a RST would also end the other direction, which is in use. Linux keeps it for an application that reads nevertheless, and closes the window if none does | [closing/shutdown-read](script/testdata/closing/shutdown-read.pkt) |
| data after close | RST: the data will never be read (SHLD-3). It takes the place of the FIN if only that is unacknowledged, which the peer accepts whether the FIN has arrived or not | [closing/data-after-close](script/testdata/closing/data-after-close.pkt), [resets/data-crosses-fin](script/testdata/resets/data-crosses-fin.pkt), [resets/data-with-old-ack](script/testdata/resets/data-with-old-ack.pkt) |
| the FIN of a peer that closes first | acknowledged at once: the application may close much later, and the peer's close may wait for the ACK (SO_LINGER). Linux waits up to 40 ms for the application's FIN if data has arrived before | [closing/passive](script/testdata/closing/passive.pkt), [closing/fin-with-data-in](script/testdata/closing/fin-with-data-in.pkt) |
| the end of a write, behind which more data waits | no PSH (SHLD-27), as on Linux. The last segment of all data that waits has it, every GSO packet, which holds half of the peer's largest window at most, and of single segments one for each half | [acks/push](script/testdata/acks/push.pkt), [acks/push-half-window](script/testdata/acks/push-half-window.pkt), [conn.TestPushesCollapse](mss_test.go), [conn.TestGSOPacketsHavePSH](transmit_test.go), [conn.TestGSOPacketsOfHalfTheWindow](transmit_test.go) |
| a FIN into a closed window | accepted if it is next in sequence: it needs no memory, and some peers repeat it with every ACK until it is acknowledged | [windows/fin-closed](script/testdata/windows/fin-closed.pkt), [windows/fin-at-edge](script/testdata/windows/fin-at-edge.pkt) |
| data beyond the window | cut off at the window's edge: the part inside need not be sent again. If nothing is left, an ACK follows | [windows/beyond](script/testdata/windows/beyond.pkt) |
| a segment that a SACK block covers in part | not taken for delivered: receivers keep whole segments, and blocks that end inside them would cost a record for each byte (CVE-2019-11478) | [recovery/sack-in-part](script/testdata/recovery/sack-in-part.pkt) |
| an ACK below SND.UNA with SACK blocks | the blocks count, within the window of RFC 5961 5.2: they report data that has arrived, in whatever order the ACKs do. The round trip of RACK is that of the newest transmission among them | [recovery/sack-below-una](script/testdata/recovery/sack-below-una.pkt) |
`
