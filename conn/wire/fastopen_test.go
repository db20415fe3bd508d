package wire

import (
	"bytes"
	"slices"
	"testing"
)

// headerWith returns a header with options, padded with End of List.
func headerWith(options ...byte) []byte {
	b := append(make([]byte, tcpHeaderLen), options...)
	for len(b)%4 != 0 {
		b = append(b, optionEnd)
	}
	b[12] = uint8(len(b)/4) << 4
	return b
}

// Both forms of the option are read. An invalid length makes the option absent, and not the header malformed (RFC 7413
// 4.1.1).
func TestFastOpenParse(t *testing.T) {
	cookie := func(n int) []byte { return []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}[:n] }
	option := func(head ...byte) func(n int) []byte {
		return func(n int) []byte {
			b := slices.Concat(head, cookie(n))
			b[1] = uint8(len(b))
			return b
		}
	}
	standard, experimental := option(34, 0), option(254, 0, 0xf9, 0x89)
	for _, c := range []struct {
		name string
		b    []byte
		kind FastOpenKind
		n    int
	}{
		{"a request", standard(0), FastOpenStandard, 0},
		{"the least cookie", standard(4), FastOpenStandard, 4},
		{"a cookie", standard(8), FastOpenStandard, 8},
		{"the largest cookie", standard(16), FastOpenStandard, 16},
		{"too short", standard(2), FastOpenNone, 0},
		{"odd", standard(9), FastOpenNone, 0},
		{"too long", standard(18), FastOpenNone, 0},
		{"an experimental request", experimental(0), FastOpenExperimental, 0},
		{"an experimental cookie", experimental(16), FastOpenExperimental, 16},
		{"experimental and too short", experimental(2), FastOpenNone, 0},
		{"another experiment", []byte{254, 4, 0xf9, 0x88}, FastOpenNone, 0},
		{"an experiment without a number", []byte{254, 2}, FastOpenNone, 0},
	} {
		var h TCP
		if _, err := ParseTCP(headerWith(c.b...), &h); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		f := h.Options.FastOpen
		if f.Kind != c.kind || !bytes.Equal(f.Data(), cookie(c.n)) || f.Requests() != (c.kind != FastOpenNone && c.n == 0) {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// A SYN has room for the option beside all others, and NOPs follow it (MUST-69).
func TestFastOpenPut(t *testing.T) {
	for _, c := range []struct {
		f    FastOpen
		want []byte
	}{
		{FastOpen{}, nil},
		{FastOpen{Kind: FastOpenStandard}, []byte{34, 2, 1, 1}},
		{FastOpen{Kind: FastOpenStandard, Len: 6, Cookie: [16]byte{1, 2, 3, 4, 5, 6}}, []byte{34, 8, 1, 2, 3, 4, 5, 6}},
		{FastOpen{Kind: FastOpenStandard, Len: 8, Cookie: [16]byte{1, 7: 8}}, []byte{34, 10, 1, 0, 0, 0, 0, 0, 0, 8, 1, 1}},
		{FastOpen{Kind: FastOpenExperimental}, []byte{254, 4, 0xf9, 0x89}},
		{
			FastOpen{Kind: FastOpenExperimental, Len: 16, Cookie: [16]byte{1, 15: 16}},
			[]byte{254, 20, 0xf9, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16},
		},
	} {
		b := bytes.Repeat([]byte{0xee}, 60)
		n := PutTCP(b, &TCP{Options: Options{FastOpen: c.f}})
		if !bytes.Equal(b[tcpHeaderLen:n], c.want) {
			t.Errorf("%+v: % x, want % x", c.f, b[tcpHeaderLen:n], c.want)
		}
		o := Options{MSS: 1460, HasWindowScale: true, WindowScale: 7, SACKPermitted: true, HasTimestamps: true, TSVal: 1, FastOpen: c.f}
		n = PutTCP(b, &TCP{Options: o})
		var back TCP
		if _, err := ParseTCP(b[:n], &back); n > 60 || err != nil || back.Options != o {
			t.Errorf("%+v in %d bytes became %+v, %v", o, n, back.Options, err)
		}
	}
}

// FuzzFastOpen reads any value of both kinds of options. A cookie has a valid length and is written as it was read.
func FuzzFastOpen(f *testing.F) {
	f.Add(uint8(34), []byte{})
	f.Add(uint8(34), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(uint8(34), []byte{1, 2, 3})
	f.Add(uint8(254), []byte{0xf9, 0x89, 1, 2, 3, 4})
	f.Add(uint8(254), []byte{0xf9})
	f.Fuzz(func(t *testing.T, kind uint8, v []byte) {
		v = v[:min(len(v), maxOptionsLen-2)]
		var o, again Options
		if !o.parseOne(kind, v) || o.FastOpen.Kind == FastOpenNone {
			return
		}
		n := len(o.FastOpen.Data())
		if n%2 != 0 || n > 0 && n < MinFastOpenCookie || n > MaxFastOpenCookie || !bytes.HasSuffix(v, o.FastOpen.Data()) {
			t.Fatalf("option %d % x: %+v", kind, v, o.FastOpen)
		}
		o = Options{FastOpen: o.FastOpen}
		b := make([]byte, o.Len())
		o.put(b)
		if !again.parse(b) || again != o {
			t.Fatalf("option %d % x became % x", kind, v, b)
		}
	})
}
