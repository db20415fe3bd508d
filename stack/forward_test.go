package stack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// forwarding makes b forward, and returns where its requests arrive.
func (p *pair) forwarding(cfg ForwardConfig) <-chan *ForwardRequest {
	p.t.Helper()
	return forwarding(p.t, p.b, cfg)
}

// forwarding makes s forward, and returns the requests.
func forwarding(t *testing.T, s *Stack, cfg ForwardConfig) <-chan *ForwardRequest {
	t.Helper()
	requests := make(chan *ForwardRequest, 20_000)
	if _, err := s.ForwardTCP(cfg, func(r *ForwardRequest) { requests <- r }); err != nil {
		t.Fatal(err)
	}
	return requests
}

// dialed is the outcome of a Dial.
type dialed struct {
	conn *Conn
	err  error
	took time.Duration
}

// dialInBackground dials from a.
func (p *pair) dialInBackground(ctx context.Context, address string) <-chan dialed {
	done := make(chan dialed, 1)
	go func() {
		begin := time.Now()
		c, err := p.a.DialContext(ctx, "tcp", address)
		d := dialed{err: err, took: time.Since(begin)}
		if err == nil {
			d.conn = c.(*Conn)
		}
		done <- d
	}()
	return done
}

var elsewhere = []string{"192.0.2.7:80", "[2001:db8::7]:80"}

// A request is accepted before the client knows of it, and the connection has the address the client asked for.
func TestForwardAccept(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			requests := p.forwarding(ForwardConfig{})
			done := p.dialInBackground(t.Context(), address)
			r := <-requests
			if r.Destination().String() != address || r.Source().Addr() != addressOfA(r.Destination()) {
				t.Errorf("from %v to %v", r.Source(), r.Destination())
			}
			synctest.Wait()
			if n := p.db.Counts().Sent; n != 0 {
				t.Fatalf("%d frames before the verdict", n)
			}
			server, err := r.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if server.LocalAddr().String() != address || server.RemoteAddr().String() != r.Source().String() {
				t.Errorf("a connection from %v to %v", server.RemoteAddr(), server.LocalAddr())
			}
			write(t, server, "welcome") // before the handshake is complete
			d := <-done
			if d.err != nil || d.took != 0 {
				t.Fatal(d.err, d.took)
			}
			wantRead(t, d.conn, "welcome")
			write(t, d.conn, "thanks")
			wantRead(t, server, "thanks")
			d.conn.CloseWrite()
			wantEOF(t, server)
			write(t, server, "bye")
			server.Close()
			wantRead(t, d.conn, "bye")
			wantEOF(t, d.conn)
			d.conn.Close()
			if got := p.b.Stats()["forward-pending"]; got != 0 {
				t.Errorf("%d requests pending", got)
			}
		})
	}
}

// addressOfA returns a's address of the same family.
func addressOfA(of netip.AddrPort) netip.Addr {
	if of.Addr().Is4() {
		return addressesA[0].Addr()
	}
	return addressesA[1].Addr()
}

// A verdict that comes late honours the options of the SYN, whose repetitions make no other request.
func TestForwardLateVerdict(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			requests := p.forwarding(ForwardConfig{})
			done := p.dialInBackground(t.Context(), address)
			r := <-requests
			time.Sleep(20 * time.Second) // five SYNs
			if len(requests) != 0 || r.Context().Err() != nil {
				t.Fatalf("%d more requests, the first's context: %v", len(requests), r.Context().Err())
			}
			server, err := r.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if d := <-done; d.err != nil || d.took != 20*time.Second {
				t.Fatal(d.err, d.took)
			}
			i := server.Info()
			if !i.Timestamps || !i.SACK || i.SendScale == 0 || i.ReceiveScale == 0 || i.MSS < 1400 {
				t.Errorf("%+v", i)
			}
		})
	}
}

