package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// modern are settings with every option.
var modern = Config{MaxRTO: 60 * time.Second}

// opened returns a connection to a peer whose SYN-ACK has the options.
func opened(t *testing.T, cfg Config, open Open, options wire.Options) *endpoint {
	t.Helper()
	o := newEndpoint(t, cfg)
	o.c = Dial(o.now, &o.cfg, open)
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack, ack: 1, options: options})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	return o
}

// Every SYN and SYN-ACK announces the device's MTU less the fixed headers. No other segment has the option.
//
// Shows: MUST-14, MUST-65, MUST-67, SHLD-5, MAY-3.
func TestAnnouncedMSS(t *testing.T) {
	for _, c := range []struct {
		mtu, header int
		want        uint16
	}{{1500, 20, 1460}, {1500, 40, 1440}, {1280, 40, 1220}, {576, 20, 536}, {65535, 20, 65495}, {1 << 20, 40, 65535}} {
		open := testOpen()
		open.MTU, open.IPHeader = c.mtu, c.header
		o := newEndpoint(t, modern)
		o.c = Dial(o.now, &o.cfg, open)
		o.want(segment{flags: syn})
		if got := o.last.TCP.Options.MSS; got != c.want {
			t.Errorf("MTU %d: SYN with MSS %d, want %d", c.mtu, got, c.want)
		}
		o.in(segment{flags: syn}) // crossing
		o.want(segment{flags: syn | ack, ack: 1})
		if got := o.last.TCP.Options.MSS; got != c.want {
			t.Errorf("MTU %d: crossing SYN-ACK with MSS %d, want %d", c.mtu, got, c.want)
		}
		e := NewHandshake(o.now, &o.cfg, open, &wire.TCP{Flags: syn, Seq: testIRS, Window: 65535})
		if e.Transmit(o.now, 1, &o.last); o.last.TCP.Options.MSS != c.want {
			t.Errorf("MTU %d: SYN-ACK with MSS %d, want %d", c.mtu, o.last.TCP.Options.MSS, c.want)
		}
	}

	o := opened(t, modern, testOpen(), wire.Options{MSS: 1460})
	o.write("data")
	_ = o.c.CloseWrite()
	n := 0
	for end := o.now.Add(time.Minute); o.now < end; o.now = o.c.Deadline() {
		o.c.Advance(o.now)
		for o.c.Transmit(o.now, 1, &o.last) {
			if n++; o.last.TCP.Options.MSS != 0 {
				t.Errorf("%v with an MSS option", o.last.TCP.Flags)
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d segments were seen", n)
	}
}

// Segments are as large as the peer and the path allow, options included; without an MSS option the peer is thought
// to take 536 bytes, or 1220.
//
// Shows: MUST-14, MUST-15, MUST-16, SHLD-28.
func TestSegmentSize(t *testing.T) {
	stamps := wire.Options{HasTimestamps: true, TSVal: 1}
	with := func(o wire.Options, mss uint16) wire.Options { o.MSS = mss; return o }
	for _, c := range []struct {
		name        string
		mtu, header int
		options     wire.Options
		want        int
	}{
		{"the peer's", 1500, 20, wire.Options{MSS: 1000}, 1000},
		{"the path's", 1500, 20, wire.Options{MSS: 9000}, 1460},
		{"the path's, IPv6", 1500, 40, wire.Options{MSS: 9000}, 1440},
		{"with timestamps", 1500, 20, with(stamps, 1460), 1448},
		{"the peer's with timestamps", 1500, 20, with(stamps, 1000), 988},
		{"default", 1500, 20, wire.Options{}, 536},
		{"default, IPv6", 1500, 40, wire.Options{}, 1220},
		{"default with timestamps", 1500, 20, stamps, 524},
		{"default on a narrow link", 400, 20, wire.Options{}, 360},
	} {
		t.Run(c.name, func(t *testing.T) {
			open := testOpen()
			open.MTU, open.IPHeader = c.mtu, c.header
			o := opened(t, modern, open, c.options)
			o.write(repeat(3 * 1460))
			o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(c.want)})
			if n := c.header + 20 + o.last.TCP.Options.Len() + o.last.Len; n > c.mtu {
				t.Errorf("a packet of %d bytes", n)
			}
		})
	}
	// SACK blocks take their place too.
	options := with(stamps, 1460)
	options.SACKPermitted = true
	o := opened(t, modern, testOpen(), options)
	o.in(segment{flags: ack, seq: 11, ack: 1, data: "early", options: stamps})
	o.write(repeat(3 * 1460))
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460 - 12 - 12)})
}

// Data that an application writes in pieces leaves in one full segment with one PSH. Data that fills no segment has it
// at its end alone.
//
// Shows: MUST-61, SHLD-27, SHLD-28, MAY-16.
func TestPushesCollapse(t *testing.T) {
	o := established(t, Config{})
	for range 10 {
		o.write(repeat(200))
	}
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
	if o.last.TCP.Flags.Has(wire.PSH) {
		t.Error("PSH before the end")
	}
	o.want(segment{flags: ack, seq: 1461, ack: 1, data: repeat(540)})
	if !o.last.TCP.Flags.Has(wire.PSH) {
		t.Error("no PSH at the end")
	}
	o.nothing()
}
