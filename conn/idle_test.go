package conn

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"minitcp/conn/seq"
	"minitcp/conn/timestamps"
	"minitcp/conn/wire"
)

// twins are two connections that get the same calls. One hibernates when it is idle, the other never does. The results
// of both calls must be the same. The test is their peer, on a path without loss.
type twins struct {
	t    *testing.T
	cfg  Config
	now  Time
	c    *Conn // hibernates
	twin *Conn

	timestamps bool
	next       seq.Offset // the peer's next byte
	rcv        seq.Offset // the peer expects this one next
	window     uint16     // the peer's
	written    []byte     // data sent that has not arrived at the peer
	owed       []byte     // sent by the peer, and not yet read
	hibernated int
}

func newTwins(t *testing.T, cfg Config) *twins {
	w := &twins{t: t, cfg: cfg.WithDefaults(), now: 1e9, next: 1, rcv: 1, window: 8192, timestamps: cfg.Timestamps == Enabled}
	syn := wire.TCP{Flags: wire.SYN | wire.ECE | wire.CWR, Seq: testIRS, Window: 65535,
		Options: wire.Options{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 3}}
	w.stamp(&syn)
	begin := w.now
	w.now = begin.Add(5 * time.Millisecond)
	for _, c := range []**Conn{&w.c, &w.twin} {
		e := NewHandshake(begin, &w.cfg, testOpen(), &syn)
		var out Outgoing
		e.Transmit(begin, 1, &out)
		s := w.segment(wire.ACK, nil)
		if e.Receive(w.now, &s); e.State() != Established {
			t.Fatal("no handshake")
		}
		*c = e.Establish(w.now)
		(*c).Receive(w.now, &s)
	}
	w.drain()
	return w
}

func (w *twins) stamp(h *wire.TCP) {
	if w.timestamps {
		h.Options.HasTimestamps = true
		h.Options.TSVal = uint32(w.now / Time(time.Millisecond))
	}
}

func (w *twins) segment(f wire.Flags, data []byte) Segment {
	s := Segment{TCP: wire.TCP{Flags: f, Seq: seq.Wire(testIRS, w.next), Ack: seq.Wire(testISS, w.rcv), Window: w.window}, Data: data}
	w.stamp(&s.TCP)
	if w.timestamps {
		s.TCP.Options.TSEcr = (&timestamps.State{Offset: testOpen().TSOffset}).Clock(w.now.Add(-3 * time.Millisecond))
	}
	return s
}

// both makes the same call on both connections, and handles the segments that they send.
func (w *twins) both(what string, call func(*Conn) any) any {
	w.t.Helper()
	idle := w.c.active == nil
	a, b := call(w.c), call(w.twin)
	if !reflect.DeepEqual(a, b) {
		w.t.Fatalf("%s: %v, and %v without hibernation (idle before: %v)", what, a, b, idle)
	}
	w.drain()
	return a
}

func (w *twins) receive(s Segment) {
	w.t.Helper()
	w.both("Receive", func(c *Conn) any { return c.Receive(w.now, &s) })
}