// The client gets the error of the verdict at once.
func TestForwardRefusals(t *testing.T) {
	for _, address := range elsewhere {
		for _, c := range []struct {
			name    string
			verdict func(*ForwardRequest) error
			want    error
			counter string
		}{
			{"Reset", (*ForwardRequest).Reset, syscall.ECONNREFUSED, "forward-reset"},
			{"net", func(r *ForwardRequest) error { return r.Unreachable(NetUnreachable) }, syscall.ENETUNREACH, "forward-unreachable"},
			{"host", func(r *ForwardRequest) error { return r.Unreachable(HostUnreachable) }, syscall.EHOSTUNREACH, "forward-unreachable"},
			{"port", func(r *ForwardRequest) error { return r.Unreachable(PortUnreachable) }, syscall.ECONNREFUSED, "forward-unreachable"},
			{"prohibited", func(r *ForwardRequest) error { return r.Unreachable(AdminProhibited) }, syscall.EHOSTUNREACH, "forward-unreachable"},
		} {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				requests := p.forwarding(ForwardConfig{})
				done := p.dialInBackground(t.Context(), address)
				r := <-requests
				ctx := r.Context()
				if err := c.verdict(r); err != nil {
					t.Fatal(c.name, err)
				}
				d := <-done
				wantOpError(t, d.err, "dial", c.want)
				if d.took != 0 {
					t.Errorf("%s: after %v", c.name, d.took)
				}
				if ctx.Err() == nil {
					t.Errorf("%s: the context has not ended", c.name)
				}
				if got := p.b.Stats()[c.counter]; got != 1 {
					t.Errorf("%s: %s is %d", c.name, c.counter, got)
				}
				time.Sleep(10 * time.Second)
				if got := p.b.Stats()["forward-pending"]; got != 0 {
					t.Errorf("%s: %d requests pending", c.name, got)
				}
				// The verdict is final.
				for name, again := range map[string]func() error{
					"Accept": func() error { _, err := r.Accept(); return err }, "Reset": r.Reset, "Drop": r.Drop,
					"Unreachable": func() error { return r.Unreachable(HostUnreachable) },
				} {
					wantOpError(t, again(), "accept", errVerdictGiven)
					_ = name
				}
			})
		}
	}
}

// A client that does not fail upon the ICMP message gets it once more, and then a RST.
func TestForwardUnreachableRepeated(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.forwarding(ForwardConfig{})
		icmp := 0
		p.db.SetHook(func(f []byte) stacktest.Fate {
			var ip wire.IP
			if _, err := wire.ParseIP(f[wire.VirtioHeaderLen:], &ip); err == nil && ip.Protocol == wire.ProtocolICMP {
				icmp++
				return stacktest.Drop
			}
			return stacktest.Pass
		})
		done := p.dialInBackground(t.Context(), elsewhere[0])
		if err := (<-requests).Unreachable(HostUnreachable); err != nil {
			t.Fatal(err)
		}
		d := <-done
		wantOpError(t, d.err, "dial", syscall.ECONNREFUSED)
		if d.took != 3*time.Second || icmp != 2 {
			t.Errorf("after %v and %d ICMP messages, want 3s and 2", d.took, icmp)
		}
	})
}

// A dropped request stays dropped: neither it nor a repetition of its SYN is answered.
func TestForwardDrop(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.forwarding(ForwardConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		done := p.dialInBackground(ctx, elsewhere[0])
		if err := (<-requests).Drop(); err != nil {
			t.Fatal(err)
		}
		d := <-done
		wantOpError(t, d.err, "dial", context.DeadlineExceeded)
		if len(requests) != 0 || p.db.Counts().Sent != 0 {
			t.Errorf("%d more requests, %d frames sent", len(requests), p.db.Counts().Sent)
		}
		time.Sleep(2 * time.Minute)
		if got := p.b.Stats()["forward-pending"]; got != 0 {
			t.Errorf("%d requests pending", got)
		}
	})
}

