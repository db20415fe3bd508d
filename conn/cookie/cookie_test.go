package cookie

import (
	"net/netip"
	"testing"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/wire"
)

var (
	secret = [32]byte{1, 31: 9}
	ends   = Ends{netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("198.51.100.7:4000"), 0xfffffff0}
)

// all calls f with every combination of options that an honest SYN has.
func all(f func(Options)) {
	for _, mss := range []uint16{536, 1219, 1220, 1459, 1460, 1461, 8960, 65495} {
		for scale := range uint8(16) {
			for bits := range 8 {
				o := Options{MSS: mss, Scaled: scale < 15, Scale: scale % 15, SACK: bits&1 != 0, Timestamps: bits&2 != 0}
				o.ECN = o.Timestamps && bits&4 != 0
				f(o)
			}
		}
	}
}

// open opens a cookie as the ACK of the SYN-ACK presents it.
func open(k *Keys, e *Ends, iss uint32, o Options, stamp uint8) (Options, bool) {
	if !o.Timestamps {
		return k.Open(e, iss, nil)
	}
	echo := Stamp(1<<31+17, stamp)
	return k.Open(e, iss, &echo)
}

// The SYN of some options has these options.
func TestSYN(t *testing.T) {
	all(func(o Options) {
		syn := o.SYN(5, 6)
		got := Options{
			MSS: syn.Options.MSS, Scaled: syn.Options.HasWindowScale, Scale: syn.Options.WindowScale,
			SACK: syn.Options.SACKPermitted, Timestamps: syn.Options.HasTimestamps, ECN: syn.Flags.Has(wire.ECE | wire.CWR),
		}
		if got != o || syn.Seq != 5 || syn.Options.TSVal != 6 || !syn.Flags.Has(wire.SYN) || syn.Flags.Has(wire.ACK) {
			t.Fatalf("%+v: the SYN is %+v", o, syn)
		}
	})
}

// A cookie returns the options of the SYN. The MSS and, without timestamps, the window scale may be the next smaller
// value in the tables.
func TestOptions(t *testing.T) {
	k := NewKeys(&secret, 0)
	all(func(o Options) {
		iss, stamp := k.Make(&ends, o)
		got, ok := open(k, &ends, iss, o, stamp)
		if !ok {
			t.Fatalf("%+v: not valid", o)
		}
		want := o
		for _, s := range sizes {
			if s <= o.MSS {
				want.MSS = s
			}
		}
		if o.Scaled && !o.Timestamps {
			for _, s := range scales[1:] {
				if s <= o.Scale {
					want.Scale = s
				}
			}
		}
		if !o.Scaled {
			want.Scale = 0
		}
		if got != want {
			t.Errorf("%+v: %+v, want %+v", o, got, want)
		}
	})
}

// A cookie is not valid at other ends, for another SYN, or with any bit changed.
func TestForged(t *testing.T) {
	k := NewKeys(&secret, 0)
	accepted := 0
	all(func(o Options) {
		iss, stamp := k.Make(&ends, o)
		for name, e := range map[string]Ends{
			"local address":  {netip.MustParseAddrPort("192.0.2.2:80"), ends.Remote, ends.IRS},
			"local port":     {netip.MustParseAddrPort("192.0.2.1:81"), ends.Remote, ends.IRS},
			"remote address": {ends.Local, netip.MustParseAddrPort("198.51.100.8:4000"), ends.IRS},
			"remote port":    {ends.Local, netip.MustParseAddrPort("198.51.100.7:4001"), ends.IRS},
			"reversed":       {ends.Remote, ends.Local, ends.IRS},
			"IRS":            {ends.Local, ends.Remote, ends.IRS + 1},
		} {
			if _, ok := open(k, &e, iss, o, stamp); ok {
				t.Errorf("%+v: valid with another %s", o, name)
			}
		}
		for bit := range 32 {
			if _, ok := open(k, &ends, iss^1<<bit, o, stamp); ok {
				accepted++
			}
		}
	})
	if accepted > 0 { // of 32,768; each has a chance of 2^-24
		t.Errorf("%d cookies with one bit changed are valid", accepted)
	}
}

