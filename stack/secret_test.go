package stack

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// A stack with the Secret of an earlier one goes on with its sequence numbers, one in 4 µs, and timestamps, one in 1
// ms, after the time between them by the wall clock. So a peer in TIME-WAIT accepts the new connection (RFC 6528 3,
// RFC 6191).
func TestSecretOfEarlierStack(t *testing.T) {
	iss, stamp := startAfter(t, 0)
	for _, later := range []time.Duration{1500 * time.Millisecond, time.Hour} {
		moved, ticks := uint32(later/(4*time.Microsecond)), uint32(later/time.Millisecond)
		if i, s := startAfter(t, later); i-iss != moved || s-stamp != ticks {
			t.Errorf("after %v: the ISN has moved by %d, want %d; timestamps by %d, want %d", later, i-iss, moved, s-stamp, ticks)
		}
	}
}

// startAfter returns the sequence number and the timestamp in the SYN-ACK of a stack that starts after a delay.
func startAfter(t *testing.T, delay time.Duration) (iss, stamp uint32) {
	t.Helper()
	within(t, func(t *testing.T) {
		time.Sleep(delay)
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Secret: [32]byte{1}})
		p.listen()
		seen := 0
		p.db.SetHook(func(frame []byte) stacktest.Fate {
			if _, tcp, _, ok := stacktest.Segment(frame); ok && tcp.Flags.Has(wire.SYN|wire.ACK) {
				iss, stamp = tcp.Seq, tcp.Options.TSVal
				seen++
			}
			return stacktest.Drop
		})
		options := binary.BigEndian.AppendUint64([]byte{1, 1, 8, 10}, 7<<32)
		p.db.Inject(packet(segmentSpec{src: netip.MustParseAddrPort("10.78.0.1:5000"), flags: wire.SYN, options: options}))
		quiet()
		if seen != 1 {
			t.Fatalf("%d SYN-ACKs, want 1", seen)
		}
	})
	return iss, stamp
}
