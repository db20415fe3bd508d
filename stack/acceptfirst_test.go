package stack

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// floodOnce injects SYNs from that many forged addresses to a forwarded one.
func (p *pair) floodOnce(syns int, to netip.AddrPort) {
	for i := range syns {
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 77)
		p.db.Inject(packet(segmentSpec{src: src, dst: to, flags: wire.SYN, seq: uint32(i)}))
		if i%500 == 0 {
			synctest.Wait()
		}
	}
	synctest.Wait()
}

// drain removes the requests that wait.
func drain(requests <-chan *ForwardRequest) (n int) {
	for len(requests) > 0 {
		<-requests
		n++
	}
	return n
}

// With AcceptFirst, a flood makes no more requests than that in ten seconds. Beside it a client's connection is
// established before there is a request, and its first data is there when the request is accepted.
func TestAcceptFirst(t *testing.T) {
	for _, address := range elsewhere {
		within(t, func(t *testing.T) {
			const limit = 10
			p := newPair(t, Config{SYNCookies: SYNCookiesOff})
			requests := p.forwarding(ForwardConfig{AcceptFirst: limit, MSS: 1000})
			flooded := netip.MustParseAddrPort("192.0.2.9:80")
			p.floodOnce(5000, flooded)
			if n := drain(requests); n != limit {
				t.Fatalf("%d requests, want %d", n, limit)
			}
			wantCount(t, p.b, "syn-cookies-sent", 5000-limit)

			client := <-p.dialInBackground(t.Context(), address)
			if client.err != nil {
				t.Fatal(client.err)
			}
			write(t, client.conn, "at once")
			client.conn.CloseWrite()
			time.Sleep(time.Second) // for the verdict
			if len(requests) != 1 {
				t.Fatalf("%d requests of the client, want 1", len(requests))
			}
			r := <-requests
			if r.Destination().String() != address || r.Context().Err() != nil {
				t.Errorf("to %v, %v", r.Destination(), r.Context().Err())
			}
			server, err := r.Accept()
			if err != nil {
				t.Fatal(err)
			}
			wantRead(t, server, "at once")
			wantEOF(t, server)
			write(t, server, "back")
			wantRead(t, client.conn, "back")
			if i := server.Info(); i.MSS > 1000 || !i.SACK || !i.Timestamps || i.SendScale == 0 {
				t.Errorf("%+v", i)
			}
			server.Close()
			wantEOF(t, client.conn)
			client.conn.Close()

			p.floodOnce(100, flooded)
			if n := drain(requests); n != 0 {
				t.Errorf("%d more requests in ten seconds", n)
			}
			time.Sleep(time.Minute)
			if got := p.b.Stats(); got["forward-pending"] != 0 || p.b.opening.Load() != 0 {
				t.Errorf("%d requests pending, %d handshakes in progress", got["forward-pending"], p.b.opening.Load())
			}
			p.floodOnce(100, flooded)
			if n := drain(requests); n != limit {
				t.Errorf("%d requests after a minute, want %d", n, limit)
			}
		})
	}
}

// acceptingFirst makes b forward with AcceptFirst and floods it, so that each further request is of a connection that
// is established.
func (p *pair) acceptingFirst(cfg ForwardConfig) <-chan *ForwardRequest {
	cfg.AcceptFirst = 1
	requests := p.forwarding(cfg)
	p.floodOnce(2, netip.MustParseAddrPort(elsewhere[0]))
	if n := drain(requests); n != 1 {
		p.t.Fatalf("%d requests, want 1", n)
	}
	return requests
}

// A verdict that refuses an established connection resets it.
func TestAcceptFirstRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		verdict func(*ForwardRequest) error
		counter string
	}{
		"Reset":       {(*ForwardRequest).Reset, "forward-reset"},
		"Unreachable": {func(r *ForwardRequest) error { return r.Unreachable(HostUnreachable) }, "forward-unreachable"},
		"Drop":        {(*ForwardRequest).Drop, "forward-dropped"},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			requests := p.acceptingFirst(ForwardConfig{})
			client := <-p.dialInBackground(t.Context(), elsewhere[0])
			if client.err != nil {
				t.Fatal(client.err)
			}
			synctest.Wait()
			r := <-requests
			ctx := r.Context()
			if err := c.verdict(r); err != nil {
				t.Error(name, err)
			}
			_, err := client.conn.Read(make([]byte, 1))
			wantOpError(t, err, "read", syscall.ECONNRESET)
			_, err = r.Accept()
			wantOpError(t, err, "accept", errVerdictGiven)
			wantCount(t, p.b, c.counter, 1)
			wantCount(t, p.b, "forward-pending", 1) // that of the flood
			wantCount(t, p.b, "forward-abandoned", 0)
			if ctx.Err() == nil {
				t.Errorf("%s: the context has not ended", name)
			}
		})
	}
}

