package pmtu

import (
	"testing"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// probe sends probes over a link that carries packets of up to carries bytes until the search is complete, and returns
// their number.
func probe(t *testing.T, p *Path, now clock.Time, carries int) (probes int) {
	t.Helper()
	at := seq.Offset(1)
	for p.Due(now) != 0 {
		size := p.Due(now)
		if size <= p.MTU() || size > p.top() {
			t.Fatalf("a probe of %d bytes, path MTU %d, largest packet %d", size, p.MTU(), p.top())
		}
		if probes++; probes > 60 {
			t.Fatalf("the search does not end: path MTU %d", p.MTU())
		}
		p.Probed(at, at+seq.Offset(size))
		if p.Due(now) != 0 {
			t.Fatal("a second probe is due while one is in flight")
		}
		if size <= carries {
			if !p.Acknowledged(now, at+seq.Offset(size)) || p.MTU() != size {
				t.Fatalf("a probe of %d bytes has arrived, path MTU %d", size, p.MTU())
			}
		} else {
			p.Failed(now)
		}
		at += seq.Offset(size)
	}
	return probes
}

// open returns the path of a connection between two devices with this MTU.
func open(mtu, ipHeader int, mode Mode, known Known) Path {
	p := New(mtu, ipHeader)
	p.SetPeerMSS(uint16(mtu - ipHeader - tcpHeader))
	p.Start(0, mode, known)
	return p
}

// After a black hole, the search finds the size that the link carries if that is a common one, and otherwise one close
// below. The first probe has the size from before, in case nothing had arrived at all.
func TestSearchAfterBlackHole(t *testing.T) {
	for _, c := range []struct {
		mtu, header, carries int
		exact                bool
		probes               int
	}{
		{1500, 20, 1500, true, 1},
		{1500, 20, 1400, true, 6},
		{1500, 40, 1400, true, 6},
		{1500, 20, 1420, true, 7},
		{1500, 20, 1492, true, 5},
		{1500, 20, 1200, true, 15},
		{1500, 40, 1280, true, 11},
		{1500, 40, 1472, false, 6},
		{9000, 20, 1500, true, 25},
		{9001, 20, 8999, false, 6},
		{65535, 20, 65000, false, 10},
		{65535, 20, 1300, false, 13},
	} {
		p := open(c.mtu, c.header, Auto, Known{})
		p.Fall(0, 65535, 2, 1)
		if p.MTU() != p.base() || p.Source() != BlackHole || p.Due(0) != c.mtu {
			t.Errorf("%v: path MTU %d after the fall, source %v, the first probe has %d bytes", c, p.MTU(), p.Source(), p.Due(0))
		}
		n := probe(t, &p, 0, c.carries)
		missing := c.carries - p.MTU()
		if missing < 0 || missing > c.carries/precision || c.exact && missing != 0 || n > c.probes {
			t.Errorf("%v: path MTU %d after %d probes", c, p.MTU(), n)
		}
		if counts := p.Counts(); int(counts.Probes) != n || counts.BlackHoles != 1 || (counts.Failed == 0) != (c.carries >= c.mtu) {
			t.Errorf("%v: %+v", c, counts)
		}
	}
}

// Always begins at the base size. No probe exceeds the MTU of the device or the MSS of the peer.
func TestAlways(t *testing.T) {
	for _, c := range []struct{ mtu, peer, want int }{{1500, 1500, 1500}, {1500, 1300, 1300}, {9000, 1500, 1500}, {1200, 1500, 1200}, {576, 1500, 576}} {
		p := New(c.mtu, 20)
		p.Start(0, Always, Known{})
		p.SetPeerMSS(uint16(c.peer - 40))
		if begin := min(c.mtu, base4); p.MTU() != begin {
			t.Errorf("%v: begins with %d bytes, want %d", c, p.MTU(), begin)
		}
		n := probe(t, &p, 0, 65535)
		if p.MTU() != c.want && p.SendMSS() != c.want-40 || n > 1 {
			t.Errorf("%v: path MTU %d after %d probes", c, p.MTU(), n)
		}
		if p.Due(clock.Time(time.Hour)) != 0 {
			t.Errorf("%v: a probe is due after an hour, and no packet can be larger", c)
		}
	}
}

// Packets fall to the base size and then to the smallest one, and no further. A segment that is not larger does not
// make them fall.
func TestFall(t *testing.T) {
	for _, c := range []struct {
		mtu, header, mss int
		lost             int
		want             []int
	}{
		{1500, 20, 1460, 1460, []int{1200, 576}}, {1500, 40, 1440, 1440, []int{1280}}, {1000, 20, 960, 960, []int{576}}, {576, 20, 536, 536, nil},
		{1500, 20, 536, 536, nil}, {1500, 20, 1160, 1160, []int{576}}, {1280, 40, 1220, 1220, nil},
		{1500, 20, 1460, 1161, []int{1200, 576}}, {1500, 20, 1460, 1160, []int{576}}, {1500, 20, 1460, 537, []int{576}}, {1500, 20, 1460, 536, nil},
		{1500, 40, 1440, 1220, nil},
	} {
		p := New(c.mtu, c.header)
		p.SetPeerMSS(uint16(c.mss))
		for _, want := range c.want {
			if !p.CanFall(c.lost) || !p.Fall(0, c.lost, 2, 1) || p.MTU() != want {
				t.Errorf("%v: fell to %d, want %d", c, p.MTU(), want)
			}
		}
		if p.CanFall(c.lost) || p.Fall(0, c.lost, 2, 1) {
			t.Errorf("%v: fell to %d", c, p.MTU())
		}
	}
}

// A timeout that was spurious restores the size.
func TestRise(t *testing.T) {
	p := open(1500, 20, Auto, Known{})
	if p.Rise(0) {
		t.Error("rises without a fall")
	}
	p.Fall(0, 65535, 2, 1)
	p.Fall(0, 65535, 2, 1)
	if !p.Rise(0) || p.MTU() != 1500 || p.Source() != Device {
		t.Errorf("path MTU %d from %v", p.MTU(), p.Source())
	}
}

// The first failed probe after a fall confirms the black hole, and returns the threshold once.
func TestBlackHoleIsConfirmed(t *testing.T) {
	p := open(1500, 20, Auto, Known{})
	p.Fall(0, 65535, 2, 77)
	p.Due(0)
	p.Probed(1, 1461)
	if threshold, confirmed := p.Failed(0); threshold != 77 || !confirmed {
		t.Errorf("threshold %d, confirmed %v", threshold, confirmed)
	}
	for range 4 {
		p.Due(0)
		p.Probed(1, 1461)
		if threshold, confirmed := p.Failed(0); confirmed {
			t.Errorf("confirmed again, with %d", threshold)
		}
	}
}

// A size is too large after two lost probes. A probe that was lost with other segments does not count.
func TestProbesAreRepeated(t *testing.T) {
	p := open(1500, 20, Always, Known{})
	size := p.Due(0)
	p.Probed(1, 2)
	p.Inconclusive(0)
	if p.Due(0) != 0 || p.Due(clock.Time(retryAfter)) != size {
		t.Error("the next probe is not delayed")
	}
	for range 2 {
		if p.Due(clock.Time(retryAfter)) != size {
			t.Error("the size has changed after one loss")
		}
		p.Probed(1, 2)
		p.Failed(clock.Time(retryAfter))
	}
	if p.Due(clock.Time(retryAfter)) >= size {
		t.Error("the size has not changed after two losses")
	}
}

// Ten minutes after the search, or after an ICMP message, larger packets are tried again, not earlier.
func TestRaise(t *testing.T) {
	early, late := clock.Time(RaiseAfter)-1, clock.Time(RaiseAfter)
	for name, prepare := range map[string]func(p *Path){
		"search": func(p *Path) { p.Fall(0, 65535, 2, 1); probe(t, p, 0, 1400) },
		"ICMP":   func(p *Path) { p.Lower(0, 1400) },
	} {
		p := open(1500, 20, Auto, Known{})
		prepare(&p)
		if p.Due(early) != 0 || p.Due(late) != 1500 {
			t.Errorf("%s: probe of %d bytes after ten minutes, of %d before", name, p.Due(late), p.Due(early))
		}
		probe(t, &p, late, 1492)
		if p.MTU() != 1492 {
			t.Errorf("%s: path MTU %d, want 1492", name, p.MTU())
		}
		p.Raise()
		if p.MTU() != 1500 || p.Due(2*late) != 0 {
			t.Errorf("%s: path MTU %d, want 1500", name, p.MTU())
		}
	}
}

// An ICMP message about a probe does not lower the path MTU, and its size is that of the next probe.
func TestICMPAboutProbe(t *testing.T) {
	for _, c := range []struct {
		mtu, at, next int
		ok            bool
	}{
		{1450, 100, 1450, true}, {0, 100, 1440, true}, {1200, 100, 0, true}, {1100, 100, 0, false}, {1500, 100, 0, false}, {1450, 99, 0, false},
		{1450, 1560, 0, false},
	} {
		p := open(1500, 20, Always, Known{})
		p.Due(0)
		p.Probed(100, 1560)
		if ok := p.TooBig(0, seq.Offset(c.at), c.mtu); ok != c.ok || p.MTU() != 1200 || p.Due(0) != c.next {
			t.Errorf("%v: accepted %v, path MTU %d, next probe %d", c, ok, p.MTU(), p.Due(0))
		}
	}
}

// A search begins with the result of that of the connection before.
func TestKnown(t *testing.T) {
	first := open(1500, 20, Auto, Known{})
	first.Fall(0, 65535, 2, 1)
	events, known := first.Report()
	if events != (Counts{BlackHoles: 1}) || known != (Known{1200, 1500}) || first.News() {
		t.Errorf("after the fall: %+v, %+v", events, known)
	}
	second := open(1500, 20, Auto, known)
	if second.MTU() != 1200 || second.Due(0) != 1500 || second.News() {
		t.Errorf("the next connection begins with %d bytes, and probes %d", second.MTU(), second.Due(0))
	}
	second.Due(0)
	second.Probed(1, 1501)
	second.Failed(0)
	if _, known = second.Report(); known != (Known{1200, 1500}) {
		t.Errorf("after one lost probe: %+v", known)
	}
	second.Due(0)
	second.Probed(1501, 3001)
	second.Failed(0)
	if _, known = second.Report(); known != (Known{1200, 1499}) {
		t.Errorf("after two lost probes: %+v", known)
	}
	if third := open(1500, 20, Auto, known); third.MTU() != 1200 || third.Due(0) != second.Due(0) || third.Due(0) != 1440 {
		t.Errorf("the next connection begins with %d bytes, and probes %d", third.MTU(), third.Due(0))
	}
	if third := open(1400, 20, Auto, known); third.Due(0) != 1400 {
		t.Errorf("with a smaller MTU of the device, the next connection probes %d bytes", third.Due(0))
	}
	probe(t, &first, 0, 1400)
	events, known = first.Report()
	if known != (Known{1400, 0}) || events.BlackHoles != 0 || events.Probes == 0 {
		t.Errorf("after the search: %+v, %+v", events, known)
	}
	second = open(1500, 20, Auto, known)
	if second.MTU() != 1400 || second.Source() != Cache || second.Due(0) != 0 || second.Due(clock.Time(RaiseAfter)) != 1500 {
		t.Errorf("the next connection begins with %d bytes from %v, and probes %d", second.MTU(), second.Source(), second.Due(0))
	}
	first.Raise()
	if _, known = first.Report(); known != (Known{}) {
		t.Errorf("at the device's size: %+v", known)
	}
	if p := open(1500, 20, Auto, Known{1400, 1419}); p.Due(0) != 0 || p.Due(clock.Time(RaiseAfter)) != 1500 {
		t.Errorf("with less than 1.6 %% to gain, the next connection probes %d bytes", p.Due(0))
	}
	for _, k := range []Known{{MTU: 1500}, {MTU: 9000}, {}} {
		if p := open(1500, 20, Auto, k); p.MTU() != 1500 || p.Searching() {
			t.Errorf("%+v: begins with %d bytes", k, p.MTU())
		}
	}
	if p := open(1500, 40, Auto, Known{MTU: 100}); p.MTU() != 1280 {
		t.Errorf("begins with %d bytes over IPv6", p.MTU())
	}
}

// The device's MTU limits probes after it has fallen.
func TestLimit(t *testing.T) {
	p := open(1500, 20, Always, Known{})
	if p.Limit(1300) || p.MTU() != 1200 {
		t.Errorf("path MTU %d", p.MTU())
	}
	if probe(t, &p, 0, 1500); p.MTU() != 1300 {
		t.Errorf("path MTU %d above the device's 1300", p.MTU())
	}
	if !p.Limit(1000) || p.MTU() != 1000 {
		t.Errorf("path MTU %d above the device's 1000", p.MTU())
	}
}

// The search ends for every device and link, at most 1.6 percent below the size that the link carries, and never above
// it.
func FuzzSearch(f *testing.F) {
	f.Add(uint16(1500), uint16(1400), false, false)
	f.Add(uint16(65535), uint16(9000), true, true)
	f.Fuzz(func(t *testing.T, mtu, carries uint16, is6, always bool) {
		header, least := 20, uint16(base4)
		if is6 {
			header, least = 40, minMTU6
		}
		mtu = max(mtu, least)
		carries = max(carries, least)
		mode := Auto
		if always {
			mode = Always
		}
		p := open(int(mtu), header, mode, Known{})
		if !always {
			p.Fall(0, 65535, 2, 1)
		}
		probe(t, &p, 0, int(carries))
		if best := int(min(mtu, carries)); p.MTU() > best || best-p.MTU() > best/precision {
			t.Errorf("device %d, link %d: path MTU %d", mtu, carries, p.MTU())
		}
	})
}
