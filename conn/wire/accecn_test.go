package wire

import (
	"bytes"
	"testing"
)

// The option has the kind and the length of its fields, and ends at a multiple of 4 bytes (RFC 9768 3.2.3, figure 4 and
// table 5).
func TestAccECNEncoding(t *testing.T) {
	fields := [3]uint32{0x010203, 0x040506, 0x070809}
	for _, c := range []struct {
		order AccECNOrder
		count uint8
		want  []byte
	}{
		{AccECN0, 3, []byte{172, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1}},
		{AccECN1, 3, []byte{174, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1}},
		{AccECN0, 2, []byte{172, 8, 1, 2, 3, 4, 5, 6}},
		{AccECN1, 1, []byte{174, 5, 1, 2, 3, 1, 1, 1}},
		{AccECN0, 0, []byte{172, 2, 1, 1}},
	} {
		want := Options{AccECN: AccECN{Order: c.order, Count: c.count}}
		copy(want.AccECN.Fields[:], fields[:c.count])
		b := bytes.Repeat([]byte{0xee}, 60)
		n := PutTCP(b, &TCP{Options: want})
		if !bytes.Equal(b[20:n], c.want) {
			t.Errorf("%v of order %d: % x, want % x", &want.AccECN, c.order, b[20:n], c.want)
		}
		var h TCP
		if _, err := ParseTCP(b[:n], &h); err != nil || h.Options != want {
			t.Errorf("% x: %+v, %v, want %+v", b[20:n], h.Options, err, want)
		}
	}
}

// An option of another length has the whole fields that fit into it (RFC 9768 3.2.3).
func TestAccECNLengths(t *testing.T) {
	for length, want := range map[byte]uint8{2: 0, 3: 0, 4: 0, 5: 1, 7: 1, 8: 2, 10: 2, 11: 3, 12: 3, 20: 3} {
		b := make([]byte, 40)
		b[12], b[20], b[21] = 10<<4, 174, length
		for i := 22; i < 20+int(length); i++ {
			b[i] = 1
		}
		var h TCP
		if _, err := ParseTCP(b, &h); err != nil || h.Options.AccECN.Count != want || h.Options.AccECN.Order != AccECN1 {
			t.Errorf("length %d: %+v, %v, want %d fields", length, h.Options.AccECN, err, want)
		}
	}
}

// The fields are those of the codepoints in RFC 9768 figure 4.
func TestAccECNCodepoints(t *testing.T) {
	for order, want := range map[AccECNOrder][3]ECN{AccECN0: {ECT0, CE, ECT1}, AccECN1: {ECT1, CE, ECT0}} {
		a := AccECN{Order: order}
		if got := [3]ECN{a.Codepoint(0), a.Codepoint(1), a.Codepoint(2)}; got != want {
			t.Errorf("order %d: %v, want %v", order, got, want)
		}
	}
	for want, a := range map[string]AccECN{
		"":                  {},
		"AccECN":            {Order: AccECN1},
		"e0b 7":             {Order: AccECN0, Count: 1, Fields: [3]uint32{7}},
		"e1b 1 ceb 2 e0b 3": {Order: AccECN1, Count: 3, Fields: [3]uint32{1, 2, 3}},
	} {
		if got := a.String(); got != want {
			t.Errorf("%+v is %q, want %q", a, got, want)
		}
	}
}

// An AccECN option leaves room for one SACK block beside timestamps if it has three fields, and for two if it has two.
func TestAccECNBesideSACK(t *testing.T) {
	for count, want := range map[uint8]int{1: 20 + 12 + 8 + 20, 2: 20 + 12 + 8 + 20, 3: 20 + 12 + 12 + 12} {
		h := TCP{Options: Options{HasTimestamps: true, SACKCount: 4, AccECN: AccECN{Order: AccECN0, Count: count}}}
		if n := PutTCP(make([]byte, 60), &h); n != want {
			t.Errorf("%d fields: a header of %d bytes, want %d", count, n, want)
		}
	}
}

// AE is the lowest of the four bits before the other flags. The three others are neither read nor written.
func TestFlagAE(t *testing.T) {
	for _, f := range []Flags{AE, AE | CWR | ECE | SYN, ACK, 1<<9 - 1} {
		b := make([]byte, 20)
		PutTCP(b, &TCP{Flags: f})
		if got := b[12]; got != 5<<4|byte(f>>8) {
			t.Errorf("%v: byte 12 is %#x", f, got)
		}
		b[12] |= 0x0e
		var h TCP
		if _, err := ParseTCP(b, &h); err != nil || h.Flags != f {
			t.Errorf("%v: read %v, %v", f, h.Flags, err)
		}
	}
	if got := (SYN | ECE | CWR | AE).String() + " " + (SYN | ACK | AE).Short(); got != "SYN,ECE,CWR,AE S.e" {
		t.Errorf("the names are %q", got)
	}
}

// FuzzAccECN reads any option, and writes it again.
func FuzzAccECN(f *testing.F) {
	f.Add(true, []byte{0, 0, 1, 0, 0, 0, 0, 0, 1})
	f.Add(false, []byte{})
	f.Fuzz(func(t *testing.T, second bool, value []byte) {
		kind := byte(172)
		if second {
			kind = 174
		}
		value = value[:min(len(value), 38)]
		var a, again AccECN
		a.parse(kind, value)
		b := make([]byte, 12)
		n := a.put(b)
		if n != a.Len() || n%4 != 0 {
			t.Fatalf("%+v: %d bytes, Len is %d", a, n, a.Len())
		}
		for ; n > 0 && b[n-1] == 1 && n > int(b[1]); n-- {
		}
		if b[0] != kind || int(b[1]) != n {
			t.Fatalf("%+v became % x of %d bytes", a, b, n)
		}
		if again.parse(b[0], b[2:n]); again != a {
			t.Fatalf("%+v became %+v", a, again)
		}
	})
}
