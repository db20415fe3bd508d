package conn

import (
	"fmt"
	"testing"
	"time"

	"minitcp/conn/wire"
)

// Shows: SHLD-31, MAY-13.
func TestSACKBlocks(t *testing.T) {
	o := newEndpoint(t, Config{MaxRTO: 60 * time.Second, Timestamps: Disabled})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.c.Transmit(o.now, 1, &o.last)
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1460, SACKPermitted: true}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	blocks := func(want ...int64) {
		t.Helper()
		o.want(segment{flags: ack, seq: 1, ack: 1})
		var got []int64
		for _, s := range o.last.TCP.Options.SACK[:o.last.TCP.Options.SACKCount] {
			got = append(got, int64(s.Left-uint32(testIRS)), int64(s.Right-uint32(testIRS)))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("SACK %v, want %v", got, want)
		}
	}
	o.in(segment{flags: ack, seq: 11, ack: 1, data: repeat(10)})
	blocks(11, 21)
	o.in(segment{flags: ack, seq: 31, ack: 1, data: repeat(10)})
	blocks(31, 41, 11, 21)
	o.in(segment{flags: ack, seq: 51, ack: 1, data: repeat(10)})
	blocks(51, 61, 31, 41, 11, 21)
	o.in(segment{flags: ack, seq: 21, ack: 1, data: repeat(10)})
	blocks(11, 41, 51, 61)
}
