package stack

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
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

// Keep-alive is on by default with package net's values, and Config and SetKeepAliveConfig have the meaning that package
// net gives them.
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

// Shows: MUST-21.
func TestUserTimeout(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, _ := p.connect(p.listen())
		c.SetUserTimeout(10 * time.Second)
		p.da.SetHook(silence)
		begin := time.Now()
		write(t, c, "is anybody there?")
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		took(t, begin, 10*time.Second, 11*time.Second)
	})
}

// Without one, R2 ends it (RFC 9293 3.8.3, MUST-20).
//
// Shows: MUST-20, SHLD-11.
func TestR2(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{KeepAlive: -1})
		c, _ := p.connect(p.listen())
		p.da.SetHook(silence)
		begin := time.Now()
		write(t, c, "is anybody there?")
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		took(t, begin, 100*time.Second, 20*time.Minute)
		_, err = c.Write([]byte("x"))
		wantOpError(t, err, "write", syscall.EPIPE)
	})
}

// A closed window may stay closed for ever while its probes are answered (MUST-35 to MUST-37).
//
// Shows: MUST-36, MUST-37, MAY-8.
func TestZeroWindowForADay(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		want := pattern(1, 4<<20)
		done := make(chan error)
		go func() { _, err := c.Write(want); done <- err }()
		time.Sleep(24 * time.Hour)
		receiveAll2(t, s, want)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// icmpFrame is an ICMP message from a router to a about the segment in the frame.
func icmpFrame(frame []byte, message wire.ICMP) []byte {
	quoted := frame[wire.VirtioHeaderLen:]
	ip, _, _, _ := stacktest.Segment(frame)
	router := netip.MustParseAddr("10.77.0.9")
	protocol := wire.ProtocolICMP
	if !ip.Is4() {
		router, protocol = netip.MustParseAddr("fd77::9"), wire.ProtocolICMPv6
	}
	message.Body = append([]byte(nil), quoted[:min(len(quoted), 600)]...)
	answer := wire.IP{Src: router, Dst: ip.Src, Protocol: protocol}
	b := make([]byte, icmpHeaderLen+len(message.Body))
	return ipPacket(router, ip.Src, protocol, b[:wire.PutICMP(b, &answer, &message)])
}

// Shows: MUST-54.
func TestDialUnreachable(t *testing.T) {
	for _, c := range []struct {
		address string
		message wire.ICMP
		want    error
	}{
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4HostUnreachable}, syscall.EHOSTUNREACH},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4NetUnreachable}, syscall.ENETUNREACH},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable}, syscall.ECONNREFUSED},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4ProtocolUnreachable}, syscall.ENOPROTOOPT},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4TimeExceeded}, syscall.EHOSTUNREACH},
		{"[fd77::2]:80", wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6NoRoute}, syscall.ENETUNREACH},
		{"[fd77::2]:80", wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable}, syscall.ECONNREFUSED},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			p.da.SetHook(func(frame []byte) stacktest.Fate {
				p.da.Inject(icmpFrame(frame, c.message))
				return stacktest.Drop
			})
			begin := time.Now()
			_, err := p.a.Dial("tcp", c.address)
			wantOpError(t, err, "dial", c.want)
			took(t, begin, 0, 0)
		})
	}
}

// A narrower link on the way: Packet Too Big and Fragmentation Needed are believed, and the transfer goes through.
//
// Shows: MUST-16, MUST-54.
func TestPathMTU(t *testing.T) {
	for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		within(t, func(t *testing.T) {
			p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
			c, s := p.connectTo(p.listen(), address)
			const narrow = 1400
			tooBig := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: narrow}
			if address[0] == '[' {
				tooBig = wire.ICMP{Type: wire.ICMPv6TooBig, MTU: narrow}
			}
			p.da.SetHook(func(frame []byte) stacktest.Fate {
				if len(frame)-wire.VirtioHeaderLen > narrow {
					p.da.Inject(icmpFrame(frame, tooBig))
					return stacktest.Drop
				}
				return stacktest.Pass
			})
			begin := time.Now()
			go sendAndClose(t, c, 1, 1<<20)
			receiveAll(t, s, 1, 1<<20)
			took(t, begin, 0, 10*time.Second)
			if got := c.Info().PathMTU; got != narrow {
				t.Errorf("path MTU %d, want %d", got, narrow)
			}
		})
	}
}

// TestPathMTUBelowMinimum transfers over a hop that takes packets of 296 bytes. The stack sends no packet that small; it lets
// the router fragment larger ones, which have different identifications.
func TestPathMTUBelowMinimum(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
		c, s := p.connect(p.listen())
		const narrow, dontFragment = 296, 1 << 14
		tooBig := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: narrow}
		fragmented, repeated, last := 0, 0, uint16(0)
		p.da.SetHook(func(frame []byte) stacktest.Fate {
			packet := frame[wire.VirtioHeaderLen:]
			switch {
			case len(packet) <= narrow:
			case binary.BigEndian.Uint16(packet[6:])&dontFragment != 0:
				p.da.Inject(icmpFrame(frame, tooBig))
				return stacktest.Drop
			default:
				id := binary.BigEndian.Uint16(packet[4:])
				if fragmented > 0 && id == last {
					repeated++
				}
				fragmented, last = fragmented+1, id
			}
			return stacktest.Pass
		})
		begin := time.Now()
		go sendAndClose(t, c, 1, 1<<20)
		receiveAll(t, s, 1, 1<<20)
		took(t, begin, 0, 10*time.Second)
		if got := c.Info().PathMTU; got != 552 {
			t.Errorf("path MTU %d, want 552", got)
		}
		if want := 1 << 20 / 512; fragmented < want || repeated > 0 {
			t.Errorf("%d packets that may be fragmented, want at least %d; %d with the identification of the one before", fragmented, want, repeated)
		}
	})
}
