//go:build !unix

package rawread

import (
	"io"
	"sync"
)

// socket is not used: a system without read(2) reads into memory that it holds while it waits.
type socket struct{}

func socketOf(io.Reader) *socket { return nil }

func (*socket) read(*sync.Pool, int) (*[]byte, int, error) { panic("rawread: there is no socket") }
