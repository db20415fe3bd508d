package stack

import (
	"net"
	"os"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

// asleep is long enough for a connection that does nothing to go to sleep.
const asleep = 25 * time.Second

// An application that waits does not notice that its connection sleeps.
func TestWaitingOnASleeper(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		for range 3 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				wantRead(t, s, "hello")
			}()
			time.Sleep(asleep)
			for _, stack := range []*Stack{p.a, p.b} {
				if l := stack.Connections(); len(l) != 1 || l[0].State != conn.Established || l[0].Info.MSS != 1448 {
					t.Fatalf("%+v", l)
				}
			}
			write(t, c, "hello")
			<-done
		}
		// Its deadline passes, and a new one is kept.
		begin := time.Now()
		for _, wait := range []time.Duration{asleep, 2 * asleep, 0} {
			s.SetReadDeadline(time.Now().Add(wait))
			if _, err := s.Read(make([]byte, 1)); !os.IsTimeout(err) {
				t.Fatal(err)
			}
		}
		took(t, begin, 3*asleep, 3*asleep)
		s.SetReadDeadline(time.Time{})
		time.AfterFunc(asleep, func() { c.CloseWrite() })
		wantEOF(t, s)
		time.Sleep(asleep)
		write(t, s, "half-closed")
		wantRead(t, c, "half-closed")
		time.Sleep(asleep)
		wantState(t, c, conn.FinWait2)
		wantState(t, s, conn.CloseWait)
		s.Close()
		wantEOF(t, c)
		wantState(t, c, conn.TimeWait)
	})
}

// Keep-alive ends an idle connection whose peer does not reply.
func TestKeepAliveWakes(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{KeepAlive: -1})
		c, _ := p.connect(p.listen())
		if err := c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 3}); err != nil {
			t.Fatal(err)
		}
		sent := p.da.Counts().Sent
		time.Sleep(10*time.Minute + asleep)
		if n := p.da.Counts().Sent - sent; n != 10 {
			t.Errorf("%d keep-alives in ten minutes", n)
		}
		wantState(t, c, conn.Established)
		p.db.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
		time.Sleep(2 * time.Minute)
		wantState(t, c, conn.Closed)
	})
}
