package buffer

import "math"

// Level is a degree of memory pressure.
type Level uint8

const (
	// NoPressure means that buffers may grow up to their limits.
	NoPressure Level = iota
	// Scarce means that windows do not grow. Buffers do not exceed 64 KiB, except for data that they hold and for windows
	// that the connection has already advertised. Data out of order is dropped.
	Scarce
	// Exhausted means that buffers do not exceed 4 KiB, or what [Pressure.BufferShare] permits. Data in order is dropped
	// as well if its connection would then hold more unread data.
	Exhausted
	// Spent means that no connection begins.
	Spent
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
	case Spent:
		return "spent"
	}
	return "unknown"
}

// Pressure limits the memory that connections use together.
type Pressure interface {
	// Level returns the current memory pressure.
	Level() Level
	// Share returns the number of bytes that a send buffer should hold at most if the peer is near. It falls as
	// buffers hold more.
	Share() int
	// BufferShare returns the number of bytes that a buffer should hold at most whose consumer makes the given
	// progress. It falls as more memory is in use. A connection may hold a few KiB however small it is.
	BufferShare(Progress) int
}

// Progress is the progress of the consumer of a buffer: the peer that acknowledges the data of a send buffer, or the
// application that reads the data of a receive buffer.
type Progress uint8

const (
	// Stalled means that the peer has let the retransmission timer expire or keeps its window closed, or the consumer has
	// taken less than half as many bytes in all as the buffer would hold.
	Stalled Progress = iota
	// Moving means that the consumer takes data.
	Moving
)

// String returns "stalled" or "moving".
func (p Progress) String() string {
	if p == Moving {
		return "moving"
	}
	return "stalled"
}

// Level implements [Pressure]. There is none.
func (Heap) Level() Level { return NoPressure }

// Share implements [Pressure]. There is no limit.
func (Heap) Share() int { return math.MaxInt }

// BufferShare implements [Pressure]. There is no limit.
func (Heap) BufferShare(Progress) int { return math.MaxInt }

// Sizes of buffers while memory is scarce.
const (
	// Moderate is the number of bytes that a buffer may hold whose consumer makes progress, unless memory is exhausted.
	Moderate = 64 << 10
	// Small is the number of bytes that a buffer may hold while memory is exhausted, and one whose consumer has made no
	// progress while memory is not scarce: an initial window, in two or three small pages.
	Small = 14 << 10
	// least is the number of bytes that a buffer may hold in any case, three segments, so that each connection makes
	// progress. They lie in two pages at most.
	least = 4 << 10
)

// StalledShare returns the number of bytes that a buffer may hold whatever progress its consumer makes.
func StalledShare(p Pressure) int { return max(p.BufferShare(Stalled), least) }

// MovingShare returns the number of bytes that a buffer may hold because its consumer has taken some: at most twice as
// many, so that a consumer that stalls has cost it as much before. A sender in slow start sends no more than that.
// share is [Pressure.BufferShare] of Moving.
func MovingShare(level Level, share int, taken int64) int {
	proven := 2 * taken
	if level == NoPressure {
		proven = max(proven, Small)
	}
	if level < Exhausted {
		share = max(share, Moderate)
	}
	return int(min(int64(share), proven))
}