// A verdict after Accept is refused with an error, and the connection goes on.
func TestForwardVerdictAfterAccept(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			requests := p.forwarding(ForwardConfig{})
			done := p.dialInBackground(t.Context(), address)
			r := <-requests
			server, err := r.Accept()
			if err != nil {
				t.Fatal(err)
			}
			client := (<-done).conn
			for _, again := range []func() error{
				func() error { _, err := r.Accept(); return err }, r.Reset, r.Drop,
				func() error { return r.Unreachable(HostUnreachable) },
				func() error { return r.AcceptHandler(func(*Conn) Handler { t.Error("a Handler for it"); return nil }) },
			} {
				wantOpError(t, again(), "accept", errVerdictGiven)
			}
			write(t, client, "goes on")
			wantRead(t, server, "goes on")
			if stats := p.b.Stats(); stats["forward-accepted"] != 1 || stats["forward-reset"]+stats["forward-unreachable"]+stats["forward-dropped"] != 0 {
				t.Errorf("%v", stats)
			}
		})
	}
}

// When the client gives up, the request's context ends within a second, and a verdict is refused.
func TestForwardClientGivesUp(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			requests := p.forwarding(ForwardConfig{})
			ctx, cancel := context.WithCancel(t.Context())
			done := p.dialInBackground(ctx, address)
			r := <-requests
			time.Sleep(5 * time.Second)
			cancel()
			<-done
			begin := time.Now()
			<-r.Context().Done()
			if took := time.Since(begin); took > time.Second {
				t.Errorf("the context ended after %v", took)
			}
			if cause := context.Cause(r.Context()); !errors.Is(cause, syscall.ECONNABORTED) {
				t.Errorf("cause: %v", cause)
			}
			for _, late := range []func() error{
				func() error { _, err := r.Accept(); return err }, r.Reset, r.Drop,
				func() error { return r.Unreachable(HostUnreachable) },
				func() error { return r.AcceptHandler(func(*Conn) Handler { t.Error("a Handler for it"); return nil }) },
			} {
				wantOpError(t, late(), "accept", syscall.ECONNABORTED)
			}
			if got := p.b.Stats(); got["forward-abandoned"] != 1 || got["connections"] != 0 {
				t.Errorf("abandoned %d, connections %d", got["forward-abandoned"], got["connections"])
			}
		})
	}
}

// A client without a host behind it, as of a flood, is given up after the time its retransmission would have taken.
func TestForwardSilentClient(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.forwarding(ForwardConfig{})
		p.da.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop }) // a would answer the probes
		p.db.Inject(packet(segmentSpec{flags: wire.SYN, dst: netip.MustParseAddrPort(elsewhere[0])}))
		r := <-requests
		begin := time.Now()
		<-r.Context().Done()
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("the context ended after %v", took)
		}
	})
}

