package conn

import (
	"testing"

	"minitcp/conn/buffer"
	"minitcp/conn/cc"
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// The data that may leave with an MSS of 1000, SND.UNA = 1, and the windows given.
func TestSendLimit(t *testing.T) {
	const size = 1000
	for _, c := range []struct {
		name    string
		written seq.Offset // bytes in the buffer
		sent    seq.Offset // of these
		window  int64
		cwnd    int64
		limit   int
		change  func(*Conn)
		n       int
		want    sendVerdict
	}{
		{"one segment of many", 5000, 0, 65535, 10000, 1, nil, 1000, sendData},
		{"a GSO packet of whole segments", 5500, 0, 65535, 10000, 4500, nil, 4000, sendData},
		{"the tail, without Nagle", 5500, 5000, 65535, 10000, 1, nil, 500, sendData},
		{"the window ends it", 5000, 0, 2500, 10000, 65535, nil, 2000, sendData},
		{"the congestion window ends it", 5000, 0, 65535, 2500, 65535, nil, 2000, sendData},
		{"less than a segment of cwnd is left", 5000, 2000, 65535, 2500, 65535, nil, 0, sendNothing},
		{"unless it is all there is", 2400, 2000, 65535, 2500, 65535, nil, 400, sendData},
		{"a cwnd of less than a segment with nothing in flight", 5000, 0, 65535, 100, 1, nil, 1000, sendData},
		{"a closed window", 5000, 0, 0, 10000, 1, nil, 0, sendWhenWindow},
		{"a full window", 5000, 2000, 2000, 10000, 1, nil, 0, sendWhenWindow},
		{"a silly window", 5000, 0, 400, 10000, 1, nil, 0, sendWhenWindow},
		{"a silly window that is half of the largest", 5000, 0, 400, 10000, 1, func(c *Conn) { c.snd.wnd.Largest = 800 }, 400, sendData},
		{"a silly window, overridden", 5000, 0, 400, 10000, 1, func(c *Conn) { c.snd.overrideSWS = true }, 400, sendData},
		{"a silly window that everything fits in", 400, 0, 400, 10000, 1, nil, 400, sendData},
		{"again after a timeout, in a window that shrank", 5000, 0, 400, 10000, 1, func(c *Conn) { c.snd.max = 3001 }, 400, sendData},
		{"a probe", 5000, 0, 0, 10000, 1, func(c *Conn) { c.snd.windowProbe = true }, 0, sendWindowProbe},
		{"no probe: it has opened", 5000, 0, 3000, 10000, 1, func(c *Conn) { c.snd.windowProbe = true }, 1000, sendData},
		{"Nagle, nothing in flight", 100, 0, 65535, 10000, 1, nagle, 100, sendData},
		{"Nagle, a small one in flight", 200, 100, 65535, 10000, 1, nagle, 0, sendNothing},
		{"Nagle, full ones in flight", 2100, 2000, 65535, 10000, 1, func(c *Conn) { c.nagle, c.active.subMSS = Nagle, 0 }, 100, sendData},
		{"Nagle sends the whole ones", 2300, 100, 65535, 10000, 9000, nagle, 2000, sendData},
		{"Nagle, but the end is known", 200, 100, 65535, 10000, 1, func(c *Conn) { nagle(c); c.snd.finQueued = true }, 100, sendData},
		{"Nagle, but urgent", 200, 100, 65535, 10000, 1, func(c *Conn) { nagle(c); c.active.urgent.send = 201 }, 100, sendData},
		{"the FIN alone", 100, 100, 65535, 10000, 1, func(c *Conn) { c.snd.finQueued = true }, 0, sendData},
		{"the FIN and a full window", 100, 100, 100, 10000, 1, func(c *Conn) { c.snd.finQueued = true }, 0, sendWhenWindow},
		{"duplicate ACKs make room", 5000, 2000, 65535, 2500, 1, func(c *Conn) { c.active.recovery.leftNetwork = 1000 }, 1000, sendData},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := Conn{active: new(active)}
			s := &conn.snd
			s.una, s.nxt, s.max = 1, 1+c.sent, 1+c.sent
			s.buf = buffer.SendAt(1)
			s.buf.Append(buffer.Heap{}, make([]byte, c.written))
			if c.sent > 0 {
				conn.active.sent.Push(1, 1+c.sent, &scoreboard.Sent{})
			}
			s.wnd.Edge, s.wnd.Largest = 1+seq.Offset(c.window), 65535
			conn.active.cc = cc.NewReno(size, c.cwnd)
			if c.change != nil {
				c.change(&conn)
			}
			if n, got := conn.sendLimit(size, c.limit, cc.Unpaced); n != c.n || got != c.want {
				t.Errorf("%d bytes, %d; want %d, %d", n, got, c.n, c.want)
			}
		})
	}
}

// nagle: everything sent so far ended in a small segment.
func nagle(c *Conn) {
	c.nagle = Nagle
	c.active.subMSS = c.snd.nxt
	if c.snd.nxt == 1 {
		c.active.subMSS = 0
	}
}

// Nagle holds the second small segment; NoDelay does not.
//
// Shows: MUST-17, MUST-60, SHLD-7.
func TestNagle(t *testing.T) {
	o := established(t, Config{Nagle: Nagle})
	o.write("a")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "a"})
	o.write("b")
	o.write("c")
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 2})
	o.want(segment{flags: ack, seq: 2, ack: 1, data: "bc"})
	o.write("d")
	o.nothing()
	o.c.SetNagle(NoDelay)
	o.want(segment{flags: ack, seq: 4, ack: 1, data: "d"})
}
