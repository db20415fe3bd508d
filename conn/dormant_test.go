package conn

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// twins are two connections that get the same calls, of which one goes to sleep when it may, and the other never. What they
// answer is the same. The test is their peer, which loses nothing.
type twins struct {
	t    *testing.T
	cfg  Config
	now  Time
	c    *Conn // sleeps
	twin *Conn

	timestamps bool
	next       seq.Offset // the peer's next octet
	rcv        seq.Offset // the peer expects this one next
	window     uint16     // the peer's
	written    []byte     // by us, and not yet come to the peer
	owed       []byte     // sent by the peer, and not yet read
	slept      int
}

func newTwins(t *testing.T, cfg Config) *twins {
	w := &twins{t: t, cfg: cfg.WithDefaults(), now: 1e9, next: 1, rcv: 1, window: 8192, timestamps: cfg.Timestamps == Enabled}
	syn := wire.TCP{Flags: wire.SYN | wire.ECE | wire.CWR, Seq: testIRS, Window: 65535,
		Options: wire.Options{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 3}}
	w.stamp(&syn)
	begin := w.now
	w.now = begin.Add(5 * time.Millisecond)
	for _, c := range []**Conn{&w.c, &w.twin} {
		e := NewEmbryo(begin, &w.cfg, testOpen(), &syn)
		var out Outgoing
		e.Transmit(begin, 1, &out)
		s := w.segment(wire.ACK, nil)
		if e.Receive(w.now, &s); e.State() != EmbryoReady {
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
		s.TCP.Options.TSEcr = timestampClock(w.now.Add(-3*time.Millisecond), testOpen().TSOffset)
	}
	return s
}

// both makes the same call on both, and sends what follows.
func (w *twins) both(what string, call func(*Conn) any) any {
	w.t.Helper()
	asleep := w.c.awake == nil
	a, b := call(w.c), call(w.twin)
	if !reflect.DeepEqual(a, b) {
		w.t.Fatalf("%s: %v, and %v without sleep (asleep before: %v)", what, a, b, asleep)
	}
	w.drain()
	return a
}

func (w *twins) receive(s Segment) {
	w.t.Helper()
	w.both("Receive", func(c *Conn) any { return c.Receive(w.now, &s) })
}

// drain compares what both send, and takes it for the peer.
func (w *twins) drain() {
	w.t.Helper()
	var a, b Outgoing
	for {
		more := w.c.Transmit(w.now, 1, &a)
		if more != w.twin.Transmit(w.now, 1, &b) {
			w.t.Fatalf("sends more: %v, %v; else %v", more, a.TCP, b.TCP)
		}
		w.twin.timer.sleep = Never - 1
		if err := w.c.Check(); err != nil {
			w.t.Fatal(err)
		}
		if !more {
			break
		}
		data := bytes.Join(a.Data, nil)
		if a.TCP != b.TCP || a.Note != b.Note || a.ECN != b.ECN || !bytes.Equal(data, bytes.Join(b.Data, nil)) {
			w.t.Fatalf("sends\n%+v %v %v %d octets, without sleep\n%+v %v %v", a.TCP, a.Note, a.ECN, len(data), b.TCP, b.Note, b.ECN)
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
		w.t.Fatalf("ready %b, without sleep %b", a, b)
	}
	a1, b1 := w.c.Info(w.now), w.twin.Info(w.now)
	// The window is brought down when it goes to sleep, the other's when it next sends.
	a1.CongestionWindow, b1.CongestionWindow, a1.SlowStartThreshold, b1.SlowStartThreshold = 0, 0, 0, 0
	a1.SendBuffer, b1.SendBuffer, a1.ReadPerRoundTrip, b1.ReadPerRoundTrip = 0, 0, 0, 0
	if a1 != b1 {
		w.t.Fatalf("info\n%+v, without sleep\n%+v", a1, b1)
	}
}

// wait lets time pass; of two deadlines that differ, one is to go to sleep.
func (w *twins) wait(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now < end; {
		w.now = min(end, max(w.now, min(w.c.Deadline(), w.twin.Deadline())))
		awake := w.c.awake != nil
		w.c.Advance(w.now)
		w.twin.Advance(w.now)
		if awake && w.c.awake == nil {
			w.slept++
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
		n, err := c.Read(w.now, b)
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

// asleep waits until c sleeps.
func (w *twins) asleep() {
	w.t.Helper()
	w.wait(2*idleTime + time.Second)
	if w.c.awake != nil {
		w.t.Fatalf("awake: %+v", w.c.awake)
	}
}

// played is a connection with a past.
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

// Whatever wakes a connection finds it as if it had not slept.
func TestWoken(t *testing.T) {
	type act = func(w *twins)
	for name, what := range map[string]act{
		"data":  func(w *twins) { w.send([]byte("hello")); w.read() },
		"write": func(w *twins) { w.write([]byte("hello")); w.acknowledge() },
		"much": func(w *twins) {
			for i := range 20 {
				w.write(pattern(i, 4000))
				w.wait(3 * time.Millisecond)
				w.acknowledge()
			}
		},
		"their FIN":            func(w *twins) { w.receive(w.segment(fin, nil)); w.next++; w.read() },
		"RST":                  func(w *twins) { w.receive(w.segment(rst, nil)); w.read() },
		"RST somewhere":        func(w *twins) { w.next += 5; w.receive(w.segment(rst, nil)); w.next -= 5 },
		"SYN":                  func(w *twins) { w.receive(w.segment(syn, nil)) },
		"close":                func(w *twins) { w.both("Close", func(c *Conn) any { c.Close(w.now, Linger{}); return nil }) },
		"linger":               func(w *twins) { w.both("Close", func(c *Conn) any { c.Close(w.now, Linger{Set: true}); return nil }) },
		"abort":                func(w *twins) { w.both("Abort", func(c *Conn) any { c.Abort(w.now); return nil }) },
		"close for reading":    func(w *twins) { w.both("CloseRead", func(c *Conn) any { c.CloseRead(w.now); return nil }) },
		"close for writing":    func(w *twins) { w.both("CloseWrite", func(c *Conn) any { return c.CloseWrite(w.now) }) },
		"read":                 func(w *twins) { w.read() },
		"write nothing":        func(w *twins) { w.write(nil) },
		"keep-alive of peer":   func(w *twins) { w.next--; w.receive(w.segment(ack, nil)); w.next++ },
		"keep-alive, an octet": func(w *twins) { w.next--; w.receive(w.segment(ack, []byte{0})); w.next++ },
		"window update":        func(w *twins) { w.window = 100; w.acknowledge(); w.write(pattern(1, 3000)) },
		"window of before": func(w *twins) {
			w.window, w.rcv = 100, w.rcv-1
			w.acknowledge()
			w.rcv++
			w.write(pattern(1, 3000))
		},
		"closed window": func(w *twins) { w.window = 0; w.acknowledge(); w.write(pattern(1, 3000)); w.wait(time.Second) },
		"early data": func(w *twins) {
			s := w.segment(ack, []byte("late"))
			w.next += 4
			s2 := w.segment(ack, []byte("early"))
			w.next += 5
			w.receive(s2)
			w.receive(s)
			w.owed = []byte("lateearly")
			w.read()
		},
		"old data": func(w *twins) { w.next -= 700; s := w.segment(ack, pattern(4, 700)); w.next += 700; w.receive(s) },
		"partly old data": func(w *twins) {
			w.next -= 2
			s := w.segment(ack, pattern(4, 5))
			w.next += 5
			w.receive(s)
			w.owed = pattern(4, 5)[2:]
			w.read()
		},
		"ACK of the future": func(w *twins) { w.rcv += 9; w.acknowledge(); w.rcv -= 9 },
		"ACK long past":     func(w *twins) { w.rcv -= 1 << 20; w.acknowledge(); w.rcv += 1 << 20 },
		"urgent": func(w *twins) {
			s := w.segment(ack|wire.URG, []byte("now"))
			s.TCP.Urgent = 2
			w.next += 3
			w.owed = []byte("now")
			w.receive(s)
			w.both("Urgent", func(c *Conn) any { n, pending := c.Urgent(); return fmt.Sprint(n, pending) })
			w.read()
		},
		"urgent write": func(w *twins) {
			w.written = []byte("now")
			w.both("WriteUrgent", func(c *Conn) any { n, err := c.WriteUrgent(w.now, []byte("now")); return fmt.Sprint(n, err) })
		},
		"marks": func(w *twins) {
			s := w.segment(ack, []byte("x"))
			s.ECN = wire.CE
			w.next++
			w.owed = []byte("x")
			w.receive(s)
			w.read()
			w.write(pattern(1, 5000))
			w.receive(w.segment(ack|wire.ECE, nil))
			w.write(pattern(1, 5000))
		},
		"old timestamp": func(w *twins) {
			if w.timestamps {
				s := w.segment(ack, []byte("x"))
				s.TCP.Options.TSVal -= 1_000_000
				w.receive(s)
			}
		},
		"a month later": func(w *twins) {
			w.wait(25 * 24 * time.Hour)
			s := w.segment(ack, []byte("x"))
			s.TCP.Options.TSVal -= 1 << 30
			w.next++
			w.owed = []byte("x")
			w.receive(s)
			w.read()
		},
		"ICMP": func(w *twins) {
			for kind := range ICMPTooBig + 1 {
				w.both("ICMP", func(c *Conn) any {
					for _, at := range []seq.Offset{w.rcv - 1, w.rcv} {
						c.ReceiveICMP(w.now, ICMPError{Kind: kind, Err: ErrHostUnreachable, Seq: seq.Wire(testISS, at), MTU: 600})
					}
					return nil
				})
			}
		},
		"ICMP about what follows": func(w *twins) {
			w.write(pattern(1, 3000))
			w.both("ICMP", func(c *Conn) any {
				c.ReceiveICMP(w.now, ICMPError{Kind: ICMPTooBig, Seq: seq.Wire(testISS, w.rcv-1), MTU: 600})
				return nil
			})
		},
		"settings": func(w *twins) {
			w.both("Set", func(c *Conn) any {
				c.SetNagle(Nagle)
				c.SetSendBuffer(4096)
				c.SetReceiveBuffer(10_000)
				c.SetUserTimeout(w.now, time.Minute)
				c.SetKeepAlive(w.now, KeepAlive{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 2})
				return nil
			})
			w.asleep()
			w.written = pattern(1, 5000)
			n := w.both("Write", func(c *Conn) any { n, err := c.Write(w.now, w.written); return []any{n, err} }).([]any)[0].(int)
			w.written = w.written[:max(0, len(w.written)-5000+n)]
		},
		"the peer is silent": func(w *twins) {
			w.both("Set", func(c *Conn) any {
				c.SetKeepAlive(w.now, KeepAlive{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 2})
				return nil
			})
			w.asleep()
			w.wait(5 * time.Minute) // drain compares the probes, and the end
			w.both("Err", func(c *Conn) any { return c.Err() })
			if w.c.State() != Closed {
				w.t.Errorf("state %v", w.c.State())
			}
		},
		"the peer is there": func(w *twins) {
			w.both("Set", func(c *Conn) any {
				c.SetKeepAlive(w.now, KeepAlive{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 2})
				return nil
			})
			for range 10 {
				w.asleep()
				w.wait(50 * time.Second)
				w.acknowledge()
			}
		},
	} {
		for _, before := range []struct {
			name string
			act
		}{
			{"ESTABLISHED", func(*twins) {}},
			{"CLOSE-WAIT", func(w *twins) { w.receive(w.segment(fin, nil)); w.next++; w.wait(time.Second) }},
			{"FIN-WAIT-2", func(w *twins) {
				w.both("CloseWrite", func(c *Conn) any { return c.CloseWrite(w.now) })
				w.wait(3 * time.Millisecond)
				w.acknowledge()
			}},
			{"not read", func(w *twins) { w.both("CloseRead", func(c *Conn) any { c.CloseRead(w.now); return nil }) }},
			{"window half told", func(w *twins) { w.send(pattern(1, 900)); w.read(); w.window = 3000; w.acknowledge() }},
		} {
			for i, cfg := range []Config{
				{CongestionControl: Reno, Nagle: Nagle, ReceiveBuffer: 1 << 20},
				{Timestamps: Disabled, SACK: Disabled, WindowScale: Disabled, ECN: ECNDisabled, ReceiveBuffer: 8192},
			} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, before.name, i), func(t *testing.T) {
					w := played(t, cfg)
					before.act(w)
					w.asleep()
					what(w)
					w.wait(time.Second)
					if w.c.State() != Established {
						return
					}
					w.window = 8192
					for range 20 { // and it goes on both ways
						w.acknowledge()
						w.wait(time.Second)
					}
					w.send([]byte("after"))
					w.both("Read", func(c *Conn) any { n, err := c.Read(w.now, make([]byte, 1<<16)); return []any{n, err} })
					w.write([]byte("all"))
					w.acknowledge()
					if w.wait(time.Second); len(w.written) > 0 {
						t.Errorf("%d octets are left", len(w.written))
					}
				})
			}
		}
	}
}

// Nor does it matter what comes in which order, and how often it sleeps in between.
func TestSleepsNowAndThen(t *testing.T) {
	slept := 0
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
		slept += w.slept
	}
	if slept < 500 {
		t.Errorf("it slept %d times", slept)
	}
}

// forgotten is what a connection does not remember, by the names of the fields, and restored what it knows again because it
// has nothing to do.
var (
	forgotten = []string{
		"awake.sent", "awake.rack.newest", "awake.rack.rtt", "awake.rack.highest", "awake.rack.round",
		"awake.rate.deliveredAt", "awake.rate.sentAt", "awake.rate.lost", "awake.rate.limited", "awake.pacer", "awake.rounds",
		"awake.undo", "awake.recovery.end", "awake.recovery.marked", "awake.recovery.prr", "awake.rtt.timed", "awake.rtt.again", "awake.challenge", "awake.rcv.last", "awake.duplicates", "awake.synAgain",
		"awake.ack.recent", "awake.snd.wl2", "awake.snd.small", "awake.snd.urgent", "awake.snd.blocked", "awake.snd.limit",
		"awake.snd.buf.span", "awake.rcv.urgent", "awake.rcv.limit", "awake.rcv.buf.span", "awake.rcv.buf.outOfOrder",
		"awake.stamp", "awake.roused", "awake.rcv.tuning.begun", "awake.rcv.tuning.stamp", "awake.rcv.tuning.since", "awake.rcv.tuning.from",
		"awake.rcv.tuning.read", "awake.rcv.tuning.heard", "awake.rcv.tuning.slow", "awake.rcv.bulkSince",
		"awake.chrono.on", "awake.chrono.since", "awake.chrono.total[0]", "awake.chrono.refused", "awake.timer.keepAlive", "awake.timer.sleep",
	}
	idle = []string{
		"awake.probe", "awake.recovery", "awake.ack", "awake.timer", "awake.probeDue", "awake.probes", "awake.reset",
		"awake.snd.more", "awake.snd.force", "awake.snd.probe", "awake.chrono.window",
		"dormant", "err", "orphan", "lingers", "errReported", "ecn.ecnHandshake", // of which only awake is made anew
	}
)

func named(list []string, path string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(path, s) })
}

