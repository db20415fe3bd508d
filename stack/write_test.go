package stack

import (
	"bytes"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"minitcp/stack/internal/frame"
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

// One large Write leaves in full segments, except for its end.
//
// Shows: SHLD-28.
func TestWriteFillsSegments(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		go c.Write(pattern(2, 4<<20)) // until the congestion window is no limit
		wantBytes(t, s, pattern(2, 4<<20))
		var seen sizes
		p.da.SetHook(seen.hook)
		const n = 700_000
		go func() { c.Write(pattern(1, n)) }()
		wantBytes(t, s, pattern(1, n))
		mss := c.Info().MSS
		for i, size := range seen.list {
			if last := i == len(seen.list)-1; (size%mss != 0) != last {
				t.Errorf("frame %d of %d has %d bytes, the MSS is %d", i+1, len(seen.list), size, mss)
			}
		}
	})
}

// So does the data of io.Copy.
//
// Shows: SHLD-28.
func TestCopyFillsSegments(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		go c.Write(pattern(2, 4<<20)) // until the congestion window is no limit
		wantBytes(t, s, pattern(2, 4<<20))
		var seen sizes
		p.da.SetHook(seen.hook)
		const n = 700_000
		go c.ReadFrom(bytes.NewReader(pattern(1, n)))
		wantBytes(t, s, pattern(1, n))
		mss := c.Info().MSS
		for i, size := range seen.list {
			if last := i == len(seen.list)-1; (size%mss != 0) != last {
				t.Errorf("frame %d of %d has %d bytes, the MSS is %d", i+1, len(seen.list), size, mss)
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
			t.Fatalf("%d bytes were taken", n)
		}
		p.da.SetHook(nil)
		wantBytes(t, s, pattern(1, 1<<20)[:n])
	})
}

// A source that always has more is asked for as much as fills the largest superframe, and where the device takes none
// larger than a packet, for that much. One that may have to be waited for is asked for a segment first.
func TestReadFromAsksForMore(t *testing.T) {
	for _, c := range []struct {
		big  int
		want []int // kB that are asked for
	}{
		{frame.Superframe, []int{1, 65, 65, 65, 1, 65, 65}},
		{frame.Superframe + 1, []int{1, 65, 262, 262, 1, 65, 262}},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{Near: prefixes("10.77.0.0/24")})
			client, server := p.connect(p.listen())
			p.a.frameLimit.Big = c.big
			source := &greedy{gives: []int{1 << 20, 1 << 20, 1 << 20, 100, 1 << 20, 1 << 20, 0}}
			go func() {
				client.ReadFrom(source)
				client.Close()
			}()
			n, err := io.Copy(io.Discard, server)
			if err != nil || n != source.given {
				t.Errorf("%d bytes, %v; want %d", n, err, source.given)
			}
			if !slices.Equal(source.asked, c.want) {
				t.Errorf("with frames of up to %d it was asked for %v kB, want %v", c.big, source.asked, c.want)
			}
			server.Close()
		})
	}
}

// greedy is a Reader that returns a limited number of bytes in each call, then io.EOF, and records the sizes asked for.
type greedy struct {
	gives []int
	asked []int // kB
	given int64
}

func (g *greedy) Read(b []byte) (int, error) {
	g.asked = append(g.asked, len(b)/1000)
	n := min(len(b), g.gives[0])
	if n == 0 {
		return 0, io.EOF
	}
	g.gives = g.gives[1:]
	g.given += int64(n)
	return n, nil
}
