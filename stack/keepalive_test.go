package stack

import (
	"net"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

func silence([]byte) stacktest.Fate { return stacktest.Drop }

// An idle peer that has vanished is found by keep-alive, and only by it (RFC 9293 3.8.4).
//
// Shows: MUST-24, MUST-25, MAY-5.
func TestKeepAlive(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{KeepAlive: -1})
		l := p.listen()
		c, _ := p.connect(l)
		without, _ := p.connect(l)
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3})

		sent := p.da.Counts().Sent
		time.Sleep(100 * time.Second) // the peer answers
		if n := p.da.Counts().Sent - sent; n != 3 {
			t.Errorf("%d probes in 100 s, want 3", n)
		}
		p.db.SetHook(silence)
		begin := time.Now()
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		took(t, begin, 30*time.Second, 46*time.Second)

		without.SetReadDeadline(time.Now().Add(24 * time.Hour))
		begin = time.Now()
		if _, err := without.Read(make([]byte, 1)); err.(net.Error).Timeout() != true {
			t.Error(err)
		}
		took(t, begin, 24*time.Hour, 24*time.Hour) // MUST-25
	})
}

// Keep-alive is on by default with package net's values, and Config and SetKeepAliveConfig have the meaning that
// package net gives them.
func TestKeepAliveDefault(t *testing.T) {
	const s = time.Second
	rfc := conn.KeepAlive{Idle: 2 * time.Hour, Interval: 75 * s, Count: 9}
	on := func(idle, interval time.Duration, count int) conn.KeepAlive {
		return conn.KeepAlive{Enable: true, Idle: idle, Interval: interval, Count: count}
	}
	for _, c := range []struct {
		cfg  Config
		want conn.KeepAlive
	}{
		{Config{}, on(15*s, 15*s, 9)},
		{Config{KeepAlive: 40 * s}, on(40*s, 15*s, 9)},
		{Config{KeepAlive: -1}, rfc},
		{Config{KeepAliveConfig: net.KeepAliveConfig{Enable: true}}, on(15*s, 15*s, 9)},
		{Config{KeepAlive: -1, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: s, Count: 2}}, on(s, 15*s, 2)},
		{Config{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}}, on(2*time.Hour, 75*s, 9)},
		{Config{KeepAlive: -1, Conn: conn.Config{KeepAlive: conn.KeepAlive{Enable: true, Idle: s}}}, on(s, 75*s, 9)},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, c.cfg)
			client, server := p.connect(p.listen())
			for _, end := range []*Conn{client, server} {
				if got := end.tcp.KeepAlive(); got != c.want {
					t.Errorf("%+v: keep-alive is %+v, want %+v", c.cfg, got, c.want)
				}
			}
			client.SetKeepAlivePeriod(3 * s)
			want := c.want
			want.Idle = 3 * s
			if got := client.tcp.KeepAlive(); got != want {
				t.Errorf("after SetKeepAlivePeriod: keep-alive is %+v, want %+v", got, want)
			}
		})
	}
}

// An idle connection whose peer vanishes ends after 150 s, and one whose peer answers goes on, by default.
func TestKeepAliveIsOn(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		_, s := p.connect(p.listen())
		time.Sleep(time.Hour)
		wantState(t, s, conn.Established)
		p.da.SetHook(silence)
		begin := time.Now()
		_, err := s.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		took(t, begin, 135*time.Second, 151*time.Second)
	})
}
