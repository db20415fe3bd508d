//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// listenUDP returns a UDP socket of the host's kernel.
func (h *runHost) listenUDP(t *testing.T, address string) *net.UDPConn {
	t.Helper()
	var u *net.UDPConn
	err := h.Do(func() (err error) {
		u, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// answerUDP makes a socket answer each datagram with the text and the datagram.
func answerUDP(u *net.UDPConn, text string) {
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := u.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			u.WriteToUDPAddrPort(append([]byte(text), b[:n]...), from)
		}
	}()
}

// ask is a program of a shell that sends a datagram and writes the first line of the answer.
const ask = `exec 3<>/dev/udp/$0/$1; echo question >&3; head -n 1 <&3`

// Datagrams pass in both directions.
func TestRunUDP(t *testing.T) {
	h := newRunHost(t)
	for _, f := range forwardFamilies {
		u := h.listenUDP(t, net.JoinHostPort(f.live, "0"))
		answerUDP(u, "answer to ")
		for _, user := range runUsers {
			r := finish(t, h.run(t, user.user, "--", "bash", "-c", ask, f.live, portText(u.LocalAddr())))
			if r.status != 0 || r.out != "answer to question\n" || r.errOut != "" {
				t.Errorf("%s, %s: %+v", f.name, user.name, r)
			}
		}
	}
}

// A datagram that a command has sent last leaves, although the command has ended.
func TestRunLastDatagram(t *testing.T) {
	h := newRunHost(t)
	u := h.listenUDP(t, "198.18.0.1:0")
	u.SetReadDeadline(time.Now().Add(patience))
	for i := range 20 {
		r := finish(t, h.run(t, "", "--", "bash", "-c", `echo $1 >/dev/udp/198.18.0.1/$0`, portText(u.LocalAddr()), fmt.Sprint(i)))
		if r.status != 0 || r.errOut != "" {
			t.Fatalf("%+v", r)
		}
		b := make([]byte, 100)
		n, err := u.Read(b)
		if got := string(b[:n]); err != nil || got != fmt.Sprintln(i) {
			t.Fatalf("%q has arrived, want %d (%v)", got, i, err)
		}
	}
}

// portText returns the port of an address as text.
func portText(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// A command gets the errors of the host's sockets, and no connection to the loopback address of the host.
func TestRunErrors(t *testing.T) {
	h := newRunHost(t)
	port := h.serveHTTP(t, "127.0.0.1", "the loopback of the host")
	for _, test := range []struct{ host, port, want string }{
		{"198.18.0.1", "9", "Connection refused"},
		{"fd80::1", "9", "Connection refused"},
		{"198.19.0.1", "80", "Network is unreachable"},
		{"fd88::1", "80", "Network is unreachable"},
		{"127.0.0.1", port, "Connection refused"}, // by the kernel inside
		{"10.77.0.9", port, "Network is unreachable"},
	} {
		r := finish(t, h.run(t, "", "--", "bash", "-c", "exec 3<>/dev/tcp/"+test.host+"/"+test.port))
		if r.status != 1 || !strings.Contains(r.errOut, test.want) {
			t.Errorf("%s, port %s: %+v, want %q", test.host, test.port, r, test.want)
		}
	}
}

// --host-loopback makes the loopback address of the host reachable at one address, of either family.
func TestRunHostLoopback(t *testing.T) {
	h := newRunHost(t)
	for _, f := range []struct{ loopback, inside string }{{"127.0.0.1", "10.77.0.9"}, {"::1", "fd77::9"}} {
		port := h.serveHTTP(t, f.loopback, "the loopback of the host")
		url := "http://" + net.JoinHostPort(f.inside, port) + "/"
		for _, user := range runUsers {
			r := finish(t, h.run(t, user.user, "--host-loopback", f.inside, "--", "curl", "-gsS", url))
			if r.status != 0 || r.out != "the loopback of the host" {
				t.Errorf("%s, %s: %+v", url, user.name, r)
			}
		}
	}
}

// nameServer starts a name server of the host's kernel at 127.0.0.53, as systemd-resolved's. It has the addresses of
// host.test, and those of large.test, whose answer requires TCP.
func (h *runHost) nameServer(t *testing.T) (queries *atomic.Int64) {
	t.Helper()
	queries = new(atomic.Int64)
	u := h.listenUDP(t, "127.0.0.53:53")
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := u.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			queries.Add(1)
			u.WriteToUDPAddrPort(answerHost(b[:n], true), from)
		}
	}()
	var l net.Listener
	if err := h.Do(func() (err error) { l, err = net.Listen("tcp", "127.0.0.53:53"); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			length := make([]byte, 2)
			for _, err := io.ReadFull(c, length); err == nil; _, err = io.ReadFull(c, length) {
				queries.Add(1)
				b := make([]byte, int(length[0])<<8|int(length[1]))
				io.ReadFull(c, b)
				answer := answerHost(b, false)
				c.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
			}
			c.Close()
		}
	}()
	return queries
}

