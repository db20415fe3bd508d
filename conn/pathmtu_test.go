package conn

import (
	"testing"

	"minitcp/conn/pmtu"
)

// fallen returns a connection with SACK whose segments have become smaller, that has acknowledged data since, and that
// has data to send. Its next segment is a probe of 1,460 bytes, and the others have 1,160.
func fallen(t *testing.T, control CongestionControl) *endpoint {
	t.Helper()
	o := established(t, Config{Pacing: Disabled, CongestionControl: control})
	o.c.sack = true
	o.write(repeat(1460))
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
	for range 3 {
		o.now = o.c.active.timer.retransmit
		o.c.Advance(o.now)
		o.drain()
	}
	if i := o.c.Info(o.now); i.PathMTU != 1200 || i.PathMTUSource != pmtu.BlackHole {
		t.Fatalf("path MTU %d from %v", i.PathMTU, i.PathMTUSource)
	}
	o.ack(1161)
	o.drain()
	o.ack(1461)
	o.c.active.cc = o.c.newController(20 * 1160)
	return o
}

// probed returns the connection of fallen after the probe and ten segments behind it, and the offset of the probe.
func probed(t *testing.T, control CongestionControl) (o *endpoint, at int64) {
	t.Helper()
	o = fallen(t, control)
	at = int64(o.c.snd.nxt)
	o.write(repeat(1160))
	o.drain()
	o.write(repeat(1460 + 11*1160))
	o.ack(at + 1160)
	at += 1160
	o.want(segment{flags: ack, seq: at, ack: 1, data: repeat(1460)})
	if o.last.Note != NoteMTUProbe || o.last.MayFragment {
		t.Errorf("%v, may be fragmented: %v", o.last.Note, o.last.MayFragment)
	}
	for i := range int64(6) {
		o.want(segment{flags: ack, seq: at + 1460 + 1160*i, ack: 1, data: repeat(1160)})
	}
	o.sleep(100 * ms)
	return o, at
}

// A probe that arrives makes later segments as large.
func TestProbeArrives(t *testing.T) {
	o, at := probed(t, CUBIC)
	window := o.c.congestionWindow()
	o.ack(at + 1460)
	if i := o.c.Info(o.now); i.PathMTU != 1500 || i.MSS != 1460 || i.PathMTUSource != pmtu.Probe || o.c.congestionWindow() < window {
		t.Errorf("path MTU %d from %v, MSS %d, window %d, was %d", i.PathMTU, i.PathMTUSource, i.MSS, o.c.congestionWindow(), window)
	}
}

// The loss of a probe is repaired in full segments, and is no sign of congestion: no controller has a smaller window or
// threshold, and nothing counts as lost.
func TestProbeLossIsNoCongestion(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno, BBR} {
		o, at := probed(t, control)
		window, threshold, lost := o.c.congestionWindow(), o.c.active.cc.SlowStartThreshold(), o.c.active.sent.TotalLost()
		o.ack(at, at+1460, at+1460+6*1160)
		o.want(segment{flags: ack, seq: at, ack: 1, data: repeat(1160)})
		o.want(segment{flags: ack, seq: at + 1160, ack: 1, data: repeat(300)})
		o.drain()
		if w, s := o.c.congestionWindow(), o.c.active.cc.SlowStartThreshold(); w < window || s < threshold || o.c.active.sent.TotalLost() != lost {
			t.Errorf("%v: window %d, was %d; threshold %d, was %d; %d bytes lost, were %d", control, w, window, s, threshold, o.c.active.sent.TotalLost(), lost)
		}
		if i := o.c.Info(o.now); i.PathMTU != 1200 || i.PathEvents.Failed != 1 || o.c.active.recovery.phase != resizing {
			t.Errorf("%v: path MTU %d, %+v, phase %d", control, i.PathMTU, i.PathEvents, o.c.active.recovery.phase)
		}
		o.sleep(100 * ms)
		o.ack(int64(o.c.snd.nxt))
		if o.c.active.recovery.phase != noRecovery || o.c.stats.Spurious != 0 {
			t.Errorf("%v: phase %d, %d spurious episodes", control, o.c.active.recovery.phase, o.c.stats.Spurious)
		}
	}
}

// A probe that is lost with other segments is a sign of congestion, and does not count as a failed probe.
func TestProbeLostWithOthers(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno} {
		o, at := probed(t, control)
		window := o.c.active.cc.Window()
		o.ack(at, at+1460+1160, at+1460+6*1160)
		if i := o.c.Info(o.now); o.c.active.cc.Window() >= window || i.PathEvents.Failed != 0 || o.c.active.recovery.phase != fastRecovery {
			t.Errorf("%v: window %d, was %d; %+v, phase %d", control, o.c.active.cc.Window(), window, i.PathEvents, o.c.active.recovery.phase)
		}
	}
}