// leaves visits the numbers a value is made of.
func leaves(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), visit)
		}
	case reflect.Array:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.Pointer:
		if path == "awake" {
			leaves(v.Elem(), path, visit)
		}
	case reflect.Interface, reflect.Slice:
	default:
		visit(path, v)
	}
}

// Every field is remembered, or said to be forgotten.
func TestRemembers(t *testing.T) {
	seen := map[string]bool{}
	for _, state := range []State{Established, CloseWait, FinWait2} {
		for _, control := range []CongestionControl{CUBIC, Reno, BBR} {
			w := played(t, Config{Nagle: Nagle, CongestionControl: control, ReceiveBuffer: 1 << 20, KeepAlive: KeepAlive{Enable: true}})
			switch state {
			case CloseWait:
				w.receive(w.segment(fin, nil))
			case FinWait2:
				w.c.CloseRead(w.now)
				w.twin.CloseRead(w.now)
				w.both("CloseWrite", func(c *Conn) any { return c.CloseWrite(w.now) })
				w.acknowledge()
				w.both("Set", func(c *Conn) any { c.SetReceiveBuffer(5000); c.SetSendBuffer(6000); return nil })
			}
			w.wait(time.Second)
			c := w.c
			c.rack.reordered, c.rack.multiplier, c.rack.persist = true, 3, 4
			c.rtt.backoff, c.rtt.first, c.rtt.probed = 1, 3*time.Second, true
			c.rate.lastLimited = true
			c.path.near = true
			c.path.fragment = true
			c.chrono.total = [accounts]time.Duration{1, 2, 3, 4}
			c.ecn.marked, c.ecn.cwr, c.recovery.marked = true, true, 5
			c.rcv.read -= 3
			c.snd.wl1++
			c.softError, c.userLimit = ErrTimeout, time.Hour
			reflect.ValueOf(&c.stats).Elem().Set(reflect.ValueOf(Counts{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}))
			if !c.quiescent() {
				t.Fatalf("%v: %+v", c.state, c.awake)
			}
			before := *c
			kept := *c.awake
			before.awake = &kept
			c.sleep(w.now)
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			window, threshold := before.cc.Window(), before.cc.SlowStartThreshold() // after OnIdle
			c.wake()
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			if control != BBR && (c.cc.Window() != window || c.cc.SlowStartThreshold() != threshold) {
				t.Errorf("%v: window %d, threshold %d; before %d, %d", control, c.cc.Window(), c.cc.SlowStartThreshold(), window, threshold)
			}
			values := map[string]string{}
			leaves(reflect.ValueOf(before), "", func(path string, v reflect.Value) {
				values[path] = fmt.Sprint(v)
				seen[path] = seen[path] || !v.IsZero()
			})
			fixed := state == FinWait2
			leaves(reflect.ValueOf(*c), "", func(path string, v reflect.Value) {
				limit := path == "awake.snd.limit" || path == "awake.rcv.limit"
				if got := fmt.Sprint(v); got != values[path] && (!named(forgotten, path) || limit && fixed) {
					t.Errorf("%v %v: %s is %s, was %s", state, control, path, got, values[path])
				}
			})
		}
	}
	for path, ever := range seen {
		if !ever && !named(forgotten, path) && !named(idle, path) {
			t.Errorf("%s was 0 in every case", path)
		}
	}
}

