package fastopen

import "minitcp/conn/wire"

// Offer is the part of a SYN that Fast Open concerns.
type Offer struct {
	// Option has a cookie, with which the SYN carries data, or requests one. Without Fast Open it is the zero value.
	Option wire.FastOpen
	// MSS is the server's MSS option when it sent the cookie, 0 if there was none.
	MSS uint16
}