// A router reports that the probe was too large. Only the probe is sent again, at once, and the next probe has the size
// reported.
func TestICMPAboutProbe(t *testing.T) {
	o, at := probed(t, CUBIC)
	o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: 1420, Seq: testISS + uint32(at)})
	o.want(segment{flags: ack, seq: at, ack: 1, data: repeat(1160)})
	o.want(segment{flags: ack, seq: at + 1160, ack: 1, data: repeat(300)})
	o.drain()
	if i := o.c.Info(o.now); i.PathMTU != 1200 || i.PathEvents.Failed != 1 || o.c.path.Due(o.now) != 1420 {
		t.Errorf("path MTU %d, %+v, next probe of %d bytes", i.PathMTU, i.PathEvents, o.c.path.Due(o.now))
	}
}

// Nothing is probed unless ten full segments can follow, the congestion window and the peer's have room, and no data is
// lost.
func TestProbeNeedsRoom(t *testing.T) {
	for name, prepare := range map[string]func(o *endpoint, at int64){
		"little data": func(o *endpoint, at int64) {
			o.write(repeat(1460 + 10*1160 - 1161))
			o.ack(at + 1160)
		},
		"small congestion window": func(o *endpoint, at int64) {
			o.c.active.cc.OnTimeout(o.c.lossNow(o.now))
			o.write(repeat(20_000))
			o.ack(at + 1160)
		},
		"small window": func(o *endpoint, at int64) {
			o.write(repeat(20_000))
			o.in(segment{flags: ack, seq: 1, ack: at + 1160, window: 1400})
		},
	} {
		o := fallen(t, CUBIC)
		at := int64(o.c.snd.nxt)
		o.write(repeat(1160))
		o.drain()
		prepare(o, at)
		for o.c.Transmit(o.now, 1, &o.last) {
			o.check()
			if o.last.Len > 1160 || o.last.Note == NoteMTUProbe {
				t.Errorf("%s: sent %d bytes", name, o.last.Len)
			}
		}
	}
}

// The third timeout in a row lowers the segment size. The second does if small segments, and no large ones, have
// arrived. Timeouts of small segments do not lower it.
func TestBlackHoleEvidence(t *testing.T) {
	for _, c := range []struct {
		name   string
		bytes  int
		sacked []int64 // edges of a SACK block
		more   int     // bytes written behind
		fallAt int     // timeout; 0: none
	}{
		{"one full segment", 1460, nil, 0, 3},
		{"one small segment", 536, nil, 0, 0},
		{"larger than the smallest size", 537, nil, 0, 3},
		{"small ones arrive", 1460, []int64{1461, 1561}, 100, 2},
		{"large ones arrive", 1460, []int64{1461, 2921}, 1460, 3},
	} {
		o := established(t, Config{Pacing: Disabled})
		o.c.sack = true
		o.write(repeat(c.bytes))
		o.drain()
		if c.more > 0 {
			o.write(repeat(c.more))
			o.drain()
		}
		o.c.active.timer.tailProbe = Never
		if c.sacked != nil {
			o.ack(1, c.sacked...)
			o.drain()
		}
		fell := 0
		for i := range 4 {
			o.now = o.c.active.timer.retransmit
			o.c.Advance(o.now)
			o.drain()
			if fell == 0 && o.c.Info(o.now).PathMTU < 1500 {
				fell = i + 1
			}
		}
		if fell != c.fallAt {
			t.Errorf("%s: smaller packets after timeout %d, want %d", c.name, fell, c.fallAt)
		}
	}
}

// A small segment that had arrived before a timeout proves the timeout spurious, but not that the path carries large
// ones: their size stays reduced.
func TestSmallSegmentsAreNoProofOfSize(t *testing.T) {
	o := established(t, Config{Pacing: Disabled})
	o.c.sack = true
	o.write(repeat(1460))
	for o.c.Info(o.now).PathMTU == 1500 {
		o.timeout()
		o.drain()
	}
	o.sleep(100 * ms)
	o.ack(1461)
	for _, n := range []int{1160, 100} {
		o.write(repeat(n))
		o.drain()
	}
	o.timeout()
	o.drain()
	o.sleep(100 * ms)
	o.ack(1461, 2621, 2721)
	if i := o.c.Info(o.now); i.Spurious != 1 || i.PathMTU != 1200 {
		t.Errorf("%d episodes undone, path MTU %d, want 1 and 1200", i.Spurious, i.PathMTU)
	}
}
