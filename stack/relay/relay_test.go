package relay

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// connected returns the two ends of a TCP connection between two stacks that a device in memory joins.
func connected(t *testing.T) (a, b *stack.Conn) {
	t.Helper()
	da, db := stacktest.Pipe(1500)
	var stacks [2]*stack.Stack
	for i, d := range []stack.Device{da, db} {
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), 24)
		s, err := stack.New(d, stack.Config{Addresses: []netip.Prefix{address}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stacks[i] = s
	}
	l, err := stacks[1].Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	dialed, err := stacks[0].Dial("tcp", "10.77.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return dialed.(*stack.Conn), accepted.(*stack.Conn)
}

type outcome struct {
	Result
	err error
}

// relayed returns the outer ends of two connections whose inner ends a relay joins, and where its outcome arrives.
func relayed(t *testing.T, c Config) (client, server *stack.Conn, done <-chan outcome) {
	t.Helper()
	client, a := connected(t)
	b, server := connected(t)
	ended := make(chan outcome, 1)
	go func() {
		result, err := Relay(a, b, c)
		ended <- outcome{result, err}
	}()
	return client, server, ended
}

func read(t *testing.T, c io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

func readEnd(t *testing.T, c io.Reader, want error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Read: %d, %v; want %v", n, err, want)
	}
}

// A FIN passes in each direction while data goes on in the other.
func TestHalfClose(t *testing.T) {
	for _, c := range []Config{{}, {IdleTimeout: time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			client, server, done := relayed(t, c)
			io.WriteString(client, "question")
			client.CloseWrite()
			read(t, server, "question")
			readEnd(t, server, io.EOF)
			time.Sleep(10 * time.Minute) // much longer than a peer waits for a FIN in FIN-WAIT-2 without an application
			io.WriteString(server, "answer")
			read(t, client, "answer")
			server.Close()
			readEnd(t, client, io.EOF)
			client.Close()
			if got, want := <-done, (outcome{Result{8, 6, First}, nil}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// A reset of one connection resets the other, in both directions and also after a half-close.
func TestReset(t *testing.T) {
	for _, c := range []Config{{}, {IdleTimeout: time.Hour}} {
		for _, half := range []string{"", "client", "server"} {
			for _, who := range []string{"client", "server"} {
				synctest.Test(t, func(t *testing.T) {
					client, server, done := relayed(t, c)
					io.WriteString(client, "question")
					read(t, server, "question")
					ends := map[string]*stack.Conn{"client": client, "server": server}
					if half != "" {
						ends[half].CloseWrite()
						synctest.Wait()
					}
					victim := ends[map[string]string{"client": "server", "server": "client"}[who]]
					ends[who].SetLinger(0)
					ends[who].Close()
					if half == who {
						readEnd(t, victim, io.EOF) // the FIN was first, and the relay reads no more
						synctest.Wait()
						victim.Write([]byte("notices the reset"))
						synctest.Wait()
					} else {
						readEnd(t, victim, syscall.ECONNRESET)
					}
					if _, err := victim.Write([]byte("x")); err == nil {
						t.Errorf("%s reset, %q half-closed: a Write of the other end succeeds", who, half)
					}
					got := <-done
					if got.err == nil {
						t.Errorf("%s reset, %q half-closed: no error", who, half)
					}
					if want := map[string]Side{"client": First, "server": Second}[who]; got.EndedBy != want {
						t.Errorf("%s reset, %q half-closed: ended by %d, want %d", who, half, got.EndedBy, want)
					}
				})
			}
		}
	}
}

// Data arrives whole in both directions at once.
func TestBulk(t *testing.T) {
	for _, c := range []Config{{}, {IdleTimeout: time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			client, server, done := relayed(t, c)
			up, down := make([]byte, 3<<20), make([]byte, 2<<20)
			random := rand.NewChaCha8([32]byte{1})
			random.Read(up)
			random.Read(down)
			send := func(c *stack.Conn, data []byte) {
				c.Write(data)
				c.CloseWrite()
			}
			go send(client, up)
			go send(server, down)
			sums := make(chan [32]byte, 1)
			go func() {
				got, _ := io.ReadAll(server)
				sums <- sha256.Sum256(got)
			}()
			got, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(got, down) {
				t.Errorf("%d bytes down, %v", len(got), err)
			}
			if <-sums != sha256.Sum256(up) {
				t.Error("the bytes up have changed")
			}
			if got := <-done; got.Sent != 3<<20 || got.Received != 2<<20 || got.err != nil || got.EndedBy == Neither {
				t.Errorf("%+v, want 3 MiB up, 2 MiB down", got)
			}
		})
	}
}

// Without data for the idle timeout both connections are reset; data in one direction is enough to keep them.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, done := relayed(t, Config{IdleTimeout: time.Minute})
		for range 10 {
			time.Sleep(50 * time.Second)
			io.WriteString(server, "still here")
			read(t, client, "still here")
		}
		begin := time.Now()
		readEnd(t, client, syscall.ECONNRESET)
		readEnd(t, server, syscall.ECONNRESET)
		if got := <-done; got.err != ErrIdle || got.EndedBy != Neither {
			t.Errorf("error %v, want %v", got.err, ErrIdle)
		}
		if took := time.Since(begin); took < time.Minute-time.Second || took > 2*time.Minute+time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

// A kernel socket on one side: half-close, and a reset in each direction.
func TestKernelSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, end := range []string{"FIN", "reset by the client", "reset by the server"} {
		for _, c := range []Config{{}, {IdleTimeout: time.Hour}} {
			client, inner := connected(t)
			dialed, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			server := accepted.(*net.TCPConn)
			done := make(chan outcome, 1)
			go func() {
				result, err := Relay(inner, dialed.(*net.TCPConn), c)
				done <- outcome{result, err}
			}()
			io.WriteString(client, "question")
			read(t, server, "question")
			io.WriteString(server, "answer")
			read(t, client, "answer")
			switch end {
			case "FIN":
				client.CloseWrite()
				readEnd(t, server, io.EOF)
				server.Close()
				readEnd(t, client, io.EOF)
			case "reset by the client":
				client.SetLinger(0)
				client.Close()
				readEnd(t, server, syscall.ECONNRESET)
			case "reset by the server":
				server.SetLinger(0)
				server.Close()
				readEnd(t, client, syscall.ECONNRESET)
			}
			by := First
			if end == "reset by the server" {
				by = Second
			}
			if got := <-done; got.Result != (Result{8, 6, by}) || (got.err == nil) != (end == "FIN") {
				t.Errorf("%s: %+v", end, got)
			}
			client.Close()
			server.Close()
		}
	}
}
