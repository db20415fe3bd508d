package conn

import (
	"io"
	"net/netip"
	"time"
)

var errEOF = io.EOF

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// gsoLimit is a limit for Transmit that permits GSO packets, as in package stack.
const gsoLimit = 65535 - 100

const ms = time.Millisecond
