package conn

import (
	"io"
	"time"
)

var errEOF = io.EOF

// gsoLimit is a limit for Transmit that permits GSO packets, as in package stack.
const gsoLimit = 65535 - 100

const ms = time.Millisecond
