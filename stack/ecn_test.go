package stack

import (
	"bytes"
	"io"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/paths"
	"minitcp/stack/stacktest"
)

// A SYN that asks for ECN, or for AccECN, gets an answer with ECN enabled and disabled, and never a RST (gVisor
// answered with one for a while). Data and acknowledgments flow either way.
//
// Shows: SHLD-8.
func TestECNIsAnswered(t *testing.T) {
	for _, mode := range []conn.ECNMode{conn.ECNPassive, conn.ECNActive, conn.ECNDisabled} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{Conn: conn.Config{ECN: mode}})
			l := p.listen()
			r, s := newRawPeer(t, p, l, nil, wire.ECE|wire.CWR)
			agreed := mode != conn.ECNDisabled
			if got := s.Info().ECN; got != agreed {
				t.Errorf("mode %d: ECN is %v", mode, got)
			}
			r.send(segmentSpec{flags: wire.ACK | wire.CWR, data: []byte("x")})
			wantRead(t, s, "x")
			if err := s.SetTrafficClass(46); err != nil {
				t.Fatal(err)
			}
			write(t, s, "y")
			quiet()
			want := uint8(46 << 2)
			if agreed {
				want |= uint8(wire.ECT0)
			}
			for {
				ip, tcp, data := r.next()
				if len(data) == 0 {
					continue // an ACK
				}
				if string(data) != "y" || tcp.Flags&(wire.ECE|wire.CWR) != 0 || ip.TrafficClass != want {
					t.Errorf("mode %d: %q with %v and traffic class %#x", mode, data, tcp.Flags, ip.TrafficClass)
				}
				break
			}
		})
	}
}

// A router on the way marks one frame in twenty, superframes among them: the receiver reports it, the sender reduces
// its window, and nothing is lost or sent again.
func TestMarksAcrossTheLink(t *testing.T) {
	for _, c := range []struct {
		address string
		offload stacktest.Offload
	}{{"10.77.0.2:80", stacktest.Offloaded}, {"[fd77::2]:80", stacktest.Offloaded}, {"10.77.0.2:80", stacktest.Plain}, {"[fd77::2]:80", stacktest.Plain}} {
		within(t, func(t *testing.T) {
			var cfg Config
			asks := Config{Conn: conn.Config{ECN: conn.ECNActive}}
			var said, reported int
			cfg.Trace = func(v *TraceEvent) {
				if !v.Outgoing && v.ECN == wire.CE {
					said++
				}
				if v.Outgoing && v.TCP.Flags.Has(wire.ECE) && !v.TCP.Flags.Has(wire.SYN) {
					reported++
				}
			}
			p := newPairOn(t, stacktest.Config{Offload: c.offload}, asks, cfg)
			client, server := p.connectTo(p.listen(), c.address)
			frames, marked := 0, 0
			p.da.SetHook(locked(func(frame []byte) stacktest.Fate {
				if frames++; frames%20 == 0 && wire.MarkCE(frame[wire.VirtioHeaderLen:]) {
					marked++
				}
				return stacktest.Pass
			}))
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			go func() {
				client.Write(data)
				client.CloseWrite()
			}()
			got, err := io.ReadAll(server)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			time.Sleep(time.Second)
			from, to := client.Info(), server.Info()
			if !from.ECN || !to.ECN || from.ECEReductions == 0 || to.CEReceived == 0 || from.Retransmitted != 0 {
				t.Errorf("%s: ECN %v and %v, %d reductions, %d marks, %d sent again", c.address, from.ECN, to.ECN,
					from.ECEReductions, to.CEReceived, from.Retransmitted)
			}
			p.b.Close()
			if marked == 0 || said != marked || reported == 0 {
				t.Errorf("%s: %d frames were marked, the trace has %d of them and %d reports", c.address, marked, said, reported)
			}
		})
	}
}

