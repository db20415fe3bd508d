package wire

import (
	"fmt"
	"testing"
)

// combinations calls f with every set of options there can be.
func combinations(f func(o Options)) {
	for bits := range 1 << 7 {
		for blocks := range 5 {
			o := Options{SACKCount: uint8(blocks)}
			if bits&1 != 0 {
				o.MSS = 1460
			}
			if bits&2 != 0 {
				o.HasWindowScale, o.WindowScale = true, 7
			}
			o.SACKPermitted = bits&4 != 0
			if bits&8 != 0 {
				o.HasTimestamps, o.TSVal, o.TSEcr = true, 1, 2
			}
			if bits&16 != 0 {
				o.FastOpen = FastOpen{Kind: FastOpenStandard, Len: 8, Cookie: [16]byte{7: 1}}
			}
			if bits&32 != 0 {
				o.AccECN = AccECN{Order: AccECN0 + AccECNOrder(bits>>6), Count: uint8(blocks % 4)}
			}
			for i := range blocks {
				o.SACK[i] = SACKBlock{Left: uint32(10 * i), Right: uint32(10*i + 5)}
			}
			f(o)
		}
	}
}

// Whatever options a segment has, they are well formed: every one but End of List and No-Operation has its length, they
// fill the header to a multiple of four bytes and no more than sixty, and the bytes after the last option are zero.
//
// Shows: MUST-4, MUST-68, MUST-69.
func TestOptionsWellFormed(t *testing.T) {
	lengths := map[byte]int{2: 4, 3: 3, 4: 2, 8: 10, 34: 10}
	combinations(func(o Options) {
		b := make([]byte, 80)
		for i := range b {
			b[i] = 0xee // must all be overwritten
		}
		n := PutTCP(b, &TCP{Options: o})
		if n != int(b[12]>>4)*4 || n > 60 || n != 20+o.Len() {
			t.Fatalf("%+v: a header of %d bytes has the data offset %d", o, n, int(b[12]>>4)*4)
		}
		seen := make(map[byte]bool)
		for list := b[20:n]; len(list) > 0; {
			switch kind := list[0]; kind {
			case 0:
				for _, x := range list {
					if x != 0 {
						t.Fatalf("%+v: % x is padded with something", o, b[20:n])
					}
				}
				list = nil
			case 1:
				list = list[1:]
			default:
				size := 0
				if len(list) > 1 {
					size = int(list[1])
				}
				if want := lengths[kind]; size < 2 || size > len(list) || want != 0 && size != want || kind == 5 && size%8 != 2 || seen[kind] {
					t.Fatalf("%+v: option %d of length %d in % x", o, kind, size, b[20:n])
				}
				seen[kind] = true
				list = list[size:]
			}
		}
		want := fmt.Sprint(o.MSS != 0, o.HasWindowScale, o.SACKPermitted, o.HasTimestamps, o.FastOpen.Kind != FastOpenNone)
		if got := fmt.Sprint(seen[2], seen[3], seen[4], seen[8], seen[34]); got != want {
			t.Errorf("%+v: % x has %s, want %s", o, b[20:n], got, want)
		}
	})
}

// The mandatory options are read wherever they are, and End of List ends the list.
//
// Shows: MUST-4, MUST-6, MUST-64.
func TestMandatoryOptions(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []byte
		want    uint16
	}{
		{"alone", []byte{2, 4, 5, 0xb4}, 1460},
		{"after one NOP", []byte{1, 2, 4, 5, 0xb4, 0, 0, 0}, 1460},
		{"after two", []byte{1, 1, 2, 4, 5, 0xb4, 0, 0}, 1460},
		{"after three", []byte{1, 1, 1, 2, 4, 5, 0xb4, 0}, 1460},
		{"after an unknown one", []byte{77, 3, 9, 2, 4, 5, 0xb4, 0}, 1460},
		{"after an unknown one without data", []byte{77, 2, 2, 4, 5, 0xb4, 0, 0}, 1460},
		{"after the end", []byte{0, 2, 4, 5, 0xb4, 0, 0, 0}, 0},
	} {
		b := append(make([]byte, 20), c.options...)
		b[12] = byte(len(b)/4) << 4
		var h TCP
		if _, err := ParseTCP(b, &h); err != nil || h.Options.MSS != c.want {
			t.Errorf("%s: MSS %d, %v; want %d", c.name, h.Options.MSS, err, c.want)
		}
	}
}