// answerHost returns the answer of nameServer, truncated over UDP if the name is large.test.
func answerHost(query []byte, udp bool) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name := q.Name.String()
	switch {
	case name == "large.test." && udp:
		m.Truncated = true
	case q.Type == dnsmessage.TypeA && (name == "host.test." || name == "large.test."):
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr("198.18.0.1").As4()},
		}}
	case name != "host.test." && name != "large.test.":
		m.RCode = dnsmessage.RCodeNameError
	}
	answer, _ := m.Pack()
	return answer
}

// Names are looked up by the name server of the host, also one on its loopback address, with the search list of the
// host.
func TestRunNames(t *testing.T) {
	h := newRunHost(t)
	queries := h.nameServer(t)
	port := h.serveHTTP(t, "198.18.0.1", "hello")
	file := filepath.Join(filepath.Dir(h.self), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 127.0.0.53\nsearch test\noptions timeout:9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, "/etc/resolv.conf")
	static := staticProgram(t, filepath.Dir(h.self))
	for _, user := range runUsers {
		for _, name := range []string{"host.test", "host", "large.test"} {
			for _, program := range [][]string{{"curl", "-sS"}, {static}} {
				queries.Store(0)
				line := append([]string{"--"}, append(program, "http://"+name+":"+port+"/")...)
				r := finish(t, h.runAfter(t, "mount --bind "+file+" /etc/resolv.conf", user.user, line...))
				if r.status != 0 || r.out != "hello" || queries.Load() == 0 {
					t.Errorf("%s, %s, %s: %+v, %d queries", user.name, name, program[0], r, queries.Load())
				}
			}
		}
	}
	if after := readFile(t, "/etc/resolv.conf"); after != before {
		t.Errorf("the /etc/resolv.conf of the host has become %q", after)
	}
}

// The sockets of programs that look up names outside are hidden, and those of other programs are not.
func TestRunHidesResolvers(t *testing.T) {
	h := newRunHost(t)
	const sockets = `mount -t tmpfs none /run; for s in nscd/socket systemd/resolve/io.systemd.Resolve other/socket; do mkdir -p $(dirname /run/$s); nc.openbsd -lU /run/$s >/dev/null 2>&1 & until test -S /run/$s; do sleep 0.01; done; kill $!; done`
	const inspect = `for s in /run/nscd/socket /run/systemd/resolve/io.systemd.Resolve /run/other/socket; do test -S $s && echo $s; done; true`
	for _, user := range runUsers {
		r := finish(t, h.runAfter(t, sockets, user.user, "--", "sh", "-c", inspect))
		if r.status != 0 || r.out != "/run/other/socket\n" {
			t.Errorf("%s: %+v", user.name, r)
		}
	}
}