// Requests are limited in all and for each source. Those past the limit are not answered, and pending ones do not
// delay others.
func TestForwardLimits(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.forwarding(ForwardConfig{MaxPending: 10_001, MaxPendingPerSource: 100})
		p.da.SetHook(nil)
		to := netip.MustParseAddrPort(elsewhere[0])
		for i := range 150 { // one source
			p.db.Inject(packet(segmentSpec{flags: wire.SYN, src: netip.AddrPortFrom(netip.MustParseAddr("10.77.0.9"), uint16(1000+i)), dst: to}))
		}
		synctest.Wait()
		if len(requests) != 100 || p.b.Stats()["forward-limited"] != 50 || p.db.Counts().Sent != 0 {
			t.Fatalf("%d requests of one source, %d past the limit, %d replies; want 100, 50, 0",
				len(requests), p.b.Stats()["forward-limited"], p.db.Counts().Sent)
		}
		for i := range 9900 {
			src := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
			p.db.Inject(packet(segmentSpec{flags: wire.SYN, src: netip.AddrPortFrom(src, 9), dst: to}))
			if i%500 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if len(requests) != 10_000 {
			t.Fatalf("%d requests", len(requests))
		}
		for range 10_000 {
			<-requests // and no verdict
		}
		done := p.dialInBackground(t.Context(), elsewhere[1])
		server, err := (<-requests).Accept()
		if err != nil {
			t.Fatal(err)
		}
		if d := <-done; d.err != nil || d.took != 0 {
			t.Errorf("beside 10,000 pending requests: %v after %v", d.err, d.took)
		}
		server.Close()
		p.db.Inject(packet(segmentSpec{flags: wire.SYN, src: netip.MustParseAddrPort("198.19.0.1:9"), dst: to}))
		p.db.Inject(packet(segmentSpec{flags: wire.SYN, src: netip.MustParseAddrPort("198.19.0.2:9"), dst: to}))
		synctest.Wait()
		if len(requests) != 1 || p.b.Stats()["forward-limited"] != 51 {
			t.Errorf("%d requests past the limit in all, %d dropped", len(requests)-1, p.b.Stats()["forward-limited"])
		}
		time.Sleep(time.Minute)
		if stats := p.b.Stats(); stats["forward-pending"] != 0 || stats["connections"] > 1 {
			t.Errorf("%d pending, %d connections", stats["forward-pending"], stats["connections"])
		}
		for n := range 100 {
			if !p.b.forwarder.Load().requests.Enter(netip.MustParseAddr("10.77.0.9")) {
				t.Fatalf("the source may have %d requests, want 100", n)
			}
		}
	})
}

// Listeners come first, and destinations outside the prefixes stay outside.
func TestForwardBesideListeners(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		requests := p.forwarding(ForwardConfig{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("10.77.0.2/32")}})
		p.connect(l)
		done := p.dialInBackground(t.Context(), "10.77.0.2:81") // the stack's own address, without a listener
		if err := (<-requests).Reset(); err != nil {
			t.Error(err)
		}
		wantOpError(t, (<-done).err, "dial", syscall.ECONNREFUSED)
		_, err := p.a.Dial("tcp", "[fd77::2]:81")
		wantOpError(t, err, "dial", syscall.ECONNREFUSED)
		before := p.b.Stats()["dropped-not-ours"]
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err = p.a.DialContext(ctx, "tcp", "192.0.2.16:80")
		wantOpError(t, err, "dial", context.DeadlineExceeded)
		if got := p.b.Stats()["dropped-not-ours"] - before; got != 1 || len(requests) != 0 {
			t.Errorf("%d SYNs outside the prefixes, %d requests", got, len(requests))
		}
	})
}

// A listener at all addresses takes connections to the stack's addresses and leaves others to the forwarder.
func TestForwardBesideWildcardListener(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			l := p.listen()
			requests := p.forwarding(ForwardConfig{})
			p.connect(l)
			done := p.dialInBackground(t.Context(), address)
			synctest.Wait()
			if len(requests) != 1 {
				t.Fatalf("%d requests, want 1", len(requests))
			}
			if err := (<-requests).Reset(); err != nil {
				t.Error(err)
			}
			wantOpError(t, (<-done).err, "dial", syscall.ECONNREFUSED)
		})
	}
}

