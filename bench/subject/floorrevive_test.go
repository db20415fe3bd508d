//go:build linux

package subject

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A source without progress between two calls sends unacknowledged data again, and counts nothing twice. With a
// closed window it sends one segment.
func TestRevive(t *testing.T) {
	for _, test := range []struct {
		name    string
		window  int64
		stopped bool
		want    []uint32 // sequence numbers of the frames
	}{
		{"open", superframe + segment, false, []uint32{1001}},
		{"closed", 0, false, []uint32{1001}},
		{"stopped", superframe + segment, true, []uint32{1001, 1001 + superframe}}, // and the FIN after it
		{"stopped, little room", 2 * segment, true, []uint32{1001}},                // no FIN before everything
		{"stopped and closed", 0, true, []uint32{1001}},
	} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pair[0])
		defer unix.Close(pair[1])
		const port = 40000
		f := &floor{counters: new(counters), fd: pair[0], frameLen: superframe, sources: []uint16{port}}
		c := &f.conns[port]
		*c = floorConn{port: PortSource, acked: 1000, out: 1000 + superframe, most: 1000 + superframe, window: test.window, stopped: test.stopped}
		if f.revive(); len(sequenceNumbers(t, pair[1])) > 0 {
			t.Errorf("%s: it sends although it had got on", test.name)
		}
		f.revive()
		if got := sequenceNumbers(t, pair[1]); !slices.Equal(got, test.want) {
			t.Errorf("%s: sent from %d, want %d", test.name, got, test.want)
		}
		if n := f.counters.out.Load(); n != 0 {
			t.Errorf("%s: %d bytes were counted twice", test.name, n)
		}
	}
}

// sequenceNumbers returns those of the frames in a socket.
func sequenceNumbers(t *testing.T, fd int) (all []uint32) {
	t.Helper()
	frame := make([]byte, virtioLength+maxPacket)
	for {
		n, err := unix.Read(fd, frame)
		if err == unix.EAGAIN {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if n < virtioLength+ipLength+tcpLength {
			t.Fatalf("a frame of %d bytes", n)
		}
		all = append(all, binary.BigEndian.Uint32(frame[virtioLength+ipLength+4:]))
	}
}
