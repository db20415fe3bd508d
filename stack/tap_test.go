package stack

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack/internal/frame"
	"minitcp/stack/stacktest"
)

// tapped is a Tap that records frames.
type tapped struct {
	mu    sync.Mutex
	lines []string
}

func (t *tapped) tap(f *Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what := "in "
	if f.Outgoing {
		what = "out "
	}
	_, tcp, data, ok := stacktest.Segment(bytes.Join(f.Parts, nil))
	if !ok {
		t.lines = append(t.lines, what+"other "+f.State.String())
		return
	}
	t.lines = append(t.lines, fmt.Sprint(what, tcp.Flags, " ", len(data), " ", f.State))
}

func (t *tapped) want(tt *testing.T, want ...string) {
	tt.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(t.lines, want) {
		tt.Errorf("saw  %q\nwant %q", t.lines, want)
	}
	t.lines = nil
}

// Every frame once, whatever became of it, and none before the one it answers.
func TestTap(t *testing.T) {
	within(t, func(t *testing.T) {
		var seen tapped
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Tap: seen.tap})
		c, s := p.connect(p.listen())
		seen.want(t, "in SYN 0 CLOSED", "out SYN,ACK 0 SYN-RECEIVED", "in ACK 0 SYN-RECEIVED")
		write(t, c, "hello")
		wantRead(t, s, "hello")
		c.CloseWrite()
		wantEOF(t, s)
		s.Close()
		quiet()
		seen.want(t, "in PSH,ACK 5 ESTABLISHED", "in FIN,ACK 0 ESTABLISHED", "out ACK 0 CLOSE-WAIT",
			"out FIN,ACK 0 LAST-ACK", "in ACK 0 LAST-ACK")
		p.db.Inject(packet(segmentSpec{flags: wire.ACK}))
		quiet()
		seen.want(t, "in ACK 0 CLOSED", "out RST 0 CLOSED")
		p.db.Inject(packet(segmentSpec{flags: wire.SYN})[:20])
		p.db.Inject(ipPacket(addressesA[0].Addr(), addressesB[0].Addr(), wire.ProtocolUDP, emptyDatagram()))
		quiet()
		seen.want(t, "in other CLOSED", "in other CLOSED", "out other CLOSED")
		stats := p.b.Stats()
		if stats["frames-received"] != 8 || stats["frames-sent"] != 5 {
			t.Errorf("%d frames in, %d out", stats["frames-received"], stats["frames-sent"])
		}
	})
}

// Observers of frames come and go while the stack runs, beside Config.Tap.
func TestObserveFrames(t *testing.T) {
	within(t, func(t *testing.T) {
		var always, sometimes tapped
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Tap: always.tap})
		c, s := p.connect(p.listen())
		always.want(t, "in SYN 0 CLOSED", "out SYN,ACK 0 SYN-RECEIVED", "in ACK 0 SYN-RECEIVED")
		stop := p.b.Observe(Observer{Frame: sometimes.tap})
		write(t, c, "hello")
		wantRead(t, s, "hello")
		quiet()
		stop()
		always.want(t, "in PSH,ACK 5 ESTABLISHED")
		sometimes.want(t, "in PSH,ACK 5 ESTABLISHED")
		s.CloseWrite()
		wantEOF(t, c)
		quiet()
		always.want(t, "out FIN,ACK 0 FIN-WAIT-1", "in ACK 0 FIN-WAIT-1")
		sometimes.want(t)
	})
}

// No frame is larger than a packet while frames are observed.
func TestObserveFramesLimit(t *testing.T) {
	l := newLone(t, Config{Near: prefixes("10.77.0.0/16")})
	limit := l.wantFrameLimit(t)
	limit(256 << 10)
	stop := l.s.Observe(Observer{Frame: func(*Frame) {}})
	limit(frame.Superframe)
	stop()
	limit(256 << 10)
}