// Packets of other protocols for forwarded addresses are not answered, those whose TTL ends here with Time Exceeded.
func TestForwardOtherPackets(t *testing.T) {
	for i, address := range elsewhere {
		within(t, func(t *testing.T) {
			a, to := addressesA[i].Addr(), netip.MustParseAddrPort(address)
			p := newPair(t, Config{})
			requests := p.forwarding(ForwardConfig{})
			var last []byte
			p.db.SetHook(func(f []byte) stacktest.Fate { last = bytes.Clone(f); return stacktest.Drop })
			echo := make([]byte, 16)
			ip := wire.IP{Src: a, Dst: to.Addr(), Protocol: wire.ProtocolICMP}
			kind := uint8(wire.ICMPv4Echo)
			if a.Is6() {
				ip.Protocol, kind = wire.ProtocolICMPv6, wire.ICMPv6Echo
			}
			echo = echo[:wire.PutICMP(echo, &ip, &wire.ICMP{Type: kind})]
			p.db.Inject(ipPacket(a, to.Addr(), ip.Protocol, echo))
			p.db.Inject(ipPacket(a, to.Addr(), wire.ProtocolUDP, emptyDatagram()))
			p.db.Inject(ipPacket(a, to.Addr(), 200, make([]byte, 20)))
			synctest.Wait()
			if last != nil || len(requests) != 0 {
				t.Fatalf("answered with % x", last)
			}
			syn := packet(segmentSpec{flags: wire.SYN, src: netip.AddrPortFrom(a, 9), dst: to})
			if a.Is4() {
				header := syn[wire.VirtioHeaderLen:][:wire.IPv4HeaderLen]
				header[8], header[10], header[11] = 1, 0, 0
				binary.BigEndian.PutUint16(header[10:], ^wire.Fold(wire.Sum(header, 0)))
			} else {
				syn[wire.VirtioHeaderLen+7] = 1
			}
			p.db.Inject(syn)
			synctest.Wait()
			if last == nil || len(requests) != 0 {
				t.Fatalf("%d requests, answered with % x", len(requests), last)
			}
			var got wire.IP
			payload, err := wire.ParseIP(last[wire.VirtioHeaderLen:], &got)
			var m wire.ICMP
			if err == nil {
				err = wire.ParseICMP(&got, payload, &m)
			}
			want := uint8(wire.ICMPv4TimeExceeded)
			if a.Is6() {
				want = wire.ICMPv6TimeExceeded
			}
			if err != nil || got.Src != addressesB[i].Addr() || m.Type != want || m.Code != 0 {
				t.Errorf("%v, from %v, type %d, code %d", err, got.Src, m.Type, m.Code)
			}
		})
	}
}

// The end of the stack ends requests, with its cause.
func TestForwardUntilClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.forwarding(ForwardConfig{})
		done := p.dialInBackground(t.Context(), elsewhere[0])
		r := <-requests
		p.b.Close()
		<-r.Context().Done()
		if cause := context.Cause(r.Context()); cause != net.ErrClosed {
			t.Errorf("cause: %v", cause)
		}
		_, err := r.Accept()
		wantOpError(t, err, "accept", net.ErrClosed)
		p.a.Close()
		<-done
		_, err = p.b.ForwardTCP(ForwardConfig{}, func(*ForwardRequest) {})
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("ForwardTCP: %v", err)
		}
	})
}

// The MSS bounds segments in both directions.
func TestForwardMSS(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			requests := p.forwarding(ForwardConfig{MSS: 1000})
			done := p.dialInBackground(t.Context(), address)
			server, err := (<-requests).Accept()
			if err != nil {
				t.Fatal(err)
			}
			client := (<-done).conn
			for _, c := range []*Conn{client, server} {
				if got := c.Info().MSS; got > 1000 || got < 980 {
					t.Errorf("MSS %d, want at most 1000", got)
				}
			}
		})
	}
}

// A forwarded connection can have a Handler.
func TestForwardHandler(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		if _, err := p.b.ForwardTCP(ForwardConfig{}, func(r *ForwardRequest) {
			if err := r.AcceptHandler(func(*Conn) Handler { return answer{} }); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		c, err := p.a.Dial("tcp", elsewhere[0])
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, "hello")
		wantRead(t, c, "hello")
		c.Close()
	})
}

