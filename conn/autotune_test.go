package conn_test

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/conn/conntest"
)

// download returns the number of bytes per second that B reads in the last part of d, while A sends as fast as it can
// on a path of 100 Mbit/s. rate limits B's reading in bytes per second; 0 means no limit.
func download(t *testing.T, cfg conn.Config, delay, d time.Duration, rate int) (p *conntest.Pair, goodput float64) {
	t.Helper()
	p = conntest.NewPair(1, cfg, conntest.Link{Delay: delay, Rate: 12_500_000, GSOMaxSize: 65000, Queue: 5_000_000})
	data, buffer := make([]byte, 1<<16), make([]byte, 1<<20)
	read, measured := 0, 0
	p.A.App = func(p *conntest.Pair, e *conntest.End) {
		for e.Conn.Ready()&(conn.ReadyConnected|conn.ReadyWrite) == conn.ReadyConnected|conn.ReadyWrite {
			e.Conn.Write(p.Now, data)
		}
	}
	half, last := conn.Time(0).Add(d/2), conn.Time(0)
	p.B.App = func(p *conntest.Pair, e *conntest.End) {
		for {
			room := len(buffer)
			if rate > 0 {
				room = min(room, int(float64(rate)*min(p.Now.Sub(last), 50*time.Millisecond).Seconds()))
			}
			last = p.Now
			n, err := e.Conn.Read(buffer[:max(0, room)])
			if n == 0 || err != nil {
				return
			}
			read += n
			if p.Now >= half {
				measured += n
			}
		}
	}
	p.Dial(p.A)
	for p.Now < conn.Time(0).Add(d) {
		if !p.Step() {
			t.Fatal(p.Run(0))
		}
	}
	return p, float64(measured) / (d / 2).Seconds()
}

// Buffers with automatic sizes reach the goodput of the largest buffers, with and without timestamps; those of 1 MiB do
// not.
func TestBuffersFollowThePath(t *testing.T) {
	for _, c := range []struct {
		name  string
		delay time.Duration
		cfg   conn.Config
		tight bool // a window of 1 MiB does not fill it
	}{
		{"RTT 10 ms", 5 * time.Millisecond, conn.Config{}, false},
		{"RTT 200 ms", 100 * time.Millisecond, conn.Config{}, true},
		{"RTT 200 ms, BBR", 100 * time.Millisecond, conn.Config{CongestionControl: conn.BBR}, true},
		{"RTT 200 ms, no timestamps", 100 * time.Millisecond, conn.Config{Timestamps: conn.Disabled}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func(size int) float64 {
				cfg := c.cfg
				cfg.ReceiveBuffer, cfg.SendBuffer = size, size
				_, goodput := download(t, cfg, c.delay, 4*time.Second, 0)
				return goodput
			}
			p, own := download(t, c.cfg, c.delay, 4*time.Second, 0)
			large := run(64 << 20)
			t.Logf("%.1f MB/s by themselves, %.1f with 64 MiB", own/1e6, large/1e6)
			if own < 0.98*large {
				t.Errorf("%.1f MB/s, with 64 MiB %.1f", own/1e6, large/1e6)
			}
			if small := run(1 << 20); (small < 0.9*own) != c.tight {
				t.Errorf("with 1 MiB it is %.1f MB/s, by themselves %.1f", small/1e6, own/1e6)
			}
			if s := p.B.Conn.Info(p.Now).ReceiveBuffer; s > 16<<20 {
				t.Errorf("the receive buffer has grown to %d", s)
			}
		})
	}
}

// stream returns a pair in which A sends as fast as it can and B reads all, on a path with rate in bytes per second.
func stream(cfg conn.Config, delay time.Duration, rate int) (p *conntest.Pair, read *int) {
	p = conntest.NewPair(1, cfg, conntest.Link{Delay: delay, Rate: rate, GSOMaxSize: 65000, Queue: rate})
	data, buffer := make([]byte, 1<<16), make([]byte, 1<<20)
	read = new(int)
	p.A.App = func(p *conntest.Pair, e *conntest.End) {
		for e.Conn.Ready()&(conn.ReadyConnected|conn.ReadyWrite) == conn.ReadyConnected|conn.ReadyWrite {
			e.Conn.Write(p.Now, data)
		}
	}
	p.B.App = func(p *conntest.Pair, e *conntest.End) {
		for {
			n, err := e.Conn.Read(buffer)
			if n == 0 || err != nil {
				return
			}
			*read += n
		}
	}
	p.Dial(p.A)
	return p, read
}

// reach runs a pair until a time.
func reach(t *testing.T, p *conntest.Pair, until time.Duration) {
	t.Helper()
	for p.Now < conn.Time(0).Add(until) {
		if !p.Step() {
			t.Fatal(p.Run(0))
		}
	}
}

