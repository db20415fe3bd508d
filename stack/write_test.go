package stack

import (
	"bytes"
	"os"
	"sync"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// sizes is a hook that writes down how much data each frame carries.
type sizes struct {
	mu   sync.Mutex
	list []int
}

func (s *sizes) hook(frame []byte) stacktest.Fate {
	if _, _, data, ok := stacktest.Segment(frame); ok && len(data) > 0 {
		s.mu.Lock()
		s.list = append(s.list, len(data))
		s.mu.Unlock()
	}
	return stacktest.Pass
}

// One large Write leaves in full segments, but for its end.
//
// Shows: SHLD-28.
func TestWriteFillsSegments(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		go c.Write(pattern(2, 4<<20)) // until the congestion window is no limit
		receiveAll2(t, s, pattern(2, 4<<20))
		var seen sizes
		p.da.SetHook(seen.hook)
		const n = 700_000
		go func() { c.Write(pattern(1, n)) }()
		receiveAll2(t, s, pattern(1, n))
		mss := c.Info().MSS
		for i, size := range seen.list {
			if last := i == len(seen.list)-1; (size%mss != 0) != last {
				t.Errorf("frame %d of %d has %d octets, the MSS is %d", i+1, len(seen.list), size, mss)
			}
		}
	})
}

// So does what is copied.
//
// Shows: SHLD-28.
func TestCopyFillsSegments(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		go c.Write(pattern(2, 4<<20)) // until the congestion window is no limit
		receiveAll2(t, s, pattern(2, 4<<20))
		var seen sizes
		p.da.SetHook(seen.hook)
		const n = 700_000
		go c.ReadFrom(bytes.NewReader(pattern(1, n)))
		receiveAll2(t, s, pattern(1, n))
		mss := c.Info().MSS
		for i, size := range seen.list {
			if last := i == len(seen.list)-1; (size%mss != 0) != last {
				t.Errorf("frame %d of %d has %d octets, the MSS is %d", i+1, len(seen.list), size, mss)
			}
		}
	})
}

// A Write that fails on the way holds nothing back.
//
// Shows: MUST-60.
func TestFailedWriteSendsWhatItTook(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		c.SetWriteBuffer(100_001)
		s.SetReadBuffer(1 << 20)
		p.da.SetHook(silence)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Write(pattern(1, 1<<20))
		wantOpError(t, err, "write", os.ErrDeadlineExceeded)
		if n != 100_001 {
			t.Fatalf("%d octets were taken", n)
		}
		p.da.SetHook(nil)
		receiveAll2(t, s, pattern(1, 1<<20)[:n])
	})
}