// A client that resets the connection before it is accepted, or begins again with another number, ends the request.
func TestForwardClientResets(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.forwarding(ForwardConfig{})
		src, dst := netip.MustParseAddrPort("10.77.0.9:9"), netip.MustParseAddrPort(elsewhere[0])
		p.db.Inject(packet(segmentSpec{flags: wire.SYN, seq: 100, src: src, dst: dst}))
		first := <-requests
		p.db.Inject(packet(segmentSpec{flags: wire.SYN, seq: 5000, src: src, dst: dst}))
		second := <-requests
		if first.Context().Err() == nil || second.Context().Err() != nil {
			t.Errorf("contexts: %v, %v", first.Context().Err(), second.Context().Err())
		}
		p.db.Inject(packet(segmentSpec{flags: wire.RST, seq: 5001, src: src, dst: dst}))
		synctest.Wait()
		if second.Context().Err() == nil {
			t.Error("the second request's context has not ended")
		}
	})
}

// The end of the stack is no mistake of an application that closes a forwarder afterwards.
func TestCloseForwardersAfterStack(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		tcp, tcpErr := p.a.ForwardTCP(ForwardConfig{}, func(*ForwardRequest) {})
		udp, udpErr := p.a.ForwardUDP(ForwardUDPConfig{}, func(*UDPFlow) {})
		ping, pingErr := p.a.ForwardPing(nil, func(*EchoRequest) {})
		if err := errors.Join(tcpErr, udpErr, pingErr, p.a.Close()); err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]io.Closer{"TCP": tcp, "UDP": udp, "ping": ping} {
			if err := f.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestForwardErrors(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		handle := func(*ForwardRequest) {}
		for name, call := range map[string]func() error{
			"no handler": func() error { _, err := p.a.ForwardTCP(ForwardConfig{}, nil); return err },
			"a tiny MSS": func() error { _, err := p.a.ForwardTCP(ForwardConfig{MSS: 100}, handle); return err },
			"a bad prefix": func() error {
				_, err := p.a.ForwardTCP(ForwardConfig{Prefixes: []netip.Prefix{{}}}, handle)
				return err
			},
		} {
			if err := call(); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: %v", name, err)
			}
		}
		f, err := p.a.ForwardTCP(ForwardConfig{}, handle)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.a.ForwardTCP(ForwardConfig{}, handle); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second forwarder: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("a second Close: %v", err)
		}
		if _, err := p.a.ForwardTCP(ForwardConfig{}, handle); err != nil {
			t.Errorf("after Close: %v", err)
		}
		for u, want := range map[Unreachable]string{NetUnreachable: "net unreachable", AdminProhibited: "administratively prohibited", 9: "unreachable(9)"} {
			if got := u.String(); got != want {
				t.Errorf("%d: %q, want %q", uint8(u), got, want)
			}
		}
	})
}

// Without a UDP forwarder, sockets get no datagrams to the addresses that another forwarder takes.
func TestForwardTCPBesideUDPSockets(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.forwarding(ForwardConfig{})
		server, err := p.b.ListenUDP("udp", ":53")
		if err != nil {
			t.Fatal(err)
		}
		write(t, p.dialUDP(netip.MustParseAddrPort("192.0.2.1:53")), "x")
		synctest.Wait()
		if n := server.in.Len(); n != 0 {
			t.Errorf("%d datagrams to an address that is not the stack's", n)
		}
		wantCount(t, p.b, "dropped-not-ours", 1)
	})
}

// A connection that is accepted after the device's MTU has fallen keeps to the new one.
func TestForwardAcceptAfterSetMTU(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			requests := p.forwarding(ForwardConfig{})
			done := p.dialInBackground(t.Context(), address)
			r := <-requests
			if err := p.b.SetMTU(1300); err != nil {
				t.Fatal(err)
			}
			server, err := r.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			client := (<-done).conn
			defer client.Close()
			synctest.Wait()
			server.entry.mu.Lock()
			mss := server.tcp.Info(server.stack.clock.Now()).MSS
			server.entry.mu.Unlock()
			if most := 1300 - 40; mss > most {
				t.Errorf("an MSS of %d bytes with an MTU of 1300", mss)
			}
		})
	}
}
