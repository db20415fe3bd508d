package stack

import (
	"encoding/binary"
	"os"
	"sync"
	"testing"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// nullDevice takes everything and gives nothing. The test is its queue.
type nullDevice struct {
	done chan struct{}
	err  error // WriteFrame's

	mu   sync.Mutex // for tests with goroutines that send
	sent int
	last []byte // a copy of the last frame
}

func (d *nullDevice) ReadBatch([][]byte, []int) (int, error) {
	<-d.done
	return 0, os.ErrClosed
}

func (d *nullDevice) WriteFrame(parts [][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent++
	d.last = d.last[:0]
	for _, p := range parts {
		d.last = append(d.last, p...)
	}
	return d.err
}

func (d *nullDevice) MTU() int          { return 1500 }
func (d *nullDevice) Offloads() bool    { return true }
func (d *nullDevice) SegmentsUDP() bool { return true }
func (d *nullDevice) Close() error      { close(d.done); return nil }

// lone is a stack whose peer is the test: it hands frames to a queue of its own.
type lone struct {
	s *Stack
	d *nullDevice
	q *queue
	c *Conn

	listener *Listener
	udp      *UDPConn  // of FuzzInput
	ping     *PingConn // likewise
	// The next numbers of the peer's and of ours.
	seq, ack uint32
}

func newLone(t testing.TB, cfg Config) *lone {
	l := &lone{d: &nullDevice{done: make(chan struct{}), last: make([]byte, 0, MaxFrame)}}
	cfg.Addresses = addressesB
	// Timestamps would need an echo.
	cfg.Conn.Timestamps = conn.Disabled
	s, err := New(l.d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l.s, l.q = s, newQueue(s, 0)
	if l.listener, err = s.ListenTCP("tcp", ":80"); err != nil {
		t.Fatal(err)
	}
	l.establish(t, 0)
	return l
}

// establish opens c with a SYN that has more flags.
func (l *lone) establish(t testing.TB, more wire.Flags) {
	l.in(segmentSpec{flags: wire.SYN | more, seq: 1000})
	l.seq, l.ack = 1001, binary.BigEndian.Uint32(l.d.last[wire.VirtioHeaderLen+wire.IPv4HeaderLen+4:])+1
	reply := wire.ACK
	if more.Has(wire.AE) {
		reply |= wire.CWR // the SYN-ACK was Not-ECT
	}
	l.in(segmentSpec{flags: reply, seq: l.seq, ack: l.ack})
	var err error
	if l.c, err = l.listener.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
}

// forget drops every connection.
func (l *lone) forget() {
	for e := range l.s.table.All() {
		e.mu.Lock()
		l.s.remove(e)
		e.mu.Unlock()
	}
	for len(l.listener.accepted) > 0 {
		<-l.listener.accepted
	}
}

func (l *lone) in(s segmentSpec) { l.frame(packet(s)) }

func (l *lone) frame(frame []byte) {
	l.q.Sizes[0] = copy(l.q.Frames[0], frame)
	l.q.receiveBatch(1)
}

// numbers sets a prepared frame's sequence and acknowledgement numbers; its checksum is the device's affair.
func (l *lone) numbers(frame []byte) {
	h := wire.VirtioHeader{Flags: wire.VirtioDataValid}
	wire.PutVirtio(frame, &h)
	tcp := frame[wire.VirtioHeaderLen+wire.IPv4HeaderLen:]
	binary.BigEndian.PutUint32(tcp[4:], l.seq)
	binary.BigEndian.PutUint32(tcp[8:], l.ack)
}

// superframe acts like frame for a superframe, in which it sets the sequence and acknowledgment numbers.
func (l *lone) superframe(frame []byte) {
	l.numbers(frame)
	h := wire.VirtioHeader{Flags: wire.VirtioDataValid, GSOType: wire.GSOTCPv4, GSOSize: 1460}
	wire.PutVirtio(frame, &h)
	l.frame(frame)
}
