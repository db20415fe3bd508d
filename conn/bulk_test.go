package conn

import (
	"testing"
)

// number is a bulk.Counter.
type number int64

func (n *number) Add(change int64) int64 { *n += number(change); return int64(*n) }

func (n *number) Load() int64 { return int64(*n) }

// A connection counts as a bulk receiver until it ends or hibernates.
func TestBulkReceiversAreCounted(t *testing.T) {
	var count number
	cfg := Config{BulkReceivers: &count}.WithDefaults()
	for name, end := range map[string]func(*Conn){
		"the connection fails": func(c *Conn) { c.fail(ErrReset) },
		"it hibernates":        func(c *Conn) { c.hibernate(20e9) },
		"TIME-WAIT": func(c *Conn) {
			c.setState(FinWait1)
			c.setState(FinWait2)
			c.enterTimeWait()
		},
	} {
		c := newConn(1e9, &cfg, Open{MTU: 1500, IPHeader: 20, Near: true})
		c.state = Established
		c.active.cc = c.newController(10_000)
		if c.active.bulk.Note(1e9, 1<<20, &count); count != 1 {
			t.Errorf("%s: after 1 MiB the count is %d, want 1", name, count)
		}
		if end(c); count != 0 {
			t.Errorf("%s: the count is %d, want 0", name, count)
		}
	}
}

// Many bulk receivers on near paths share 4 MiB of window, except for a window that the application has set. The window
// already offered stays offered, and no window closes.
func TestBulkReceiversShareAWindow(t *testing.T) {
	count := number(8)
	cfg := Config{BulkReceivers: &count}.WithDefaults()
	c := newConn(1e9, &cfg, Open{MTU: 1500, IPHeader: 20})
	want := func(n int) {
		t.Helper()
		if m := c.receiveLimit(); m != n {
			t.Errorf("among %d, near %v, the limit is %d bytes, want %d", count, c.snd.near, m, n)
		}
	}
	want(1 << 20)
	announce := func() uint16 { s := c.space(); return c.rcv.wnd.Announce(&s) }
	announce()
	c.snd.near = true
	want(512 << 10)
	if edge := c.rcv.wnd.Edge; announce() == 0 || c.rcv.wnd.Edge != edge {
		t.Errorf("the window's edge was %d and is %d", edge, c.rcv.wnd.Edge)
	}
	for _, among := range []struct {
		count number
		limit int
	}{
		{0, 1 << 20}, {1, 1 << 20}, {4, 1 << 20}, {7, 4 << 20 / 7}, {9, 4 << 20 / 9}, {32, 128 << 10}, {1000, 128 << 10},
	} {
		count = among.count
		want(among.limit)
	}
	count = 1000
	c.SetReceiveBuffer(5 << 20)
	want(5 << 20)
}