// With a TSEcr that was changed on the way, or an ACK without timestamps, the options are those of the sequence number.
func TestTimestampsChanged(t *testing.T) {
	k := NewKeys(&secret, 0)
	want := Options{MSS: 1460, Scaled: true, Scale: 8, SACK: true}
	o := want
	o.Scale, o.Timestamps, o.ECN = 9, true, true
	iss, _ := k.Make(&ends, o)
	if got, ok := k.Open(&ends, iss, nil); !ok || got != want {
		t.Errorf("without timestamps: %+v, %v, want %+v", got, ok, want)
	}
	want.Timestamps = true
	for _, changed := range []uint32{0, 7, 10, noScale, 1<<5 - 1} {
		if got, ok := k.Open(&ends, iss, &changed); !ok || got != want {
			t.Errorf("TSEcr %d: %+v, %v, want %+v", changed, got, ok, want)
		}
	}
}

// A cookie is valid for 64 to 128 seconds, and for another stack never.
func TestLifetime(t *testing.T) {
	for _, made := range []time.Duration{0, time.Second, period - 1, 7*period + period/2} {
		iss, stamp := NewKeys(&secret, clock.Time(made)).Make(&ends, Options{MSS: 1460})
		valid := func(secret [32]byte, after time.Duration) bool {
			_, ok := open(NewKeys(&secret, clock.Time(made+after)), &ends, iss, Options{}, stamp)
			return ok
		}
		for _, after := range []time.Duration{0, time.Second, period} {
			if !valid(secret, after) {
				t.Errorf("made at %v: not valid after %v", made, after)
			}
		}
		for _, after := range []time.Duration{Lifetime, Lifetime + period, time.Hour} {
			if valid(secret, after) {
				t.Errorf("made at %v: valid after %v", made, after)
			}
		}
		if other := secret; func() bool { other[16]++; return valid(other, 0) }() {
			t.Errorf("made at %v: valid with another secret", made)
		}
	}
	k := NewKeys(&secret, clock.Time(period))
	for at, want := range map[time.Duration]bool{period - 1: false, period: true, 2*period - 1: true, 2 * period: false} {
		if got := k.Valid(clock.Time(at)); got != want {
			t.Errorf("keys of the second period valid at %v: %v", at, got)
		}
	}
}

// The TSVal is never ahead of the clock, and at most 31 ms behind it.
func TestStamp(t *testing.T) {
	for clock := range uint32(100) {
		clock -= 50 // also where it wraps
		for bits := range uint8(1 << stampBits) {
			v := Stamp(clock, bits)
			if v&(1<<stampBits-1) != uint32(bits) || clock-v >= 1<<stampBits {
				t.Errorf("clock %d, bits %d: %d", clock, bits, v)
			}
		}
	}
}

// FuzzOpen opens any cookie. An accident that makes it valid gives options that a SYN can have.
func FuzzOpen(f *testing.F) {
	f.Add(uint32(0), uint32(0), false)
	f.Fuzz(func(t *testing.T, iss, stamp uint32, stamped bool) {
		k := NewKeys(&secret, 0)
		var echo *uint32
		if stamped {
			echo = &stamp
		}
		// The hash that makes these options valid.
		data := uint8(iss) ^ uint8(iss>>8)
		mac := k.mac(&ends, data)
		o, ok := k.Open(&ends, mac<<8|uint32(data^uint8(mac)), echo)
		if !ok || o.MSS < MinMSS || o.Scale > 14 || o.Timestamps != stamped || o.ECN && !stamped || !o.Scaled && o.Scale != 0 {
			t.Errorf("%v, %+v", ok, o)
		}
	})
}

func TestAllocs(t *testing.T) {
	k := NewKeys(&secret, 0)
	if n := testing.AllocsPerRun(100, func() {
		iss, stamp := k.Make(&ends, Options{MSS: 1460, Timestamps: true})
		echo := uint32(stamp)
		k.Open(&ends, iss, &echo)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