// Stacks negotiate AccECN, whatever the kind of device, count the same marks, and have them in their totals.
func TestAccECNAcrossTheLink(t *testing.T) {
	for _, c := range []struct {
		address string
		offload stacktest.Offload
	}{{"10.77.0.2:80", stacktest.Offloaded}, {"[fd77::2]:80", stacktest.Offloaded}, {"10.77.0.2:80", stacktest.Plain}} {
		within(t, func(t *testing.T) {
			p := newPairOn(t, stacktest.Config{Offload: c.offload}, Config{Conn: conn.Config{ECN: conn.ECNAccurate}}, Config{})
			client, server := p.connectTo(p.listen(), c.address)
			frames := 0
			p.da.SetHook(locked(func(frame []byte) stacktest.Fate {
				if frames++; frames%20 == 0 {
					wire.MarkCE(frame[wire.VirtioHeaderLen:])
				}
				return stacktest.Pass
			}))
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			go func() {
				client.Write(data)
				client.CloseWrite()
			}()
			got, err := io.ReadAll(server)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			server.Close()
			quiet()
			from, to := client.Info(), server.Info()
			if !from.AccECN.Agreed || !to.AccECN.Agreed || from.AccECN.Failures|to.AccECN.Failures != 0 || from.ECEReductions == 0 ||
				to.CEReceived == 0 || uint64(from.AccECN.DeliveredCE) != to.CEReceived || from.AccECN.Delivered != to.AccECN.Received {
				t.Errorf("%s: %+v, %+v and %d marks", c.address, from.AccECN, to.AccECN, to.CEReceived)
			}
			wantCount(t, p.a, "ce-delivered", uint64(from.AccECN.DeliveredCE))
			wantCount(t, p.a, "accurate-ecn", 1)
			wantCount(t, p.a, "accurate-ecn-failed", 0)
			wantCount(t, p.a, "ecn-reductions", from.ECEReductions)
			wantCount(t, p.b, "ce-received", to.CEReceived)
		})
	}
}

// A middlebox drops SYNs that request AccECN. After two connections that had to wait for the SYN without the request,
// the next ones to that host do not wait. Ten minutes later one requests AccECN again (RFC 9768 3.1.4.1).
func TestECNBlocked(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{Conn: conn.Config{ECN: conn.ECNAccurate}}, Config{})
		l := p.listen()
		var tcp wire.TCP
		p.da.SetHook(locked(func(frame []byte) stacktest.Fate {
			if _, err := wire.ParseTCP(frame[wire.VirtioHeaderLen+20:], &tcp); err != nil {
				t.Error(err)
			}
			if tcp.Flags.Has(wire.SYN | wire.ECE) {
				return stacktest.Drop
			}
			return stacktest.Pass
		}))
		for i, want := range []time.Duration{3 * time.Second, 3 * time.Second, 0, 0} {
			begin := time.Now()
			client, _ := p.connect(l)
			if took := time.Since(begin); took != want || client.Info().ECN {
				t.Errorf("connection %d: after %v, want %v, ECN %v", i, took, want, client.Info().ECN)
			}
		}
		wantCount(t, p.a, "ecn-fallbacks", 2)

		p.da.SetHook(nil)
		time.Sleep(paths.Life)
		client, server := p.connect(l)
		if quiet(); !client.Info().AccECN.Agreed || !server.Info().AccECN.Agreed {
			t.Error("after ten minutes, no AccECN")
		}
		wantCount(t, p.a, "ecn-fallbacks", 2)
	})
}

// A superframe of the kernel's may say CWR, which is its first segment's, and be marked, which is all its segments':
// the mark is a new one.
func TestMarkedSuperframe(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		r, s := newRawPeer(t, p, p.listen(), nil, wire.ECE|wire.CWR)
		superframe := func(flags wire.Flags, e wire.ECN) {
			frame := r.frame(segmentSpec{flags: wire.ACK | flags, data: make([]byte, 2800)})
			ip := wire.IP{Src: addressesA[0].Addr(), Dst: addressesB[0].Addr(), Protocol: wire.ProtocolTCP, HopLimit: 64}
			ip.SetECN(e)
			wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, 20+2800)
			wire.PutVirtio(frame, &wire.VirtioHeader{Flags: wire.VirtioDataValid, GSOType: wire.GSOTCPv4 | wire.GSOECN, GSOSize: 1400})
			r.inject(frame)
		}
		want := func(when string, flags wire.Flags) {
			t.Helper()
			if _, tcp, data := r.next(); tcp.Flags != flags || tcp.Ack != r.seq || len(data) > 0 {
				t.Errorf("%s: %v, ack %d; want %v, ack %d", when, tcp.Flags, tcp.Ack, flags, r.seq)
			}
			r.none()
		}
		superframe(0, wire.CE)
		want("a mark", wire.ACK|wire.ECE)
		superframe(0, wire.ECT0)
		want("the next", wire.ACK|wire.ECE)
		superframe(wire.CWR, wire.ECT0)
		want("CWR", wire.ACK)
		superframe(wire.CWR, wire.CE)
		want("both", wire.ACK|wire.ECE)
		if i := s.Info(); i.CEReceived != 2 || i.Received != 4*2800 {
			t.Errorf("%d marks, %d bytes", i.CEReceived, i.Received)
		}
		if n := p.b.Stats()["segments-received"]; n != 1+1+4*2 {
			t.Errorf("%d segments were received", n)
		}
	})
}
