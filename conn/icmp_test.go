package conn

import (
	"testing"

	"minitcp/conn/wire"
)

// An ICMP error ends no connection that is established, and must quote a number in flight (RFC 5927 4, 5).
//
// Shows: MUST-47, MUST-56, SHLD-25, SHLD-26.
func TestICMP(t *testing.T) {
	inFlight := func(t *testing.T) *endpoint {
		o := established(t, Config{})
		o.write(repeat(1460))
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
		return o
	}
	t.Run("hard, while opening", func(t *testing.T) {
		o := dialEndpoint(t, Config{})
		o.want(segment{flags: syn})
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS})
		o.state(Closed)
		o.read("", ErrRefused)
	})
	t.Run("hard, SYNs crossed", func(t *testing.T) {
		o := dialEndpoint(t, Config{})
		o.want(segment{flags: syn})
		o.in(segment{flags: syn})
		o.want(segment{flags: syn | ack, ack: 1})
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS})
		o.state(Closed)
	})
	t.Run("hard, synchronized", func(t *testing.T) {
		o := inFlight(t)
		wantAlive := func(s State) {
			t.Helper()
			for at := range uint32(1461) {
				o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS + 1 + at})
			}
			o.state(s)
			if err := o.c.Info(o.now).SoftError; err != ErrRefused {
				t.Errorf("%v: soft error %v, want %v", s, err, ErrRefused)
			}
		}
		wantAlive(Established)
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1461, ack: 1})
		wantAlive(FinWait1)
		o.in(segment{flags: fin, seq: 1, ack: 1})
		wantAlive(Closing)
	})
	t.Run("hard, forged", func(t *testing.T) {
		o := inFlight(t)
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: 4744})
		o.state(Established)
	})
	t.Run("soft", func(t *testing.T) {
		o := inFlight(t)
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPSoft, Err: ErrHostUnreachable, Seq: testISS + 1})
		o.state(Established)
		if err := o.c.Info(o.now).SoftError; err != ErrHostUnreachable {
			t.Errorf("soft error %v (SHLD-25)", err)
		}
	})
	t.Run("soft, while opening", func(t *testing.T) {
		o := dialEndpoint(t, Config{})
		o.want(segment{flags: wire.SYN})
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPSoft, Err: ErrHostUnreachable, Seq: testISS})
		o.state(Closed)
		o.read("", ErrHostUnreachable)
	})
	t.Run("too big", func(t *testing.T) {
		o := inFlight(t)
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: 1000, Seq: testISS + 1})
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(960)})
		o.want(segment{flags: ack, seq: 961, ack: 1, data: repeat(500)})
		if o.last.MayFragment {
			t.Error("routers may fragment")
		}
		o.nothing()
	})
	t.Run("smaller than the minimum", func(t *testing.T) {
		o := inFlight(t)
		tooBig := func(mtu int) {
			o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: mtu, Seq: testISS + 1})
		}
		tooBig(552)
		for at := int64(1); at < 1461; at += 512 {
			o.want(segment{flags: ack, seq: at, ack: 1, data: repeat(int(min(512, 1461-at)))})
			if o.last.MayFragment {
				t.Error("MTU 552: routers may fragment")
			}
		}
		tooBig(296)
		tooBig(296) // changes nothing
		for at := int64(1); at < 1461; at += 512 {
			o.want(segment{flags: ack, seq: at, ack: 1, data: repeat(int(min(512, 1461-at)))})
			if !o.last.MayFragment {
				t.Error("MTU 296: routers may not fragment")
			}
		}
		o.nothing()
		tooBig(68)
		o.nothing()
	})
	t.Run("smaller than the minimum, IPv6", func(t *testing.T) {
		open := testOpen()
		open.IPHeader = 40
		o := newEndpoint(t, Config{})
		o.c = Dial(o.now, &o.cfg, open)
		o.want(segment{flags: syn})
		o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1440}})
		o.want(segment{flags: ack, seq: 1, ack: 1})
		o.write(repeat(1440))
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1440)})
		for _, mtu := range []int{0, 68, 1279} {
			o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: mtu, Seq: testISS + 1})
			o.nothing()
		}
		if mtu := o.c.Info(o.now).PathMTU; mtu != 1500 {
			t.Errorf("path MTU %d, want 1500", mtu)
		}
	})
}
