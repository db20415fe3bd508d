package wire

import "testing"

// SACK blocks beside other options: as many as fit, the first ones.
func TestSACKRoom(t *testing.T) {
	blocks := [4]SACKBlock{{1, 2}, {3, 4}, {5, 6}, {7, 8}}
	for _, c := range []struct {
		name string
		o    Options
		len  int
		want uint8
	}{
		{"alone", Options{SACKCount: 4}, 36, 4},
		{"with timestamps", Options{SACKCount: 4, HasTimestamps: true}, 40, 3},
		{"with everything", Options{SACKCount: 4, HasTimestamps: true, MSS: 1, HasWindowScale: true, SACKPermitted: true}, 40, 2},
		{"a count that cannot be", Options{SACKCount: 200}, 36, 4},
		{"none", Options{}, 0, 0},
	} {
		c.o.SACK = blocks
		b := make([]byte, 60)
		n := PutTCP(b, &TCP{Options: c.o})
		var h TCP
		if _, err := ParseTCP(b[:n], &h); err != nil || n != 20+c.len || h.Options.SACKCount != c.want {
			t.Errorf("%s: %v, %d octets, %d blocks; want %d, %d", c.name, err, n-20, h.Options.SACKCount, c.len, c.want)
		}
		for i := range c.want {
			if h.Options.SACK[i] != blocks[i] {
				t.Errorf("%s: block %d is %v", c.name, i, h.Options.SACK[i])
			}
		}
	}
}