// At half a gigabit per second, with short and long round trips, automatic sizes reach the goodput of 64 MiB.
func TestBuffersOnAFastPath(t *testing.T) {
	for _, rtt := range []time.Duration{10 * time.Millisecond, 200 * time.Millisecond} {
		run := func(receive, send int) (int, *conntest.Pair) {
			p, read := stream(conn.Config{ReceiveBuffer: receive, SendBuffer: send}, rtt/2, 62_500_000)
			reach(t, p, 4*time.Second)
			return *read, p
		}
		large, _ := run(64<<20, 64<<20)
		receiver, _ := run(0, 64<<20)
		both, p := run(0, 0)
		t.Logf("RTT %v: %d bytes in 4 s with 64 MiB, %d by the receiver's own measure, %d by both's; buffers %d and %d",
			rtt, large, receiver, both, p.A.Conn.Info(p.Now).SendBuffer, p.B.Conn.Info(p.Now).ReceiveBuffer)
		if min(receiver, both) < large/100*98 {
			t.Errorf("RTT %v: in 4 s %d and %d bytes, with 64 MiB %d", rtt, receiver, both, large)
		}
	}
}

// The receive buffer of a slow reader does not grow.
func TestBufferOfASlowReader(t *testing.T) {
	p, goodput := download(t, conn.Config{}, 100*time.Millisecond, 8*time.Second, 1_000_000)
	if s := p.B.Conn.Info(p.Now).ReceiveBuffer; s != 1<<20 {
		t.Errorf("the receive buffer is %d bytes", s)
	}
	if goodput < 900_000 {
		t.Errorf("%.0f bytes a second", goodput)
	}
	if n := p.B.Conn.Info(p.Now).Unread; n > 1<<20 {
		t.Errorf("%d bytes wait to be read", n)
	}
}

// After a pause the limits have their initial values, and the advertised window remains.
func TestBuffersShrinkWhenIdle(t *testing.T) {
	p, _ := download(t, conn.Config{}, 100*time.Millisecond, 4*time.Second, 0)
	if s := p.B.Conn.Info(p.Now).ReceiveBuffer; s <= 1<<20 {
		t.Fatalf("the receive buffer has not grown: %d", s)
	}
	if s := p.A.Conn.Info(p.Now).SendBuffer; s <= 1<<20 {
		t.Fatalf("the send buffer has not grown: %d", s)
	}
	p.A.App = func(*conntest.Pair, *conntest.End) {}
	if err := p.Run(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.Now = p.Now.Add(time.Minute)
	p.A.Monitor.Called()
	p.A.Conn.Write(p.Now, make([]byte, 1000))
	p.Flush(p.A)
	if err := p.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	if s := p.B.Conn.Info(p.Now).ReceiveBuffer; s != 1<<20 {
		t.Errorf("after a pause the receive buffer is %d bytes", s)
	}
	if s := p.A.Conn.Info(p.Now).SendBuffer; s != 128<<10 {
		t.Errorf("after a pause the send buffer is %d bytes", s)
	}
}

// Sizes that the application sets remain.
func TestBuffersTheApplicationSets(t *testing.T) {
	cfg := conn.Config{ReceiveBuffer: 300_000, SendBuffer: 200_000}
	p, _ := download(t, cfg, 100*time.Millisecond, 4*time.Second, 0)
	if s := p.B.Conn.Info(p.Now).ReceiveBuffer; s != 300_000 {
		t.Errorf("the receive buffer is %d bytes", s)
	}
	if s := p.A.Conn.Info(p.Now).SendBuffer; s != 200_000 {
		t.Errorf("the send buffer is %d bytes", s)
	}
	p, _ = download(t, conn.Config{}, 100*time.Millisecond, time.Second, 0)
	p.B.Conn.SetReceiveBuffer(400_000)
	p.A.Conn.SetSendBuffer(500_000)
	if err := p.Run(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	if a, b := p.A.Conn.Info(p.Now).SendBuffer, p.B.Conn.Info(p.Now).ReceiveBuffer; a != 500_000 || b != 400_000 {
		t.Errorf("set to 500000 and 400000, they are %d and %d", a, b)
	}
}

// A connection makes progress with little memory while memory is scarce.
func TestScarceMemory(t *testing.T) {
	p := conntest.NewPair(1, conn.Config{}, conntest.Link{Delay: 5 * time.Millisecond, Rate: 25_000_000, GSOMaxSize: 16000, Loss: 0.01, Queue: 1 << 20})
	p.B.Pages.Limit = 128 << 10 / buffer.PageSize
	data, buffer := make([]byte, 1<<16), make([]byte, 1<<20)
	read, most := 0, 0
	p.A.App = func(p *conntest.Pair, e *conntest.End) {
		for e.Conn.Ready()&(conn.ReadyConnected|conn.ReadyWrite) == conn.ReadyConnected|conn.ReadyWrite {
			e.Conn.Write(p.Now, data)
		}
	}
	p.B.App = func(p *conntest.Pair, e *conntest.End) {
		most = max(most, e.Pages.Used)
		if time.Duration(p.Now)%(200*time.Millisecond) < 100*time.Millisecond {
			return // it reads half of the time
		}
		n, _ := e.Conn.Read(buffer)
		read += n
	}
	p.Dial(p.A)
	for p.Now < conn.Time(0).Add(20*time.Second) {
		if !p.Step() {
			t.Fatal(p.Run(0))
		}
	}
	if read < 5_000_000 { // the memory available, for each timeout
		t.Errorf("only %d bytes have been read in 20 s", read)
	}
	if most > p.B.Pages.Limit+scarcePages {
		t.Errorf("%d pages were lent", most)
	}
}

// scarcePages is the memory of 64 KiB that begin anywhere in a page.
const scarcePages = 64<<10/buffer.PageSize + 1
