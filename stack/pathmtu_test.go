package stack

import (
	"net/netip"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/pmtu"
	"minitcp/conn/wire"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/paths"
	"minitcp/stack/stacktest"
)

// narrow makes the path from a discard packets of more than most bytes, and superframes of such packets.
func (p *pair) narrow(most int) {
	p.da.SetHook(func(frame []byte) stacktest.Fate {
		var h wire.VirtioHeader
		if err := wire.ParseVirtio(frame, &h); err != nil {
			p.t.Error(err)
		}
		size := len(frame) - wire.VirtioHeaderLen
		if h.GSOType != wire.GSONone {
			size = int(h.HeaderLen) + int(h.GSOSize)
		}
		if size > most {
			return stacktest.Drop
		}
		return stacktest.Pass
	})
}

// transfer sends n bytes from a to the address, which b's port 80 has, and returns the connection of a.
func (p *pair) transfer(l *Listener, address string, n int) *Conn {
	p.t.Helper()
	c, s := p.connectTo(l, address)
	go sendAndClose(p.t, c, 1, n)
	receiveAll(p.t, s, 1, n)
	return c
}

// A path discards packets of more than 1,400 bytes without an ICMP message. A transfer completes within three seconds.
// For ten minutes, connections to the same host begin with packets of that size, and lose none. If the first transfer
// ends before the search does, later ones continue it.
func TestBlackHole(t *testing.T) {
	for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		for _, offload := range []stacktest.Offload{stacktest.Plain, stacktest.Offloaded} {
			within(t, func(t *testing.T) {
				const most, n = 1400, 4 << 20
				p := newPairOn(t, stacktest.Config{Offload: offload}, Config{}, Config{})
				l := p.listen()
				p.narrow(most)
				begin := time.Now()
				first := p.transfer(l, address, n).Info()
				took(t, begin, 0, 3*time.Second)
				if first.PathMTU != most || first.PathMTUSource != pmtu.Probe {
					t.Errorf("%s: path MTU %d from %v", address, first.PathMTU, first.PathMTUSource)
				}
				stats := p.a.Stats()
				for name, want := range map[string]uint32{
					"mtu-probes": first.PathEvents.Probes, "mtu-probes-failed": first.PathEvents.Failed, "mtu-black-holes": 1,
				} {
					if got := stats[name]; got != uint64(want) || got == 0 {
						t.Errorf("%s: %s %d, want %d", address, name, got, want)
					}
				}

				host := flow.AddressOf(netip.MustParseAddrPort(address).Addr())
				for more := 0; p.a.paths.Get(p.a.clock.Now(), host).High > most; more++ {
					if more == 10 {
						t.Fatalf("%s: the search does not end", address)
					}
					p.transfer(l, address, n)
				}
				second := p.transfer(l, address, n).Info()
				if second.PathMTU != most || second.PathMTUSource != pmtu.Cache || second.Retransmitted != 0 || second.PathEvents != (conn.PathEvents{}) {
					t.Errorf("%s: the second connection has path MTU %d from %v, %d retransmissions, %+v", address, second.PathMTU,
						second.PathMTUSource, second.Retransmitted, second.PathEvents)
				}

				p.da.SetHook(nil) // the path carries larger packets again
				time.Sleep(paths.Life)
				third := p.transfer(l, address, n).Info()
				if third.PathMTU != 1500 || third.PathMTUSource != pmtu.Device {
					t.Errorf("%s: after ten minutes, path MTU %d from %v", address, third.PathMTU, third.PathMTUSource)
				}
			})
		}
	}
}

// A path MTU that a router has reported outlives the connection, for both ends' OPENs, and does not affect other hosts
// or the announced MSS.
func TestPathMTUOutlivesConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		const narrow = 1300
		p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
		l := p.listen()
		tooBig := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: narrow}
		reports := 0
		p.da.SetHook(func(frame []byte) stacktest.Fate {
			if len(frame)-wire.VirtioHeaderLen > narrow {
				reports++
				p.da.Inject(icmpFrame(frame, tooBig))
				return stacktest.Drop
			}
			return stacktest.Pass
		})
		p.transfer(l, "10.77.0.2:80", 1<<20)
		if reports == 0 {
			t.Fatal("no packet was too large")
		}
		reports = 0
		i := p.transfer(l, "10.77.0.2:80", 1<<20).Info()
		if reports != 0 || i.PathMTU != narrow || i.AdvertisedMSS != 1460 {
			t.Errorf("the next connection has path MTU %d and announces %d; %d packets were too large", i.PathMTU, i.AdvertisedMSS, reports)
		}
		la, err := p.a.ListenTCP("tcp", ":81")
		if err != nil {
			t.Fatal(err)
		}
		p.used = append(p.used, la)
		if _, err := p.b.Dial("tcp", "10.77.0.1:81"); err != nil {
			t.Fatal(err)
		}
		accepted, err := la.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		p.used = append(p.used, accepted)
		if mtu := accepted.Info().PathMTU; mtu != narrow {
			t.Errorf("an accepted connection has path MTU %d, want %d", mtu, narrow)
		}
		c, _ := p.connectTo(l, "[fd77::2]:80")
		if mtu := c.Info().PathMTU; mtu != 1500 {
			t.Errorf("another host has path MTU %d", mtu)
		}
	})
}

// With MTUProbingOff, the transfer makes no progress.
func TestBlackHoleWithoutProbing(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{}, Config{Conn: conn.Config{MTUProbing: conn.MTUProbingOff}}, Config{})
		c, s := p.connect(p.listen())
		p.narrow(1400)
		write(t, c, string(pattern(1, 10_000)))
		if err := s.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Read(make([]byte, 10_000)); n != 0 || err == nil {
			t.Errorf("Read: %d, %v", n, err)
		}
		if i := c.Info(); i.PathMTU != 1500 || p.a.Stats()["mtu-black-holes"] != 0 {
			t.Errorf("path MTU %d", i.PathMTU)
		}
	})
}

// Config.MSS bounds segments in both directions.
func TestConfigMSS(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{}, Config{MSS: 1000}, Config{})
		c, s := p.connect(p.listen())
		for name, i := range map[string]conn.Info{"a": c.Info(), "b": s.Info()} {
			if i.MSS != 1000-12 {
				t.Errorf("%s: segments of %d bytes", name, i.MSS)
			}
		}
		if i := c.Info(); i.AdvertisedMSS != 1000 {
			t.Errorf("announces %d", i.AdvertisedMSS)
		}
	})
	if _, err := New(nil, Config{Addresses: addressesA, MSS: 495}); err == nil {
		t.Error("an MSS of 495 bytes is accepted")
	}
}