// A window smaller than the initial one is not made larger by sleep, and what loss recovery found out of the path is kept.
func TestSleepAfterLoss(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno} {
		w := played(t, Config{CongestionControl: control})
		c := w.c
		c.cc = c.newController(20_000)
		c.cc.OnLoss(c.lossNow(w.now))
		threshold := c.cc.SlowStartThreshold()
		w.c.Advance(w.c.Deadline())
		c.sleep(w.now)
		if i := c.Info(w.now); i.SlowStartThreshold < threshold || i.CongestionWindow > 14600 {
			t.Errorf("%v: %d, %d", control, i.CongestionWindow, i.SlowStartThreshold)
		}
		c.wake()
		c.cc.OnTimeout(c.lossNow(w.now))
		window := c.cc.Window()
		c.sleep(w.now)
		if i := c.Info(w.now); i.CongestionWindow != window || window >= 14600 {
			t.Errorf("%v: window %d after %d", control, i.CongestionWindow, window)
		}
	}
}

// It does not sleep while something may still happen.
func TestStaysAwake(t *testing.T) {
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
		"aborted": func(w *twins) { w.both("Abort", func(c *Conn) any { c.Abort(w.now); return nil }) },
	} {
		w := played(t, Config{CongestionControl: Reno})
		act(w)
		w.wait(40 * time.Second)
		if w.c.awake == nil || w.slept > 0 {
			t.Errorf("%s: it sleeps", name)
		}
	}
}

