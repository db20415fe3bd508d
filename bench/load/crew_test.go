//go:build linux

package load

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
	"minitcp/tun"
)

// network makes a namespace in which server serves the connections to a port of the loopback device.
func network(t *testing.T, port int, server func(net.Conn)) *tun.Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT TESTED: this test needs root")
		}
		t.Skip("NOT TESTED: this test needs root")
	}
	ns, err := tun.NewNamespace("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	serve(t, ns, port, server)
	return ns
}

// serve does as network in a namespace that exists.
func serve(t *testing.T, ns *tun.Namespace, port int, server func(net.Conn)) {
	t.Helper()
	var l net.Listener
	if err := ns.Do(func() (err error) { l, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				server(c)
			}()
		}
	}()
}

// reply returns a server that sends the changed bytes of each read.
func reply(change func([]byte) []byte) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 1000)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			c.Write(change(b[:n]))
		}
	}
}

func flip(b []byte) []byte {
	b[len(b)-1] ^= 1
	return b
}

// A server that breaks the rules of its service is an error, not a fast server.
func TestBrokenServers(t *testing.T) {
	for _, test := range []struct {
		name        string
		kind        Kind
		connections int
		port        int
		server      func(net.Conn)
		want        string
	}{
		{"wrong echo", PingPong, 1, subject.PortEcho, reply(flip), "got back"},
		{"wrong echo to many", PingPong, 3, subject.PortEcho, reply(flip), "got back"},
		{"no echo", PingPong, 1, subject.PortEcho, func(net.Conn) {}, ""},
		{"short echo", PingPong, 2, subject.PortEcho, func(c net.Conn) { io.CopyN(c, c, 63) }, ""},
		{"wrong byte", Connect, 1, subject.PortEcho, reply(flip), "got back"},
		{"wrong byte to many", Connect, 3, subject.PortEcho, reply(flip), "got back"},
		{"no listener", Connect, 2, subject.PortSink, func(net.Conn) {}, "connection refused"},
		{"no listener for one", Idle, 2, subject.PortSink, func(net.Conn) {}, "connection refused"},
		{"wrong byte while idle", Idle, 2, subject.PortHold, reply(flip), "got back"},
		{"wrong data", Download, 1, subject.PortSource, func(c net.Conn) { c.Write(pattern.At(1)) }, "byte 0 of the stream"},
		{"too little data", Download, 2, subject.PortSource, func(c net.Conn) { c.Write(pattern.At(0)[:1000]) }, "ended the stream too early"},
		{"wrong bulk after bulk", Talk, 1, subject.PortTalk, func(c net.Conn) { io.CopyN(io.Discard, c, subject.TalkBulk); c.Write(pattern.At(1)) }, "byte 0 of the stream"},
		{"no bulk after bulk", Talk, 1, subject.PortTalk, func(c net.Conn) { io.CopyN(io.Discard, c, subject.TalkBulk) }, "after 0 bytes of 2097152"},
		{"no bulk", Talk, 1, subject.PortTalk, func(c net.Conn) { io.CopyN(io.Discard, c, 1) }, ""},
		{"a short response", Fetch, 1, subject.PortResponse, func(c net.Conn) { c.Read(make([]byte, 1)); c.Write(pattern.At(0)[:49_999]) }, "after 49999 bytes of 50000"},
		{"a wrong response", Fetch, 1, subject.PortResponse, func(c net.Conn) { c.Read(make([]byte, 1)); c.Write(pattern.At(1)[:50_000]) }, "of the stream"},
		{"a sink that sends", Upload, 1, subject.PortSink, func(c net.Conn) { c.Write([]byte("x")); io.Copy(io.Discard, c) }, "the sink has sent something"},
		{"a sink that closes", Upload, 1, subject.PortSink, func(net.Conn) {}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Start(test.kind, network(t, test.port, test.server), netip.MustParseAddr("127.0.0.1"), test.connections, pattern.Sampled)
			if test.name != "a sink that sends" { // it is detected at the end
				<-c.Ended()
			}
			if _, err := c.Stop(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// Pings follow bulk on the same connection, and the first of each series is recorded apart.
func TestTalk(t *testing.T) {
	ns := network(t, subject.PortTalk, func(c net.Conn) {
		io.CopyN(io.Discard, c, subject.TalkBulk)
		for offset := int64(0); offset < subject.TalkBulk; offset += pattern.Period {
			c.Write(pattern.At(offset))
		}
		io.Copy(c, c)
	})
	c := Start(Talk, ns, netip.MustParseAddr("127.0.0.1"), 1, pattern.Sampled)
	if err := c.Ready(); err != nil {
		t.Fatal(err)
	}
	for c.Firsts().Summary().N == 0 {
		runtime.Gosched()
	}
	total, err := c.Stop()
	firsts, all := c.Firsts().Summary().N, c.Times().Summary().N
	bytes := firsts*subject.TalkBulk + all*pingLength
	want := Total{Connections: firsts, Sent: bytes, Received: bytes, Transactions: all}
	if err != nil || total != want || all < leastPings {
		t.Errorf("after %d series of pings: %+v, %v; want %+v", firsts, total, err, want)
	}
}

func TestFetch(t *testing.T) {
	ns := network(t, subject.PortResponse, func(c net.Conn) { c.Read(make([]byte, 1)); c.Write(pattern.At(0)[:subject.ResponseLength]) })
	c := Start(Fetch, ns, netip.MustParseAddr("127.0.0.1"), 3, pattern.Sampled)
	for c.Times().Summary().N < 10 {
		runtime.Gosched()
	}
	total, err := c.Stop()
	n := c.Times().Summary().N
	if want := (Total{Connections: n, Sent: n, Received: n * subject.ResponseLength, Transactions: n}); err != nil || total != want {
		t.Errorf("%+v, %v; want %+v", total, err, want)
	}
}

// A crew counts its work.
func TestTotals(t *testing.T) {
	for _, test := range []struct {
		kind        Kind
		connections int
		bytes       int64 // of each transaction
	}{{PingPong, 1, pingLength}, {PingPong, 5, pingLength}, {Connect, 1, 1}, {Connect, 5, 1}} {
		ns := network(t, subject.PortEcho, reply(func(b []byte) []byte { return b }))
		c := Start(test.kind, ns, netip.MustParseAddr("127.0.0.1"), test.connections, pattern.Sampled)
		if err := c.Ready(); err != nil {
			t.Fatal(err)
		}
		total, err := c.Stop()
		n := total.Transactions
		want := Total{Connections: int64(test.connections), Sent: n * test.bytes, Received: n * test.bytes, Transactions: n}
		if test.kind == Connect {
			want.Connections = n
		}
		if err != nil || total != want || c.Received() != total.Received || c.Transactions() != n {
			t.Errorf("%d connections: %+v, %v; want %+v", test.connections, total, err, want)
		}
	}
}
