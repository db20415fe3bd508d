package buffer

import "math"

// Level is a degree of memory pressure.
type Level uint8

const (
	// NoPressure: buffers may grow up to their limits.
	NoPressure Level = iota
	// Scarce: windows do not grow. Buffers do not exceed 64 KiB, except for data that they hold and for windows that the
	// connection has already advertised. Data out of order is dropped.
	Scarce
	// Exhausted: data in order is dropped as well if its connection would then hold more than 64 KiB of unread data.
	Exhausted
)

// String returns the name of the level in lower case.
func (l Level) String() string {
	switch l {
	case NoPressure:
		return "none"
	case Scarce:
		return "scarce"
	case Exhausted:
		return "exhausted"
	}
	return "unknown"
}

// Pressure limits the memory that connections use together.
type Pressure interface {
	// Level returns the current memory pressure.
	Level() Level
	// Share returns the number of bytes that a send buffer should hold at most if the peer is near. It falls as more
	// memory is in use.
	Share() int
}

// Level implements [Pressure]. There is none.
func (Heap) Level() Level { return NoPressure }

// Share implements [Pressure]. There is no limit.
func (Heap) Share() int { return math.MaxInt }