// drain compares the segments that the two connections send, and replies to them as the peer.
func (w *twins) drain() {
	w.t.Helper()
	var a, b Outgoing
	for {
		more := w.c.Transmit(w.now, 1, &a)
		if more != w.twin.Transmit(w.now, 1, &b) {
			w.t.Fatalf("sends more: %v, %v; else %v", more, a.TCP, b.TCP)
		}
		w.twin.active.timer.idle = Never - 1
		if err := w.c.Check(); err != nil {
			w.t.Fatal(err)
		}
		if !more {
			break
		}
		data := bytes.Join(a.Data, nil)
		if a.TCP != b.TCP || a.Note != b.Note || a.ECN != b.ECN || !bytes.Equal(data, bytes.Join(b.Data, nil)) {
			w.t.Fatalf("sends\n%+v %v %v %d bytes, without hibernation\n%+v %v %v", a.TCP, a.Note, a.ECN, len(data), b.TCP, b.Note, b.ECN)
		}
		at := seq.Unwrap(testISS, w.rcv, a.TCP.Seq)
		if at == w.rcv && len(data) > 0 {
			if !bytes.HasPrefix(w.written, data) {
				w.t.Fatalf("sends %.20q(%d), %.20q(%d) was written", data, len(data), w.written, len(w.written))
			}
			w.written = w.written[len(data):]
			w.rcv += seq.Offset(len(data))
		}
		if at <= w.rcv && a.TCP.Flags.Has(wire.FIN) {
			w.rcv++
		}
	}
	if a, b := w.c.Ready(), w.twin.Ready(); a != b {
		w.t.Fatalf("ready %b, without hibernation %b", a, b)
	}
	a1, b1 := w.c.Info(w.now), w.twin.Info(w.now)
	// The window is brought down at hibernation, the other's at the next transmission. An idle connection has no pacing
	// rate.
	a1.CongestionWindow, b1.CongestionWindow, a1.SlowStartThreshold, b1.SlowStartThreshold = 0, 0, 0, 0
	a1.SendBuffer, b1.SendBuffer, a1.ReadPerRoundTrip, b1.ReadPerRoundTrip = 0, 0, 0, 0
	a1.PacingRate, b1.PacingRate = 0, 0
	if a1 != b1 {
		w.t.Fatalf("info\n%+v, without hibernation\n%+v", a1, b1)
	}
}

// wait advances the time. The deadlines of the two may differ only because of hibernation.
func (w *twins) wait(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now < end; {
		w.now = min(end, max(w.now, min(w.c.Deadline(), w.twin.Deadline())))
		active := w.c.active != nil
		w.c.Advance(w.now)
		w.twin.Advance(w.now)
		if active && w.c.active == nil {
			w.hibernated++
		}
		w.drain()
	}
}

func (w *twins) write(data []byte) {
	w.t.Helper()
	w.written = append(w.written, data...)
	w.both("Write", func(c *Conn) any { n, err := c.Write(w.now, data); return fmt.Sprint(n, err) })
}

func (w *twins) send(data []byte) {
	w.t.Helper()
	s := w.segment(wire.ACK|wire.PSH, data)
	w.next += seq.Offset(len(data))
	w.owed = append(w.owed, data...)
	w.receive(s)
}

func (w *twins) read() {
	w.t.Helper()
	n := w.both("Read", func(c *Conn) any {
		b := make([]byte, 1<<16)
		n, err := c.Read(b)
		if n > 0 && !bytes.Equal(b[:n], w.owed[:n]) {
			w.t.Fatalf("reads %.20q", b[:n])
		}
		return []any{n, err}
	}).([]any)[0].(int)
	w.owed = w.owed[n:]
}

func (w *twins) acknowledge() {
	w.t.Helper()
	w.receive(w.segment(wire.ACK, nil))
}

// hibernate waits until c is idle.
func (w *twins) hibernate() {
	w.t.Helper()
	w.wait(2*idleTime + time.Second)
	if w.c.active != nil {
		w.t.Fatalf("active: %+v", w.c.active)
	}
}

// played returns a pair of twins after five exchanges of data.
func played(t *testing.T, cfg Config) *twins {
	w := newTwins(t, cfg)
	for i := range 5 {
		w.write(pattern(i, 3000))
		w.wait(3 * time.Millisecond)
		w.acknowledge()
		w.send(pattern(i, 700))
		w.read()
		w.wait(100 * time.Millisecond)
	}
	return w
}

func pattern(seed, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(seed*7 + i*i>>3)
	}
	return b
}

