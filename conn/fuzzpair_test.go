package conn_test

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
	"minitcp/conn/netem"
)

// FuzzPair joins two ends by a link. The input decides every event on the link and every call of the applications.
// After its end the link is good and the applications finish. Each end must then have all data of the other one, unless
// one has given up, and the connection must end without memory in use or timers set.
func FuzzPair(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 200, 200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Add([]byte{1, 0, 100, 200, 9, 9, 9, 8, 8, 8, 7, 7, 7, 7, 0, 0, 0})             // simultaneous open
	f.Add([]byte{0, 0xff, 255, 255, 64, 64, 64, 64, 64, 64, 0, 0, 64, 64, 64})       // losses
	f.Add([]byte{0, 0x31, 255, 10, 128, 129, 130, 131, 200, 201, 202, 203, 128})     // delays and duplicates
	f.Add([]byte{0, 2, 90, 90, 1, 1, 1, 1, 26, 27, 28, 29, 30, 31, 32, 33, 34})      // closing in many ways
	f.Add([]byte{0x10, 0, 200, 200, 1, 3, 5, 7, 9, 11, 64, 13, 15, 65, 128, 17, 19}) // marks, and losses
	f.Add([]byte{0, 0xf0, 30, 250, 3, 11, 19, 64, 27, 35, 43, 51, 128, 59, 67, 200}) // and on a bad link
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 || len(b) > 2048 {
			return
		}
		in := &input{b: b[4:]}
		cfg := conn.Config{
			Timestamps: conn.Feature(b[1] & 1), SACK: conn.Feature(b[1] >> 1 & 1), WindowScale: conn.Feature(b[1] >> 2 & 1),
			ECN:   conn.ECNMode(b[0] >> 4 & 3),
			Nagle: conn.NagleMode(b[1] >> 3 & 1), ReceiveBuffer: 2048 << (b[1] >> 4 & 3), SendBuffer: 2048 << (b[1] >> 6 & 3),
			KeepAlive: conn.KeepAlive{Enable: true}, // or the one whose peer's RST is lost waits for ever
		}
		p := conntest.NewPair(1, cfg, conntest.Link{Delay: 5 * time.Millisecond, GSOMaxSize: int(b[0]>>2&3) * 5000, Cut: b[0]&2 != 0})
		p.A.ToSend, p.B.ToSend = randomBytes(1, int(b[2])*200), randomBytes(2, int(b[3])*200)
		p.Fate = in.fate
		p.A.App, p.B.App = in.app, in.app
		p.Dial(p.A)
		if b[0]&1 != 0 {
			p.B.Listening = false
			p.Dial(p.B)
		}
		run(t, p, 365*24*time.Hour) // an idle application may wait hours for each byte
		for _, e := range []*conntest.End{p.A, p.B} {
			if e.Conn == nil {
				continue
			}
			if !e.Over() {
				t.Fatalf("%s is still in %v", e.Name, e.Conn.State())
			}
			for e.Read(p, 10_000) {
			}
			e.Conn.Close(p.Now, conn.Linger{})
			if e.Pages.Used != 0 || e.Conn.Deadline() != conn.Never {
				t.Fatalf("%s ends with %d pages and deadline %v", e.Name, e.Pages.Used, e.Conn.Deadline())
			}
		}
		if err := p.Prefixes(); err != nil {
			t.Fatal(err)
		}
		if in.gaveUp || p.A.Conn.Err() != nil || p.B.Conn == nil || p.B.Conn.Err() != nil {
			return
		}
		if len(p.A.Received) != len(p.B.ToSend) || len(p.B.Received) != len(p.A.ToSend) {
			t.Fatalf("a has %d bytes of %d, b has %d of %d", len(p.A.Received), len(p.B.ToSend), len(p.B.Received), len(p.A.ToSend))
		}
	})
}

// input holds the fuzzer's bytes that are not used yet.
type input struct {
	b []byte
	// gaveUp: an application has aborted or closed the connection.
	gaveUp bool
}

func (in *input) next() (byte, bool) {
	if len(in.b) == 0 {
		return 0, false
	}
	b := in.b[0]
	in.b = in.b[1:]
	return b, true
}

func (in *input) fate(*conntest.End) netem.Fate {
	b, _ := in.next()
	switch b >> 6 {
	case 1:
		return netem.Fate{Copies: int(b & 1), Damage: true}
	case 2:
		return netem.Fate{Copies: 1, Delay: time.Duration(b&63) * time.Millisecond}
	case 3:
		return netem.Fate{Copies: 2, Delay: time.Duration(b&63) * 50 * time.Millisecond}
	}
	return netem.Fate{Copies: 1, Mark: b&1 != 0}
}

func (in *input) app(p *conntest.Pair, e *conntest.End) {
	b, ok := in.next()
	if !ok {
		conntest.Transfer(p, e)
		if e.HalfClose && e.ReadError != nil {
			e.Conn.Close(p.Now, conn.Linger{})
		}
		return
	}
	n := int(b>>3) * 100
	switch b & 7 {
	case 0, 1:
		if e.Sent < len(e.ToSend) {
			e.Write(p, n+1)
		}
	case 2, 3:
		e.Read(p, n+1)
	case 4:
		conntest.Transfer(p, e)
	case 5:
		switch n / 100 {
		case 20:
			e.Conn.CloseRead()
		case 21:
			_ = e.Conn.CloseWrite()
		case 22:
			e.Conn.Close(p.Now, conn.Linger{})
		case 23:
			e.Conn.Close(p.Now, conn.Linger{Set: true, Timeout: time.Second})
		case 24:
			e.Conn.Abort()
		case 25:
			e.Conn.SetReceiveBuffer(2048)
		case 26:
			e.Conn.SetReceiveBuffer(100_000)
		case 27:
			e.Conn.SetSendBuffer(2048)
		case 28:
			e.Conn.SetNagle(conn.Nagle)
		}
		in.gaveUp = in.gaveUp || n >= 2000 && n <= 2400
	}
}
