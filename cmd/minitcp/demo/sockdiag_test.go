//go:build linux

package demo

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/conn"
	"minitcp/tun"
)

// TestSockDiag checks the states found for IPv4 and IPv6 sockets of a namespace, open, half-closed and closed.
func TestSockDiag(t *testing.T) {
	testenv.RequireDevice(t)
	n, err := tun.NewNamespace("")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	d, err := newSockDiag(n)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		var l net.Listener
		var client net.Conn
		err := n.Do(func() (err error) {
			if l, err = net.Listen("tcp", address); err == nil {
				client, err = net.Dial("tcp", l.Addr().String())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		l.Close() // find would return the listener for a closed connection
		near := client.LocalAddr().(*net.TCPAddr).AddrPort()
		far := client.RemoteAddr().(*net.TCPAddr).AddrPort()
		check := func(when string, wantNear, wantFar conn.State) {
			t.Helper()
			var gotNear, gotFar kernelSocket
			var err1, err2 error
			for end := time.Now().Add(patience); time.Now().Before(end); { // the ACK of a FIN may be delayed
				gotNear, err1 = d.find(near, far)
				gotFar, err2 = d.find(far, near)
				if err1 != nil || err2 != nil || gotNear.State == wantNear && gotFar.State == wantFar {
					break
				}
				runtime.Gosched()
			}
			if err1 != nil || err2 != nil || gotNear.State != wantNear || gotFar.State != wantFar {
				t.Errorf("%s: %v %v, %v %v; want %v, %v", when, gotNear.State, err1, gotFar.State, err2, wantNear, wantFar)
			}
		}
		check("open", conn.Established, conn.Established)
		server.(*net.TCPConn).CloseWrite()
		check("half-closed", conn.CloseWait, conn.FinWait2)
		client.Close()
		check("closed", conn.Closed, conn.TimeWait)
		server.Close()
		check("both closed", conn.Closed, conn.TimeWait)
		missing, err := d.find(netip.AddrPortFrom(near.Addr(), near.Port()^1), far)
		if err != nil || missing.State != conn.Closed {
			t.Errorf("a socket that never existed: %v, %v", missing.State, err)
		}
	}
}

// TestParseInetDiag checks the mapping of state numbers.
func TestParseInetDiag(t *testing.T) {
	b := make([]byte, inetDiagMessageLen)
	binary.NativeEndian.PutUint32(b[60:], 77)
	for number, want := range map[byte]conn.State{1: conn.Established, 6: conn.TimeWait, 12: conn.SynReceived, 13: conn.Closed} {
		b[1] = number
		if got := parseInetDiag(b); got.State != want || got.Unacknowledged != 77 {
			t.Errorf("state %d: %+v, want %v", number, got, want)
		}
	}
}

// TestTCPCounter checks counters of a text like /proc/net/snmp.
func TestTCPCounter(t *testing.T) {
	const text = "Ip: Forwarding InErrs\nIp: 1 2\nTcp: RtoMin InErrs InCsumErrors\nTcp: 200 -1 5\nUdp: InErrs\nUdp: 9\n"
	if n, err := tcpCounter(text, "InCsumErrors"); n != 5 || err != nil {
		t.Errorf("InCsumErrors is %d, %v; want 5", n, err)
	}
	for _, name := range []string{"NoSuch", "InErrs"} { // a missing counter and a negative one
		if n, err := tcpCounter(text, name); err == nil {
			t.Errorf("%s is %d, want an error", name, n)
		}
	}
}