// The results of a connection do not depend on hibernation, in any order of events.
func TestHibernationChangesNothing(t *testing.T) {
	hibernated := 0
	for s := range uint64(100) {
		r := rand.New(rand.NewPCG(s, 1))
		w := newTwins(t, Config{CongestionControl: Reno, Timestamps: Feature(r.IntN(2)), SACK: Feature(r.IntN(2)),
			ReceiveBuffer: 1 << 20, KeepAlive: KeepAlive{Enable: r.IntN(2) == 0, Idle: time.Duration(5+r.IntN(60)) * time.Second}})
		for range 100 {
			switch r.IntN(7) {
			case 0:
				w.write(pattern(r.Int(), 1+r.IntN(3000)))
			case 1:
				w.send(pattern(r.Int(), 1+r.IntN(1400)))
			case 2:
				w.read()
			case 3:
				w.wait(time.Duration(r.IntN(3000)) * time.Millisecond)
			case 4:
				w.window = 4000 + uint16(r.IntN(4000))
			case 5:
				w.wait(time.Duration(3+r.IntN(30)) * time.Second)
			}
			w.acknowledge()
		}
		hibernated += w.hibernated
	}
	if hibernated < 300 {
		t.Errorf("it hibernated %d times", hibernated)
	}
}

// The slow start threshold is remembered, and a window no larger than the initial one.
func TestRestartWindow(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno} {
		c := played(t, Config{CongestionControl: control}).c
		c.active.cc = c.newController(100_000)
		c.hibernate(20e9)
		if n := c.Info(20e9).CongestionWindow; n != 14480 {
			t.Errorf("%v: window %d after 100000, want the initial one, 14480", control, n)
		}
		c.resume()
		c.active.cc = c.newController(20_000)
		c.active.cc.OnLoss(c.lossNow(20e9))
		threshold := c.active.cc.SlowStartThreshold()
		c.hibernate(20e9)
		if n := c.Info(20e9).SlowStartThreshold; n < threshold || n > 20_000 {
			t.Errorf("%v: threshold %d after %d", control, n, threshold)
		}
		c.resume()
		if n := c.active.cc.SlowStartThreshold(); n < threshold || n > 20_000 {
			t.Errorf("%v: threshold %d at the restart, %d before", control, n, threshold)
		}
		c.active.cc.OnTimeout(c.lossNow(20e9))
		window := c.active.cc.Window()
		c.hibernate(20e9)
		if n := c.Info(20e9).CongestionWindow; n != window || window >= 14480 {
			t.Errorf("%v: window %d after %d", control, n, window)
		}
	}
}

// The limits of the buffers return to their initial sizes, unless the application has set them.
func TestIdleBuffers(t *testing.T) {
	w := played(t, Config{ReceiveBuffer: 100_000, MaxReceiveBuffer: 1 << 20, SendBuffer: 50_000, MaxSendBuffer: 1 << 20})
	sizes := func(receive, send int) {
		t.Helper()
		if i := w.c.Info(w.now); i.ReceiveBuffer != receive || i.SendBuffer != send {
			t.Errorf("buffers of %d and %d, want %d and %d", i.ReceiveBuffer, i.SendBuffer, receive, send)
		}
	}
	w.c.rcv.bufferLimit, w.c.snd.bufferLimit = 200_000, 300_000
	w.c.hibernate(w.now)
	sizes(100_000, 50_000)
	w.c.SetReceiveBuffer(5000)
	w.c.SetSendBuffer(6000)
	w.c.resume()
	w.c.hibernate(w.now)
	sizes(5000, 6000)
}

// A connection does not hibernate while a timer runs or data is unread, unsent or unacknowledged.
func TestStaysActive(t *testing.T) {
	for name, act := range map[string]func(w *twins){
		"unread data":   func(w *twins) { w.send([]byte("x")) },
		"early data":    func(w *twins) { w.next++; w.send([]byte("x")) },
		"in flight":     func(w *twins) { w.write([]byte("x")); w.wait(5 * time.Second) },
		"closed window": func(w *twins) { w.window = 0; w.acknowledge(); w.write([]byte("x")) },
		"more to write": func(w *twins) {
			w.written = []byte("x")
			w.both("WriteMore", func(c *Conn) any { n, err := c.WriteMore(w.now, []byte("x")); return fmt.Sprint(n, err) })
		},
		"closed": func(w *twins) {
			w.both("Close", func(c *Conn) any { c.Close(w.now, Linger{}); return nil })
			w.acknowledge()
		},
	} {
		w := played(t, Config{CongestionControl: Reno})
		act(w)
		w.wait(40 * time.Second)
		if w.c.active == nil || w.hibernated > 0 {
			t.Errorf("%s: it hibernates", name)
		}
	}
}

