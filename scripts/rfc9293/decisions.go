package main

// decisions is the part of the document about behaviour that RFC 9293 and its extensions leave open, or that other
// implementations have decided differently.
const decisions = `
## Decided

Behaviour that the RFCs leave open, or that other implementations have decided differently.

| case | decision and reason | shown by |
|---|---|---|
| data after the receiving direction is shut down | acknowledged and discarded, as on Linux: a RST would also end the other direction, which is in use | [closing/shutdown-read](script/testdata/closing/shutdown-read.pkt) |
| data after close | RST at SEG.ACK: the data will never be read (SHLD-3), and the peer accepts this number whether our FIN has arrived or not | [closing/data-after-close](script/testdata/closing/data-after-close.pkt), [resets/data-crosses-fin](script/testdata/resets/data-crosses-fin.pkt) |
| a FIN into a closed window | accepted if it is next in sequence: it needs no memory, and some peers repeat it with every ACK until it is acknowledged | [windows/fin-closed](script/testdata/windows/fin-closed.pkt), [windows/fin-at-edge](script/testdata/windows/fin-at-edge.pkt) |
| data beyond the window | cut off at the window's edge, and answered with an ACK if nothing is left: the part inside need not be sent again | [windows/beyond](script/testdata/windows/beyond.pkt) |
| a segment that a SACK block covers in part | not taken for delivered: receivers keep whole segments, and blocks that end inside them would cost a record for each byte (CVE-2019-11478) | [recovery/sack-in-part](script/testdata/recovery/sack-in-part.pkt) |
| an ACK below SND.UNA with SACK blocks | the blocks count, within the window of RFC 5961 5.2: they report data that has arrived, in whatever order the ACKs do. The round trip of RACK is that of the newest transmission among them | [recovery/sack-below-una](script/testdata/recovery/sack-below-una.pkt) |
`
