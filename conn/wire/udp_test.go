package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestUDP(t *testing.T) {
	v4 := [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	v6 := [2]netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")}
	for _, ends := range [][2]netip.Addr{v4, v6} {
		for _, data := range [][]byte{nil, []byte("x"), []byte("an odd number of bytes!")} {
			b := make([]byte, UDPHeaderLen, 64)
			PutUDP(b, 4660, 53, len(data))
			b = append(b, data...)
			PutUDPChecksum(b, ChecksumGather(PseudoHeaderSum(ends[0], ends[1], ProtocolUDP, len(b)), [][]byte{b}))
			if !VerifyUDP(ends[0], ends[1], b) {
				t.Errorf("%q: the checksum is wrong", data)
			}
			b[0] ^= 1
			if VerifyUDP(ends[0], ends[1], b) {
				t.Errorf("%q: a damaged port is not noticed", data)
			}
			b[0] ^= 1
			var h UDP
			got, err := ParseUDP(append(b, "padding"...), &h)
			if want := (UDP{4660, 53, len(b)}); err != nil || h != want || !bytes.Equal(got, data) {
				t.Errorf("%q: %q, %+v, %v", data, got, h, err)
			}
			b[6], b[7] = 0, 0
			if got, want := VerifyUDP(ends[0], ends[1], b), ends[0].Is4(); got != want {
				t.Errorf("%v without a checksum: %v, want %v", ends[0], got, want)
			}
		}
	}
}

// A sum of 0 is written as 0xffff, which verifies.
func TestUDPChecksumOfZero(t *testing.T) {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	b := make([]byte, UDPHeaderLen+2)
	for n := range 1 << 16 {
		PutUDP(b, 1, 2, 2)
		b[8], b[9] = byte(n>>8), byte(n)
		if ChecksumGather(PseudoHeaderSum(src, dst, ProtocolUDP, len(b)), [][]byte{b}) != 0 {
			continue
		}
		PutUDPChecksum(b, 0)
		if b[6] != 0xff || b[7] != 0xff || !VerifyUDP(src, dst, b) {
			t.Errorf("checksum % x", b[6:8])
		}
		return
	}
	t.Fatal("no data has a sum of 0")
}

func TestUDPErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrTruncated},
		{"seven bytes", make([]byte, 7), ErrTruncated},
		{"length 7", []byte{0, 1, 0, 2, 0, 7, 0, 0}, ErrUDPLength},
		{"length 9 of 8", []byte{0, 1, 0, 2, 0, 9, 0, 0}, ErrUDPLength},
		{"length 8", []byte{0, 1, 0, 2, 0, 8, 0, 0}, nil},
	} {
		var h UDP
		if data, err := ParseUDP(c.b, &h); err != c.want || len(data) != 0 {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzParseUDP(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 0, 9, 0, 0, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h UDP
		data, err := ParseUDP(b, &h)
		if err == nil && (len(data) != h.Length-UDPHeaderLen || h.Length > len(b)) {
			t.Fatalf("%d bytes of data, length %d, of %d", len(data), h.Length, len(b))
		}
		if err != nil && data != nil {
			t.Fatal("data with an error")
		}
	})
}