// An idle connection allocates nothing for calls that have nothing to do, and stays idle.
func TestIdleCalls(t *testing.T) {
	w := played(t, Config{})
	w.hibernate()
	if d := w.c.Deadline(); d != Never {
		t.Errorf("deadline %v", d)
	}
	n := testing.AllocsPerRun(100, func() {
		var one [1]byte
		var out Outgoing
		if n, err := w.c.Read(one[:]); n != 0 || err != ErrWouldBlock {
			t.Errorf("Read: %d, %v", n, err)
		}
		w.c.Advance(w.now)
		w.c.Transmit(w.now, 1, &out)
		w.c.Ready()
		w.c.Urgent()
		w.c.Info(w.now)
	})
	if n != 0 || w.c.active != nil {
		t.Errorf("%v allocations, active %v", n, w.c.active)
	}
	w.receive(w.segment(fin, nil))
	w.next++
	if _, err := w.c.Read(make([]byte, 1)); err != io.EOF || w.c.active != nil {
		t.Errorf("Read: %v, active %v", err, w.c.active)
	}
}

// Keep-alive probes, their answers and window updates leave a connection idle.
func TestIdleKeepAlive(t *testing.T) {
	w := played(t, Config{KeepAlive: KeepAlive{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 2}})
	w.hibernate()
	w.acknowledge()
	for range 5 {
		sent := w.c.stats.SegmentsSent
		w.wait(65 * time.Second) // drain compares the probe with the twin's
		if n := w.c.stats.SegmentsSent - sent; n != 1 {
			t.Errorf("%d probes in 65 s, want 1", n)
		}
		w.acknowledge()
		w.window = 9000 - w.window
		w.acknowledge()
		w.next-- // the peer's probe
		w.acknowledge()
		if w.next++; w.c.active != nil {
			t.Fatal("keep-alive makes active")
		}
	}
	w.wait(time.Minute + 40*time.Second)
	if w.c.State() != Closed || w.c.Err() != ErrTimeout {
		t.Errorf("state %v, error %v after two probes without an answer", w.c.State(), w.c.Err())
	}
}

// An idle connection records an urgent pointer that arrives before its data, as others do. It stays idle if the
// application has read the data that the pointer refers to.
func TestIdleUrgent(t *testing.T) {
	w := played(t, Config{})
	w.hibernate()
	s := w.segment(wire.ACK|wire.URG, nil)
	w.receive(s) // to the byte before the next one
	if w.c.active != nil {
		t.Error("an urgent pointer to nothing makes active")
	}
	s.TCP.Urgent = 7
	w.receive(s)
	n, pending := w.c.Urgent()
	m, twin := w.twin.Urgent()
	if n != 7 || !pending || m != n || !twin {
		t.Errorf("%d bytes of urgent data are ahead (%v), of the twin's %d (%v), want 7", n, pending, m, twin)
	}
	w.wait(time.Minute)
	if w.c.active == nil {
		t.Error("the connection is idle with urgent data ahead")
	}
}

// A Conn fits a size class of 640 bytes and its active part one of 704, of each of which the Go runtime keeps 8.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 640-8 {
		t.Errorf("a Conn takes %d bytes, want at most 632", n)
	}
	if n := unsafe.Sizeof(active{}); n > 704-8 {
		t.Errorf("active takes %d bytes, want at most 696", n)
	}
}
