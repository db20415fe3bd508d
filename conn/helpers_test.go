package conn

import (
	"io"
	"net/netip"
)

var errEOF = io.EOF

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
