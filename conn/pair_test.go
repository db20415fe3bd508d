package conn_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
	"minitcp/conn/netem"
)

// Two connections on a link in virtual time.

var calm = conntest.Link{Delay: 5 * time.Millisecond, GSOMaxSize: 16000}

func run(t *testing.T, p *conntest.Pair, d time.Duration) {
	t.Helper()
	if err := p.Run(d); err != nil {
		t.Fatal(err)
	}
}

func finished(t *testing.T, p *conntest.Pair) {
	t.Helper()
	if err := p.Finished(); err != nil {
		t.Fatalf("%+v: %v", p.Link, err)
	}
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// Both send a SYN at once; both become ESTABLISHED (MUST-10). Whichever packet of the handshake is lost.
//
// Shows: MUST-10.
func TestSimultaneousOpen(t *testing.T) {
	for lost := range 8 {
		p := conntest.NewPair(1, conn.Config{}, calm)
		p.B.Listening = false
		p.A.ToSend, p.B.ToSend = randomBytes(1, 100_000), randomBytes(2, 100_000)
		p.Fate = func(*conntest.End) netem.Fate {
			lost--
			if lost == 0 {
				return netem.Fate{}
			}
			return netem.Fate{Copies: 1}
		}
		p.Dial(p.A)
		p.Dial(p.B)
		run(t, p, 10*time.Minute)
		finished(t, p)
	}
}

// A peer never replies. The SYN is retransmitted until the SYN timeout, and then Dial fails (MUST-23).
//
// Shows: MUST-23.
func TestSYNTimeout(t *testing.T) {
	link := calm
	link.Loss = 1
	p := conntest.NewPair(1, conn.Config{}, link)
	p.Dial(p.A)
	run(t, p, time.Hour)
	if err := p.A.Conn.Err(); err != conn.ErrTimeout || p.Now < conn.Time(3*time.Minute) || p.Packets < 6 {
		t.Fatalf("err %v at %v after %d packets", err, time.Duration(p.Now), p.Packets)
	}
}

// There is no listener: a RST refuses the connection.
func TestRefused(t *testing.T) {
	p := conntest.NewPair(1, conn.Config{}, calm)
	p.B.Listening = false
	p.Dial(p.A)
	run(t, p, time.Minute)
	if err := p.A.Conn.Err(); err != conn.ErrRefused || p.Packets != 2 {
		t.Fatalf("err %v after %d packets", err, p.Packets)
	}
}

// An abort reaches the peer, and two ends that abort at once do not answer each other's RST.
//
// Shows: MUST-12.
func TestAbort(t *testing.T) {
	for _, both := range []bool{false, true} {
		p := conntest.NewPair(1, conn.Config{}, calm)
		p.A.App, p.B.App = conntest.Idle, conntest.Idle
		p.Dial(p.A)
		run(t, p, time.Minute)
		before := p.Packets
		p.A.Conn.Abort()
		p.A.Monitor.Called()
		p.Flush(p.A)
		want := 1
		if both {
			p.B.Conn.Abort()
			p.B.Monitor.Called()
			p.Flush(p.B)
			want = 2
		}
		run(t, p, time.Minute)
		if n := p.Packets - before; n != want || !p.A.Over() || !p.B.Over() {
			t.Errorf("both %v: %d packets, want %d; %v, %v", both, n, want, p.A.Conn.State(), p.B.Conn.State())
		}
		if err := p.B.Conn.Err(); !both && err != conn.ErrReset {
			t.Errorf("the peer learns of it as %v", err)
		}
	}
}

// A reader that stops reading closes the window; however long it pauses, probes keep the connection (MUST-36, MUST-37).
//
// Shows: MUST-37, MAY-8.
func TestZeroWindowOutlastsR2(t *testing.T) {
	p := conntest.NewPair(1, conn.Config{ReceiveBuffer: 4096, R2: 2 * time.Minute}, calm)
	p.B.App = conntest.Idle
	p.A.ToSend = randomBytes(1, 20_000)
	p.Dial(p.A)
	run(t, p, time.Hour)
	if i := p.A.Conn.Info(p.Now); i.SendWindow != 0 || i.Unsent == 0 || p.A.Over() {
		t.Fatalf("after an hour: %+v, %v", i, p.A.Conn.Err())
	}
	p.B.App = nil
	run(t, p, time.Hour)
	finished(t, p)
}

// The simulator detects a receiver that is given bytes that were not sent.
func TestPairNoticesDamage(t *testing.T) {
	p := conntest.NewPair(1, conn.Config{}, calm)
	p.A.ToSend = randomBytes(1, 1000)
	p.Dial(p.A)
	run(t, p, 10*time.Minute)
	finished(t, p)
	p.B.Received[500] ^= 1
	if err := p.Finished(); err == nil {
		t.Error("a wrong byte is not noticed")
	}
	p.B.Received[500] ^= 1
	p.B.Pages.Used++
	if err := p.Finished(); err == nil {
		t.Error("a page kept is not noticed")
	}
}
