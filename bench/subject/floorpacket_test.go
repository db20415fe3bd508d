//go:build linux

package subject

import "testing"

func TestWindowScale(t *testing.T) {
	for _, test := range []struct {
		options []byte
		want    uint8
	}{
		{nil, 0},
		{[]byte{2, 4, 5, 180, 1, 3, 3, 7}, 7},
		{[]byte{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 10}, 10},
		{[]byte{2, 4, 5, 180, 0, 3, 3, 7}, 0}, // behind the end
		{[]byte{3, 3}, 0},
		{[]byte{9, 0, 9, 0, 3, 3, 5}, 5}, // impossible lengths
		{[]byte{9, 200, 3, 3, 5}, 0},
	} {
		if got := windowScale(test.options); got != test.want {
			t.Errorf("% x: %d, want %d", test.options, got, test.want)
		}
	}
}

func TestArrival(t *testing.T) {
	packet := append([]byte{0x45, 0, 0, 43, 0, 0, 0, 0, 64, 6, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2,
		0x80, 1, 0x13, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, flagACK | flagPSH, 0x10, 0, 0, 0, 0, 0}, "abc"...)
	var a arrival
	if !a.parse(packet) {
		t.Fatal("not taken")
	}
	if a.source != 0x8001 || a.destination != PortEcho || a.seq != 0x01020304 || a.ack != 0x05060708 ||
		a.flags != flagACK|flagPSH || a.window != 0x1000 || string(a.data) != "abc" {
		t.Errorf("parsed as %+v", a)
	}
	for n := range packet[:40] {
		if a.parse(packet[:n]) {
			t.Errorf("%d bytes were taken", n)
		}
	}
	for _, change := range []struct{ at, to byte }{{0, 0x60}, {9, 17}, {32, 0x40}, {32, 0xf0}} {
		b := append([]byte(nil), packet...)
		b[change.at] = change.to
		if a.parse(b) {
			t.Errorf("taken with byte %d as %#x", change.at, change.to)
		}
	}
}

// The checksum of a ping is right if all its 16-bit words sum to 0xffff.
func TestEchoRequest(t *testing.T) {
	packet := echoRequest()[virtioLength:]
	for _, part := range [][]byte{packet[:ipLength], packet[ipLength:]} {
		sum := uint32(0)
		for i := 0; i < len(part); i += 2 {
			sum += uint32(part[i])<<8 + uint32(part[i+1])
		}
		if fold(sum) != 0xffff {
			t.Errorf("% x: the sum is %#x", part, fold(sum))
		}
	}
}
