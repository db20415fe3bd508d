package stack

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
)

// The MSS of a listener bounds the segments of its connections in both directions, also of those that begin with a
// cookie. Earlier connections and other listeners keep theirs.
func TestListenerMSS(t *testing.T) {
	for _, mode := range []SYNCookies{SYNCookiesOff, SYNCookiesAlways} {
		for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{SYNCookies: mode})
				l := p.listen()
				for _, mss := range []int{0, 1000, 0} {
					if err := l.SetMSS(mss); err != nil {
						t.Fatal(err)
					}
					client, server := p.connectTo(l, address)
					write(t, client, "x")
					wantRead(t, server, "x")
					from, to := client.Info(), server.Info()
					if mss == 0 {
						if to.AdvertisedMSS < 1440 || from.MSS < 1400 || to.MSS < 1400 {
							t.Errorf("%v, %s: announces %d, MSS %d and %d without a bound", mode, address, to.AdvertisedMSS, from.MSS, to.MSS)
						}
						continue
					}
					if to.AdvertisedMSS != mss || from.MSS != mss-12 || to.MSS != mss-12 || from.AdvertisedMSS < 1440 {
						t.Errorf("%v, %s: announces %d, MSS %d and %d, want %d and %d", mode, address, to.AdvertisedMSS, from.MSS, to.MSS, mss, mss-12)
					}
				}
			})
		}
	}
}

// WithMSS bounds the segments of a connection that is dialed in any way, in both directions.
func TestDialMSS(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.fastListen(10)
		ctx := WithMSS(context.Background(), 900)
		const address = "10.77.0.2:80"
		for name, dial := range map[string]func() (io.Closer, error){
			"DialContext":  func() (io.Closer, error) { return p.a.DialContext(ctx, "tcp", address) },
			"DialTCP":      func() (io.Closer, error) { return p.a.DialTCP(ctx, netip.AddrPort{}, netip.MustParseAddrPort(address)) },
			"DialFastOpen": func() (io.Closer, error) { return p.a.DialFastOpen(ctx, "tcp", address) },
		} {
			c, err := dial()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			client, server := c.(*Conn), p.accept(l)
			from, to := client.Info(), server.Info()
			if from.AdvertisedMSS != 900 || from.MSS != 888 || to.MSS != 888 || to.AdvertisedMSS < 1440 {
				t.Errorf("%s: announces %d, MSS %d and %d, want 900, 888 and 888", name, from.AdvertisedMSS, from.MSS, to.MSS)
			}
			client.Close()
			server.Close()
		}
	})
}

// An MSS that is too small is refused, and a closed listener takes none.
func TestMSSRefused(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		for _, bytes := range []int{-1, 1, leastMSS - 1} {
			if err := l.SetMSS(bytes); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("SetMSS(%d): %v", bytes, err)
			}
			if _, err := p.a.DialContext(WithMSS(context.Background(), bytes), "tcp", "10.77.0.2:80"); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("WithMSS(%d): %v", bytes, err)
			}
		}
		if err := l.SetMSS(leastMSS); err != nil {
			t.Error(err)
		}
		l.Close()
		if err := l.SetMSS(1000); err == nil {
			t.Error("a closed listener takes an MSS")
		}
	})
}
