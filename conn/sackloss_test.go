package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// An ACK that says what arrived beyond a gap is a sign of loss although it changes the window, as those for superframes
// do (RFC 6675 2); and one is enough when it names more than two segments (RFC 6675 4).
func TestLossSaidBySACK(t *testing.T) {
	const size = 1460
	const far = 1 << 20
	block := func(left, right int32) [4]wire.SACKBlock {
		return [4]wire.SACKBlock{{Left: testISS + uint32(left), Right: testISS + uint32(right)}}
	}
	for _, test := range []struct {
		name    string
		blocks  [4]wire.SACKBlock
		acks    int
		resends int // after which of the ACKs; 0: none
	}{
		{"three segments at once", block(1+size, 1+4*size), 1, 1},
		{"one more with each ACK", block(1+size, 1+2*size), 4, 3},
		{"nothing new: it came twice", block(1-size, 1), 4, 0},
		{"what was never sent", block(1+size, 1+far), 4, 0},
		{"no block", [4]wire.SACKBlock{}, 4, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := dialOne(t, Config{MaxRTO: 2 * time.Minute}) // with options
			o.want(segment{flags: wire.SYN})
			o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{MSS: size, SACKPermitted: true}})
			o.want(segment{flags: wire.ACK, seq: 1, ack: 1})
			o.write(repeat(10 * size))
			for i := range int64(10) {
				o.want(segment{flags: wire.ACK, seq: 1 + size*i, ack: 1, data: repeat(size)})
			}
			o.nothing()
			for i := range test.acks {
				in := segment{flags: wire.ACK, seq: 1, ack: 1, window: 30000 + i, options: wire.Options{SACK: test.blocks}}
				if test.blocks != ([4]wire.SACKBlock{}) {
					in.options.SACKCount = 1
				}
				o.in(in)
				if i+1 == test.resends {
					o.want(segment{flags: wire.ACK, seq: 1, ack: 1, data: repeat(size)})
				}
				o.nothing()
			}
		})
	}
}
