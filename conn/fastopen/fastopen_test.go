package fastopen

import (
	"net/netip"
	"testing"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/wire"
)

var (
	serverA = netip.MustParseAddr("192.0.2.1")
	clientA = netip.MustParseAddr("198.51.100.7")
	serverB = netip.MustParseAddr("2001:db8::1")
	clientB = netip.MustParseAddr("2001:db8::7")
	secret  = [32]byte{1, 31: 9}
)

const (
	standard     = wire.FastOpenStandard
	experimental = wire.FastOpenExperimental
)

// A cookie is valid for the same two addresses, in either form of the option, and with no bit changed.
func TestCookie(t *testing.T) {
	for name, k := range map[string]*Keys{
		"fixed":   FixedKeys([16]byte{1, 2, 3}),
		"derived": DerivedKeys(&secret, 0),
	} {
		f := k.Cookie(standard, serverA, clientA)
		if f.Kind != standard || len(f.Data()) != 8 {
			t.Fatalf("%s: %+v", name, f)
		}
		if e := k.Cookie(experimental, serverA, clientA); e.Kind != experimental || e.Cookie != f.Cookie {
			t.Errorf("%s: the experimental cookie %+v differs from %+v", name, e, f)
		}
		if m := k.Match(&f, serverA, clientA); m != PrimaryKey {
			t.Errorf("%s: match %d, want the primary key", name, m)
		}
		for _, other := range [][2]netip.Addr{{serverA, serverA}, {clientA, serverA}, {serverB, clientB}, {serverA, clientA.Next()}, {serverA.Next(), clientA}} {
			if m := k.Match(&f, other[0], other[1]); m != NoKey {
				t.Errorf("%s: valid for %v", name, other)
			}
		}
		for bit := range 64 {
			changed := f
			changed.Cookie[bit/8] ^= 1 << (bit % 8)
			if m := k.Match(&changed, serverA, clientA); m != NoKey {
				t.Errorf("%s: valid with bit %d changed", name, bit)
			}
		}
		for _, n := range []uint8{0, 4, 6, 10, 16} {
			short := f
			short.Len = n
			if m := k.Match(&short, serverA, clientA); m != NoKey {
				t.Errorf("%s: valid with %d bytes", name, n)
			}
		}
	}
}

// A cookie of the backup key is accepted, and the cookie of the primary key replaces it.
func TestBackupKey(t *testing.T) {
	first, second, third := [16]byte{1}, [16]byte{2}, [16]byte{3}
	old := FixedKeys(first).Cookie(standard, serverB, clientB)
	for _, c := range []struct {
		name string
		keys *Keys
		want Match
	}{
		{"before the change", FixedKeys(first, second), PrimaryKey},
		{"after the change", FixedKeys(second, first), BackupKey},
		{"without a backup key", FixedKeys(second), NoKey},
		{"after two changes", FixedKeys(third, second), NoKey},
	} {
		if m := c.keys.Match(&old, serverB, clientB); m != c.want {
			t.Errorf("%s: match %d, want %d", c.name, m, c.want)
		}
	}
	if n := FixedKeys(second, first).Cookie(standard, serverB, clientB); n.Cookie != FixedKeys(second).Cookie(standard, serverB, clientB).Cookie {
		t.Error("cookies are not made with the primary key")
	}
	if m := FixedKeys(second).Match(&wire.FastOpen{Kind: standard, Len: 8}, serverB, clientB); m != NoKey {
		t.Errorf("a cookie of zeros matches key %d", m)
	}
}

// A derived key is the primary one for a day and the backup for another, and the keys of other secrets differ.
func TestDerivedKeys(t *testing.T) {
	at := func(d time.Duration) clock.Time { return clock.Time(d) }
	f := DerivedKeys(&secret, at(time.Hour)).Cookie(standard, serverA, clientA)
	for d, want := range map[time.Duration]Match{0: PrimaryKey, period - 1: PrimaryKey, period: BackupKey, 2*period - 1: BackupKey, 2 * period: NoKey} {
		k := DerivedKeys(&secret, at(d))
		if m := k.Match(&f, serverA, clientA); m != want {
			t.Errorf("after %v: match %d, want %d", d, m, want)
		}
		if !k.Valid(at(d)) || k.Valid(at(d+period)) {
			t.Errorf("the keys of %v are valid at %v: %v, a day later: %v", d, d, k.Valid(at(d)), k.Valid(at(d+period)))
		}
	}
	other := secret
	other[20]++
	if m := DerivedKeys(&other, 0).Match(&f, serverA, clientA); m != NoKey {
		t.Error("a cookie is valid with another secret")
	}
	if k := FixedKeys([16]byte{1}); !k.Valid(at(1000*period)) || (*Keys)(nil).Valid(0) {
		t.Error("fixed keys are not valid for ever, or nil is valid")
	}
}

func TestCookieAllocs(t *testing.T) {
	k := DerivedKeys(&secret, 0)
	if n := testing.AllocsPerRun(100, func() {
		f := k.Cookie(standard, serverA, clientA)
		k.Match(&f, serverA, clientA)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// A reset connection keeps its place for 60 s, one that is confirmed or has ended does not.
func TestPending(t *testing.T) {
	const second = clock.Time(time.Second)
	var p Pending
	enter := func(now clock.Time, want bool) {
		t.Helper()
		if got := p.Enter(now, 3); got != want {
			t.Fatalf("Enter at %v: %v, want %v", time.Duration(now), got, want)
		}
	}
	if p.Enter(0, 0) {
		t.Error("there is room for a connection of none")
	}
	for range 3 {
		enter(0, true)
	}
	enter(0, false)
	p.Leave()
	enter(0, true)
	p.Reset(second)
	p.Reset(2 * second)
	enter(61*second-1, false)
	enter(61*second, true)
	enter(62*second-1, false)
	enter(62*second, true)
	enter(1000*second, false)
}