// While nothing happens it takes no time, and Read does not wake it.
func TestSleepsOn(t *testing.T) {
	w := played(t, Config{})
	w.asleep()
	if d := w.c.Deadline(); d != Never {
		t.Errorf("deadline %v", d)
	}
	n := testing.AllocsPerRun(100, func() {
		var one [1]byte
		var out Outgoing
		if n, err := w.c.Read(w.now, one[:]); n != 0 || err != ErrWouldBlock {
			t.Errorf("Read: %d, %v", n, err)
		}
		w.c.Advance(w.now)
		w.c.Transmit(w.now, 1, &out)
		w.c.Ready()
		w.c.Urgent()
	})
	if n != 0 || w.c.awake != nil {
		t.Errorf("%v allocations, awake %v", n, w.c.awake)
	}
	if w.c.ISS() != testISS || w.c.IRS() != testIRS {
		t.Errorf("initial sequence numbers %d, %d", w.c.ISS(), w.c.IRS())
	}
	w.receive(w.segment(fin, nil))
	w.next++
	w.asleep()
	if _, err := w.c.Read(w.now, make([]byte, 1)); err != io.EOF {
		t.Errorf("Read: %v", err)
	}
}

// Its size is what a server with a million of them pays.
func TestDormantSize(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}) + unsafe.Sizeof(dormant{}); n > 448 {
		t.Errorf("%d octets and %d", unsafe.Sizeof(Conn{}), unsafe.Sizeof(dormant{}))
	}
	if n := unsafe.Sizeof(awake{}); n > 1280-8 { // a size class, less what the runtime keeps in front
		t.Errorf("awake: %d", n)
	}
}
