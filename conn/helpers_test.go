package conn

import (
	"io"
	"net/netip"
	"time"
)

var errEOF = io.EOF

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// superframe is a limit for Transmit, as package stack has it.
const superframe = 65535 - 100

const ms = time.Millisecond