// A client that resets its connection before the verdict ends the request.
func TestAcceptFirstClientResets(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.acceptingFirst(ForwardConfig{})
		client := <-p.dialInBackground(t.Context(), elsewhere[0])
		if client.err != nil {
			t.Fatal(client.err)
		}
		synctest.Wait()
		r := <-requests
		client.conn.SetLinger(0)
		client.conn.Close()
		<-r.Context().Done()
		_, err := r.Accept()
		wantOpError(t, err, "accept", syscall.ECONNABORTED)
		wantCount(t, p.b, "forward-abandoned", 1)
		wantCount(t, p.b, "forward-pending", 1)
	})
}

// A Handler gets the data that has arrived before the verdict.
func TestAcceptFirstHandler(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.acceptingFirst(ForwardConfig{})
		client := <-p.dialInBackground(t.Context(), elsewhere[0])
		if client.err != nil {
			t.Fatal(client.err)
		}
		write(t, client.conn, "hello")
		synctest.Wait()
		if err := (<-requests).AcceptHandler(func(*Conn) Handler { return answer{} }); err != nil {
			t.Fatal(err)
		}
		wantRead(t, client.conn, "hello")
		client.conn.Close()
	})
}

// The limits hold for requests of established connections too: past them, final ACKs have no effect. An ACK without a
// valid cookie makes no request.
func TestAcceptFirstLimits(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.acceptingFirst(ForwardConfig{MaxPending: 2})
		to := netip.MustParseAddrPort(elsewhere[0])
		var clients []dialed
		for range 2 {
			client := <-p.dialInBackground(t.Context(), elsewhere[0])
			if client.err != nil {
				t.Fatal(client.err)
			}
			clients = append(clients, client)
		}
		synctest.Wait()
		if len(requests) != 1 {
			t.Errorf("%d requests, want 1", len(requests))
		}
		wantCount(t, p.b, "forward-limited", 1)
		p.db.Inject(packet(segmentSpec{dst: to, flags: wire.ACK, seq: 9, ack: 9}))
		synctest.Wait()
		wantCount(t, p.b, "syn-cookies-failed", 1)
		wantCount(t, p.b, "resets-sent", 0)
		(<-requests).Reset()
		write(t, clients[1].conn, "now") // the first data, whose ACK holds the cookie
		synctest.Wait()
		server, err := (<-requests).Accept()
		if err != nil {
			t.Fatal(err)
		}
		wantRead(t, server, "now")
		server.Close()
		clients[1].conn.Close()
	})
}

// The end of the stack ends a request of an established connection, with its cause, and resets the connection.
func TestAcceptFirstUntilClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		requests := p.acceptingFirst(ForwardConfig{})
		client := <-p.dialInBackground(t.Context(), elsewhere[0])
		if client.err != nil {
			t.Fatal(client.err)
		}
		synctest.Wait()
		r := <-requests
		p.b.Close()
		<-r.Context().Done()
		if _, err := client.conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read: %v", err)
		}
		if _, err := r.Accept(); err == nil {
			t.Error("Accept works after Close")
		}
	})
}

// With several queues, under a flood, every client's connection is accepted. With the race detector this shows that the
// queues share nothing unguarded.
func TestAcceptFirstQueues(t *testing.T) {
	for _, queues := range []int{4, 8} {
		t.Run(fmt.Sprint(queues), func(t *testing.T) {
			within(t, func(t *testing.T) {
				near, far := stacktest.New(stacktest.Config{Queues: queues, Queue: 4096})
				p := &pair{t: t, da: far, db: near}
				var err error
				if p.a, err = New(far, Config{Addresses: addressesA}); err != nil {
					t.Fatal(err)
				}
				defer p.a.Close()
				if p.b, err = New(near, Config{Addresses: addressesB}); err != nil {
					t.Fatal(err)
				}
				defer p.b.Close()
				_, err = p.b.ForwardTCP(ForwardConfig{AcceptFirst: 8}, func(r *ForwardRequest) {
					if netip.MustParsePrefix("198.18.0.0/15").Contains(r.Source().Addr()) {
						return
					}
					go func() {
						c, err := r.Accept()
						if err != nil {
							t.Error(err)
							return
						}
						io.Copy(c, c)
						c.Close()
					}()
				})
				if err != nil {
					t.Fatal(err)
				}
				to := netip.MustParseAddrPort(elsewhere[0])
				for range 10 {
					var clients []<-chan dialed
					for range 8 {
						clients = append(clients, p.dialInBackground(t.Context(), elsewhere[0]))
					}
					p.floodOnce(200, to)
					for _, done := range clients {
						d := <-done
						if d.err != nil {
							t.Fatal(d.err)
						}
						write(t, d.conn, "echo")
						wantRead(t, d.conn, "echo")
						d.conn.Close()
					}
				}
			})
		})
	}
}
