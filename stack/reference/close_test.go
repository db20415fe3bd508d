package reference

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"minitcp/conn"
)

// everyWay runs a test for each role and family.
func everyWay(t *testing.T, s settings, test func(t *testing.T, w *world, client, server party)) {
	t.Helper()
	for _, r := range []role{miniClient, gvisClient} {
		for _, f := range []family{ipv4Family, ipv6Family} {
			t.Run(fmt.Sprintf("%v/%v", r, f), func(t *testing.T) {
				run(t, s, func(w *world) {
					client, server := w.connect(r, f)
					test(t, w, client, server)
				})
			})
		}
	}
}

// sends checks that the data written by one side is read by the other.
func sends(t *testing.T, from, to party, s string) {
	t.Helper()
	if n, err := from.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("%s: Write: %d, %v", from.Name(), n, err)
	}
	b := make([]byte, len(s))
	if _, err := io.ReadFull(to, b); err != nil || string(b) != s {
		t.Fatalf("%s: read %q, want %q; %v", to.Name(), b, s, err)
	}
}

func wantEnd(t *testing.T, p party, want error) {
	t.Helper()
	if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want) {
		t.Errorf("%s: Read: %d, %v; want %v", p.Name(), n, err, want)
	}
}

func do(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

var (
	activeClose  = []conn.State{conn.Established, conn.FinWait1, conn.FinWait2, conn.TimeWait, conn.Closed}
	passiveClose = []conn.State{conn.Established, conn.CloseWait, conn.LastAck, conn.Closed}
)

// Half-close: one side ends its direction and the other continues to send, with either side first.
func TestHalfClose(t *testing.T) {
	for _, order := range []string{"client first", "server first"} {
		t.Run(order, func(t *testing.T) {
			everyWay(t, settings{}, func(t *testing.T, w *world, client, server party) {
				first, second := client, server
				if order == "server first" {
					first, second = server, client
				}
				sends(t, first, second, "to the second")
				sends(t, second, first, "to the first")
				active, passive := w.watch(first), w.watch(second)
				do(t, "CloseWrite", first.CloseWrite())
				wantEnd(t, second, io.EOF)
				sends(t, second, first, "still open this way")
				w.linger() // whole round trips, so that each state is observed
				do(t, "CloseWrite", second.CloseWrite())
				wantEnd(t, first, io.EOF)
				active.want(w, activeClose...)
				passive.want(w, passiveClose...)
				do(t, "Close", first.Close())
				do(t, "Close", second.Close())
			})
		})
	}
}

// Simultaneous close: the FINs cross.
func TestSimultaneousClose(t *testing.T) {
	everyWay(t, settings{}, func(t *testing.T, w *world, client, server party) {
		sends(t, client, server, "hello")
		w.linger()
		a, b := w.watch(client), w.watch(server)
		do(t, "CloseWrite", client.CloseWrite())
		do(t, "CloseWrite", server.CloseWrite())
		wantEnd(t, client, io.EOF)
		wantEnd(t, server, io.EOF)
		crossing := []conn.State{conn.Established, conn.FinWait1, conn.Closing, conn.TimeWait, conn.Closed}
		a.want(w, crossing...)
		b.want(w, crossing...)
		do(t, "Close", client.Close())
		do(t, "Close", server.Close())
	})
}

// After an abort of one side, the other gets an error at once.
func TestAbort(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			everyWay(t, settings{}, func(t *testing.T, w *world, client, server party) {
				aborts, suffers := client, server
				if who == "server" {
					aborts, suffers = server, client
				}
				sends(t, client, server, "hello")
				h := w.watch(suffers)
				do(t, "Abort", aborts.Abort())
				wantEnd(t, suffers, syscall.ECONNRESET)
				h.want(w, conn.Established, conn.Closed)
				suffers.Close()
				w.linger()
				_, a := w.toGvis.seen()
				_, b := w.toMini.seen()
				if a+b < 1 || a+b > 2 { // an ACK in flight may get another RST
					t.Errorf("%d RSTs were sent, want 1 or 2", a+b)
				}
			})
		})
	}
}

// Close with unread data resets the connection, with gVisor too (RFC 9293 3.6.1, SHLD-3).
func TestCloseUnread(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			everyWay(t, settings{}, func(t *testing.T, w *world, client, server party) {
				closes, suffers := client, server
				if who == "server" {
					closes, suffers = server, client
				}
				if _, err := suffers.Write([]byte("unread data")); err != nil {
					t.Fatal(err)
				}
				w.linger()
				do(t, "Close", closes.Close())
				wantEnd(t, suffers, syscall.ECONNRESET)
				suffers.Close()
			})
		})
	}
}

// A connection attempt to a port without a listener is refused.
func TestRefused(t *testing.T) {
	for _, f := range []family{ipv4Family, ipv6Family} {
		t.Run(f.String(), func(t *testing.T) {
			run(t, settings{}, func(w *world) {
				if _, err := w.tryDialMini(f); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("minitcp: %v", err)
				}
				if _, err := w.tryDialGvis(f); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("gVisor: %v", err)
				}
			})
		})
	}
}

// The window is closed for a long time because the reader pauses. No data is lost, and probes keep the connection open.
func TestZeroWindow(t *testing.T) {
	for _, reader := range []string{"minitcp", "gVisor"} {
		t.Run(reader+" reads late", func(t *testing.T) {
			everyWay(t, settings{}, func(t *testing.T, w *world, client, server party) {
				from, to, offers := client, server, w.toMini
				if to.Name() != reader {
					from, to = server, client
				}
				if reader == "minitcp" {
					offers = w.toGvis
				}
				do(t, "SetReadBuffer", to.SetReadBuffer(64<<10))
				data := randomBytes(1<<20, 7)
				wrote := make(chan error, 1)
				go func() {
					_, err := from.Write(data)
					wrote <- err
				}()
				w.wait(pause)
				if n, _ := offers.seen(); n == 0 {
					t.Error("the window was never closed")
				}
				got := make([]byte, len(data))
				if _, err := io.ReadFull(to, got); err != nil || string(got) != string(data) {
					t.Errorf("%s: received data differs from sent data; %v", to.Name(), err)
				}
				do(t, "Write", <-wrote)
				do(t, "Close", from.Close())
				wantEnd(t, to, io.EOF)
				do(t, "Close", to.Close())
			})
		})
	}
}
