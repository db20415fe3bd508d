package stack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/memory"
	"minitcp/stack/stacktest"
)

// dialFor dials b's port 80 from a, and gives up after d.
func (p *pair) dialFor(d time.Duration) (*Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	c, err := p.a.DialContext(ctx, "tcp", "10.77.0.2:80")
	if err != nil {
		return nil, err
	}
	p.used = append(p.used, c)
	return c.(*Conn), nil
}

// rawClient is a client that sends raw segments to b.
type rawClient struct {
	addr netip.AddrPort
	iss  uint32 // b's
}

// newRawClient sends a SYN from the remote address number i, and returns when the SYN-ACK has arrived.
func newRawClient(p *pair, i int) *rawClient {
	p.t.Helper()
	c := &rawClient{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 78, 0, byte(i)}), 5000)}
	p.db.SetHook(func(frame []byte) stacktest.Fate {
		if _, tcp, _, ok := stacktest.Segment(frame); ok && tcp.Flags.Has(wire.SYN) {
			c.iss = tcp.Seq
		}
		return stacktest.Pass
	})
	p.db.Inject(packet(segmentSpec{src: c.addr, flags: wire.SYN, seq: 1000}))
	quiet()
	p.db.SetHook(nil)
	if c.iss == 0 {
		p.t.Fatal("no SYN-ACK has arrived")
	}
	return c
}

// ack sends the final ACK of the handshake.
func (c *rawClient) ack(p *pair) {
	p.db.Inject(packet(segmentSpec{src: c.addr, flags: wire.ACK, seq: 1001, ack: c.iss + 1}))
	quiet()
}

// A SYN beyond MaxConnections or MaxPerHost gets no reply, and the connection opens when another one is in TIME-WAIT. A
// connection that the stack has dialed does not count.
func TestMaxConnections(t *testing.T) {
	for _, cfg := range []Config{{MaxConnections: 2}, {MaxPerHost: 2}} {
		within(t, func(t *testing.T) {
			p := newPair(t, cfg)
			l := p.listen()
			c, s := p.connect(l)
			p.connect(l)
			if _, err := p.dialFor(500 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the third connection: %v, want a timeout", err)
			}
			wantCount(t, p.b, "connections-limited", 1)
			wantCount(t, p.b, "resets-sent", 0)
			opened := make(chan error)
			go func() {
				_, err := p.dialFor(time.Minute)
				opened <- err
			}()
			quiet()
			s.Close()
			c.Close()
			quiet()
			if err := <-opened; err != nil {
				t.Errorf("after another one has ended: %v", err)
			}
			wantCount(t, p.b, "connections-limited", 2)
		})
	}
}

// Handshakes in progress do not count in MaxConnections: the final ACK of one too many has no effect.
func TestFinalACKBeyondMaxConnections(t *testing.T) {
	for _, mode := range []SYNCookies{SYNCookiesAuto, SYNCookiesAlways} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{MaxConnections: 3, SYNCookies: mode})
			l := p.listen()
			first, second := newRawClient(p, 1), newRawClient(p, 2)
			p.connect(l)
			p.connect(l)
			first.ack(p)
			wantCount(t, p.b, "connections-accepted", 3)
			second.ack(p)
			wantCount(t, p.b, "connections-accepted", 3)
			wantCount(t, p.b, "connections-limited", 1)
			p.db.Inject(packet(segmentSpec{src: first.addr, flags: wire.RST, seq: 1001}))
			quiet()
			second.ack(p)
			wantCount(t, p.b, "connections-accepted", 4)
		})
	}
}

// A forwarder's requests count in MaxPerHost from the SYN on, whatever their destination.
func TestForwarderMaxPerHost(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{MaxPerHost: 1})
		var requests []*ForwardRequest
		if _, err := p.b.ForwardTCP(ForwardConfig{}, func(r *ForwardRequest) { requests = append(requests, r) }); err != nil {
			t.Fatal(err)
		}
		to := func(i int) segmentSpec {
			return segmentSpec{dst: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:80", i)), flags: wire.SYN, seq: 1000}
		}
		for i := range 2 {
			p.db.Inject(packet(to(i)))
			quiet()
		}
		wantCount(t, p.b, "connections-limited", 1)
		if len(requests) != 1 {
			t.Fatalf("%d requests, want 1", len(requests))
		}
		requests[0].Reset()
		quiet()
		p.db.Inject(packet(to(1)))
		quiet()
		if len(requests) != 2 {
			t.Errorf("%d requests after the first was refused, want 2", len(requests))
		}
	})
}

// While the whole budget of memory is in use, a SYN gets no reply.
func TestSYNWithoutMemory(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Memory: 1 << 20})
		p.listen()
		pool := p.b.cfg.Conn.Pool.(*memory.Pool)
		pool.Charge(1<<20 - 1<<13)
		if c, err := p.dialFor(time.Second); err != nil {
			t.Errorf("while memory is exhausted: %v", err)
		} else {
			wantState(t, c, conn.Established)
		}
		quiet()
		pool.Charge(1 << 13)
		if _, err := p.dialFor(500 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Dial: %v, want a timeout", err)
		}
		wantCount(t, p.b, "connections-no-memory", 1)
		pool.Charge(-1 << 20)
		c, err := p.dialFor(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		wantState(t, c, conn.Established)
	})
}