// --publish lets the host connect to a command, over TCP and UDP.
func TestRunPublish(t *testing.T) {
	h := newRunHost(t)
	for _, user := range runUsers {
		t.Run(user.name, func(t *testing.T) {
			const servers = `nc.openbsd -N -l -p 80 </etc/hostname & echo ready; read line`
			cmd := h.run(t, user.user, "--publish", "8080:80", "--publish", "198.18.0.1:8081:81", "--", "sh", "-c", servers)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			p := start(t, cmd)
			p.awaitOut("ready")
			want := readFile(t, "/etc/hostname")
			until(t, "the host connects", func() bool { return h.fetch("127.0.0.1:8080") == want })
			if got := h.fetch("198.18.0.1:8081"); got != "" { // nothing listens inside
				t.Errorf("a port without a server inside: %q", got)
			}
			io.WriteString(stdin, "end\n")
			if status := p.wait(); status != 0 {
				t.Errorf("status %d", status)
			}
			if listens(t, h.Namespace, 8080) || listens(t, h.Namespace, 8081) {
				t.Error("a published port is still open")
			}
		})
	}
}

// fetch returns the data that a server sends to the host, "" after an error.
func (h *runHost) fetch(address string) string {
	var c net.Conn
	err := h.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", address, patience)
		return err
	})
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c)
	if err != nil {
		return ""
	}
	return string(b)
}

func TestRunPublishUDP(t *testing.T) {
	h := newRunHost(t)
	client := h.listenUDP(t, "127.0.0.1:0")
	p := start(t, h.run(t, "", "--publish", "5300:53/udp", "--", "nc.openbsd", "-u", "-l", "-v", "-p", "53"))
	to := netip.MustParseAddrPort("127.0.0.1:5300")
	until(t, "a datagram arrives inside", func() bool {
		client.WriteToUDPAddrPort([]byte("hello\n"), to)
		return strings.Contains(p.out.String(), "hello")
	})
}

// A published port that is taken, or may not be used, is an error before anything runs.
func TestRunPublishTaken(t *testing.T) {
	h := newRunHost(t)
	l := h.listen(t, "127.0.0.1")
	u := h.listenUDP(t, "127.0.0.1:0")
	for _, test := range []struct {
		user, publish string
		want          []string
	}{
		{"", portText(l.Addr()) + ":80", []string{"--publish " + portText(l.Addr()) + ":80", "in use", "another HOSTPORT"}},
		{"", portText(u.LocalAddr()) + ":80/udp", []string{"in use"}},
		{"", "192.0.2.1:80:80", []string{"--publish 192.0.2.1:80:80", "address of this host"}},
		{runUsers[1].user, "80:80", []string{"permission denied", "at least 1024"}},
	} {
		r := finish(t, h.run(t, test.user, "--publish", test.publish, "--", "echo", "it has run"))
		if r.status != exitFailure || r.out != "" {
			t.Errorf("%s: %+v", test.publish, r)
		}
		checkLine(t, r.errOut, test.want...)
	}
}

// --via sends the connections of a command through a proxy.
func TestRunVia(t *testing.T) {
	h := newRunHost(t)
	proxy := h.listen(t, "127.0.0.1")
	go func() { // an HTTP proxy that is the destination itself
		for c, err := proxy.Accept(); err == nil; c, err = proxy.Accept() {
			r := bufio.NewReader(c)
			request, _ := r.ReadString('\n')
			for line := "x"; strings.TrimSpace(line) != ""; line, _ = r.ReadString('\n') {
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n\r\nasked for %s", request)
			c.Close()
		}
	}()
	for _, user := range runUsers {
		r := finish(t, h.run(t, user.user, "--via", "http://"+proxy.Addr().String(), "--", "nc.openbsd", "-N", "203.0.113.1", "99"))
		if r.status != 0 || !strings.HasPrefix(r.out, "asked for CONNECT 203.0.113.1:99 HTTP/1.1") {
			t.Errorf("%s: %+v", user.name, r)
		}
	}
}
