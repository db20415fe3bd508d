//go:build linux

package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack"
)

var ownAddress = netip.MustParsePrefix("10.77.0.2/24")

// newStack returns a stack without a device, which reaches its own address.
func newStack(t testing.TB) *stack.Stack {
	t.Helper()
	s, err := stack.New(nil, stack.Config{Addresses: []netip.Prefix{ownAddress}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// connect opens a connection of the stack to itself. Both ends stay open until the test ends.
func connect(t testing.TB, s *stack.Stack) (client, server *stack.Conn) {
	t.Helper()
	l, err := s.ListenTCP("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := s.Dial("tcp", "10.77.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); server.Close() })
	return c.(*stack.Conn), server
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// newMonitor returns a Monitor of s.
func newMonitor(t testing.TB, s *stack.Stack) *Monitor {
	t.Helper()
	m := New(s, Options{Command: "test", Device: "none"})
	t.Cleanup(func() { m.Close() })
	return m
}

// get makes a request to a handler and returns the reply.
func get(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:8077"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestConnections(t *testing.T) {
	s := newStack(t)
	m := newMonitor(t, s)
	client, _ := connect(t, s)
	h := m.handler(false)
	list := decode[List](t, get(h, "GET", "/api/connections"))
	if len(list.Connections) != 2 || list.Daemon.PID != os.Getpid() || list.Daemon.Command != "test" {
		t.Fatalf("%+v, want two ends", list)
	}
	local, remote := addrPort(client.LocalAddr()), addrPort(client.RemoteAddr())
	list = decode[List](t, get(h, "GET", "/api/connections?filter="+url.QueryEscape("dst "+remote.String())))
	if len(list.Connections) != 1 || list.Connections[0].Local != local || list.Connections[0].State != "ESTABLISHED" {
		t.Errorf("%+v, want the one from %v", list.Connections, local)
	}
	at := "/api/connection?" + url.Values{"local": {local.String()}, "remote": {remote.String()}}.Encode()
	if c := decode[Connection](t, get(h, "GET", at)); c.Remote != remote || c.MSS != int(client.Info().MSS) || c.MSS == 0 {
		t.Errorf("%+v", c)
	}
	l, err := s.ListenTCP("tcp", ":81")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	list = decode[List](t, get(h, "GET", "/api/connections?filter=state+listening+sport+%3D+81"))
	if len(list.Connections) != 0 || len(list.Listeners) != 1 || list.Listeners[0].Local.Port() != 81 || list.Listeners[0].Backlog != 4096 {
		t.Errorf("%+v, want the listener", list)
	}
	for target, status := range map[string]int{
		"/api/connections?filter=bogus":                                  400,
		"/api/connection?local=1&remote=2":                               400,
		"/api/connection?local=10.77.0.2:1&remote=10.77.0.2:2":           404,
		"/api/connection":                                                400,
		"/api/none":                                                      404,
		"/api/connections?filter=" + strings.Repeat("x", maxFilter+1):    400,
		"/api/connection?local=%5Bfe80::1%25eth0%5D:1&remote=10.0.0.1:1": 404,
	} {
		if w := get(h, "GET", target); w.Code != status {
			t.Errorf("%s: status %d, want %d", target, w.Code, status)
		}
	}
}

func TestKill(t *testing.T) {
	s := newStack(t)
	m := newMonitor(t, s)
	client, server := connect(t, s)
	target := "/api/kill?" + url.Values{"local": {client.LocalAddr().String()}, "remote": {client.RemoteAddr().String()}}.Encode()
	h := m.handler(false)
	for _, test := range []struct {
		handler http.Handler
		method  string
		headers []string
		status  int
	}{
		{h, "GET", []string{killHeader, "1"}, http.StatusMethodNotAllowed},
		{h, "POST", nil, http.StatusForbidden}, // a form of any page
		{h, "POST", []string{killHeader, "1", "Origin", "http://evil.example"}, http.StatusForbidden},
		{h, "POST", []string{killHeader, "1", "Host", "evil.example"}, http.StatusForbidden},
		{h, "POST", []string{killHeader, "1", "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{m.handler(true), "POST", []string{killHeader, "1"}, http.StatusForbidden},
		{m.ConnectionHandler(addrPort(client.LocalAddr()), addrPort(client.RemoteAddr())), "POST", []string{killHeader, "1"}, http.StatusNotFound},
	} {
		if w := get(test.handler, test.method, target, test.headers...); w.Code != test.status {
			t.Errorf("%s %v: status %d, want %d", test.method, test.headers, w.Code, test.status)
		}
	}
	if client.State() != conn.Established {
		t.Fatalf("state %v after requests that must be refused", client.State())
	}
	if w := get(h, "POST", target, killHeader, "1", "Origin", "http://localhost:8077", "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("Read: %v, want %v", err, syscall.ECONNABORTED)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read of the peer: %v, want %v", err, syscall.ECONNRESET)
	}
	if w := get(h, "POST", target, killHeader, "1"); w.Code != http.StatusNotFound {
		t.Errorf("again: status %d, want 404", w.Code)
	}
}

func TestHosts(t *testing.T) {
	h := newMonitor(t, newStack(t)).handler(false)
	for host, status := range map[string]int{
		"localhost": 200, "localhost:80": 200, "127.0.0.1:80": 200, "[::1]:80": 200, "[::1]": 200, "192.0.2.1": 200, "minitcp": 200,
		"example.com": 403, "example.com:80": 403, "localhost.example.com": 403, "": 403, "127.0.0.1.nip.io": 403,
	} {
		if w := get(h, "GET", "/api/daemon", "Host", host); w.Code != status {
			t.Errorf("Host %q: status %d, want %d", host, w.Code, status)
		}
	}
	for _, origin := range []string{"http://evil.example", "null", "https://localhost:8077", "http://localhost:1"} {
		if w := get(h, "GET", "/api/daemon", "Origin", origin); w.Code != 403 {
			t.Errorf("Origin %q: status %d, want 403", origin, w.Code)
		}
	}
}

// TestConnectionHandler checks that the handler for one connection shows no other.
func TestConnectionHandler(t *testing.T) {
	s := newStack(t)
	m := newMonitor(t, s)
	client, server := connect(t, s)
	h := m.ConnectionHandler(addrPort(client.LocalAddr()), addrPort(client.RemoteAddr()))
	other := "/api/connection?" + url.Values{"local": {server.LocalAddr().String()}, "remote": {server.RemoteAddr().String()}}.Encode()
	if c := decode[Connection](t, get(h, "GET", other)); c.Local != addrPort(client.LocalAddr()) {
		t.Errorf("%v is shown, want %v", c.Local, client.LocalAddr())
	}
	if d := decode[Daemon](t, get(h, "GET", "/api/daemon")); d.Own == nil || !d.ReadOnly {
		t.Errorf("%+v, want a read-only daemon with one connection", d)
	}
	for _, path := range []string{"/api/connections", "/api/finished", "/api/stats", "/metrics"} {
		if w := get(h, "GET", path); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, w.Code)
		}
	}
}

// TestEveryField checks that each field of conn.Info is in the JSON of a connection.
func TestEveryField(t *testing.T) {
	text := func(i conn.Info) string {
		d := describe(&stack.ConnInfo{Info: i})
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	zero := text(conn.Info{})
	var visit func(path string, index []int, typ reflect.Type)
	visit = func(path string, index []int, typ reflect.Type) {
		for f := range typ.Fields() {
			at := append(append([]int(nil), index...), f.Index...)
			if f.Type.Kind() == reflect.Struct {
				visit(path, at, f.Type)
				continue
			}
			var i conn.Info
			switch v := reflect.ValueOf(&i).Elem().FieldByIndex(at); {
			case f.Name == "SoftError":
				i.SoftError = conn.ErrHostUnreachable
			case v.CanInt():
				v.SetInt(2000)
			case v.CanUint():
				v.SetUint(2)
			case v.Kind() == reflect.Bool:
				v.SetBool(true)
			default:
				t.Fatalf("%s has the type %v", f.Name, f.Type)
			}
			if text(i) == zero {
				t.Errorf("%s is not in the JSON", f.Name)
			}
		}
	}
	visit("", nil, reflect.TypeFor[conn.Info]())
}

func TestFinished(t *testing.T) {
	s := newStack(t)
	var mu sync.Mutex
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &lines}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m := New(s, Options{Command: "test", Finished: log})
	for range maxFinished {
		client, server := connect(t, s)
		client.Write([]byte("hello"))
		io.ReadFull(server, make([]byte, 5))
		client.SetLinger(0)
		client.Close()
		server.Read(make([]byte, 1)) // until the RST has arrived
	}
	list := decode[[]Finished](t, get(m.handler(false), "GET", "/api/finished"))
	if len(list) != maxFinished || list[0].Number != 2*maxFinished || list[maxFinished-1].Number != maxFinished+1 {
		t.Fatalf("%d, the first has number %d; want the last %d of %d", len(list), list[0].Number, maxFinished, 2*maxFinished)
	}
	by := make(map[string]int)
	for _, f := range list {
		by[f.By+" "+f.Cause]++
		if f.Sent+f.Received != 5 || f.Ended.Before(f.Began) || f.Duration != f.Age {
			t.Errorf("%+v", f)
		}
	}
	if want := map[string]int{"local connection closed": 50, "remote connection reset by peer": 50}; !reflect.DeepEqual(by, want) {
		t.Errorf("%v, want %v", by, want)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(lines.String(), "connection finished"); n != 2*maxFinished {
		t.Errorf("%d lines in the log, want %d", n, 2*maxFinished)
	}
	for _, want := range []string{"remote=10.77.0.2:80", "sent=5", "received=0", "resent=0.00%", "min_rtt=", "duration=", "by=local", "cause=\"connection reset by peer\""} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("no line has %s:\n%.300s", want, lines.String())
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

// A log that does not take lines delays no connection. The number of missing lines is counted.
func TestFinishedSlowLog(t *testing.T) {
	f := newFinished()
	for range linesPending + 7 {
		f.ended(&stack.ConnEnd{}, true)
	}
	if n := f.closeLog(); n != 7 {
		t.Errorf("%d without a line, want 7", n)
	}
	f.ended(&stack.ConnEnd{}, true)
	if n := f.totals().count; n != linesPending+8 {
		t.Errorf("%d ends, want %d", n, linesPending+8)
	}
}

// serve returns a Monitor that serves the API at an address.
func serve(s *stack.Stack, a Address, o Options) (*Monitor, error) {
	m := New(s, o)
	if err := m.Listen(a); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func TestSocket(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	stale := filepath.Join(dir, "minitcp", "1.sock")
	os.Mkdir(filepath.Dir(stale), 0o700)
	leave(t, stale)
	s := newStack(t)
	m, err := serve(s, Address{}, Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := filepath.Join(dir, "minitcp", fmt.Sprint(os.Getpid(), ".sock"))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || m.Addr() != "unix:"+path {
		t.Errorf("%v, %v at %s; want mode 0600", info, err, m.Addr())
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket of a dead daemon: %v", err)
	}
	if _, err := serve(s, Address{}, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second daemon: %v, want %v", err, ErrInUse)
	}
	clients, err := Clients()
	if err != nil || len(clients) != 1 {
		t.Fatalf("%d daemons, %v; want 1", len(clients), err)
	}
	client, _ := connect(t, s)
	reply, err := clients[0].List("sport = :80", false)
	if err != nil || len(reply.Connections) != 1 || reply.Daemon.Command != "test" || reply.Connections[0].Remote != addrPort(client.LocalAddr()) {
		t.Fatalf("%+v, %v", reply, err)
	}
	for _, want := range []bool{true, false} {
		if killed, err := clients[0].Kill(&reply.Connections[0]); killed != want || err != nil {
			t.Errorf("Kill: %v, %v; want %v", killed, err, want)
		}
	}
	m.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := Clients(); err == nil || !strings.Contains(err.Error(), "minitcp serve") {
		t.Errorf("without a daemon: %v", err)
	}
}

// A daemon that does not answer, such as a stopped one, does not hide the others. The error names it and the reason.
func TestSilentDaemon(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	m, err := serve(newStack(t), Address{}, Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := filepath.Join(dir, "minitcp", "1.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := NewClient(Address{"unix", path})
	c.http.Timeout = time.Millisecond
	if _, err := c.Daemon(); err == nil || err.Error() != "unix:"+path+": no answer in 1ms; the daemon is stopped or overloaded" {
		t.Errorf("a daemon that does not answer: %v", err)
	}

	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	clients, err := Clients()
	if len(clients) != 1 || err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%d daemons, %v; want 1, and an error with %s", len(clients), err, path)
	}
	m.Close()
	if clients, err := Clients(); len(clients) != 0 || err == nil || errors.Is(err, ErrNoDaemon) {
		t.Errorf("%d daemons, %v; want none, and the error of the other", len(clients), err)
	}
}

// leave makes the socket of a process that has ended.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestNamedSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "api")
	leave(t, path)
	a, err := ParseAddress("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := serve(newStack(t), a, Options{})
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	m.Close()
	os.WriteFile(path, nil, 0o600)
	if _, err := serve(newStack(t), a, Options{}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("over a file: %v", err)
	}
}

func TestTCPAddress(t *testing.T) {
	s := newStack(t)
	a, _ := ParseAddress("127.0.0.1:0")
	m, err := serve(s, a, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	client, _ := connect(t, s)
	b, err := ParseAddress(m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serve(s, b, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second daemon: %v, want %v", err, ErrInUse)
	}
	d := Connection{Local: addrPort(client.LocalAddr()), Remote: addrPort(client.RemoteAddr())}
	if killed, err := NewClient(b).Kill(&d); !killed || err != nil {
		t.Errorf("Kill: %v, %v", killed, err)
	}
	// Every address of the machine, which other hosts may reach.
	a, _ = ParseAddress(":0")
	public, err := serve(s, a, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer public.Close()
	_, port, _ := net.SplitHostPort(public.Addr())
	b, _ = ParseAddress("127.0.0.1:" + port)
	if _, err := NewClient(b).Kill(&d); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("Kill: %v, want a refusal", err)
	}
	if daemon, err := NewClient(b).Daemon(); err != nil || !daemon.ReadOnly {
		t.Errorf("%+v, %v", daemon, err)
	}
}

func TestParseAddress(t *testing.T) {
	for _, s := range []string{"unix:/run/x", "127.0.0.1:80", "[::1]:0", "localhost:8077", ":8077", "unix:relative"} {
		if a, err := ParseAddress(s); err != nil || a.String() != s || a.IsDefault() {
			t.Errorf("%s: %v, %v", s, a, err)
		}
	}
	for _, s := range []string{"", "unix:", "/run/x", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:+1", "example.com:80", "unix:" + strings.Repeat("x", 200), "[::1:80"} {
		if a, err := ParseAddress(s); err == nil {
			t.Errorf("%q: %v, want an error", s, a)
		}
	}
}

func TestNotADaemon(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }))
	defer s.Close()
	a, _ := ParseAddress(strings.TrimPrefix(s.URL, "http://"))
	if _, err := NewClient(a).Daemon(); err == nil || !strings.Contains(err.Error(), "not that of a minitcp daemon") {
		t.Error(err)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"unix:/run/x", "127.0.0.1:80", "[::1]:0", ":8077", "localhost:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a || a.IsDefault() {
			t.Errorf("%q is %q, then %v, %v", s, a, again, err)
		}
	})
}

// FuzzRequest makes requests with any path, query, Host and Origin.
func FuzzRequest(f *testing.F) {
	s := newStack(f)
	m := newMonitor(f, s)
	client, _ := connect(f, s)
	h := m.handler(false)
	f.Add("GET", "/api/connections", "filter=dst+10.77.0.2", "localhost", "")
	f.Add("POST", "/api/kill", "local=10.77.0.2:80&remote=10.77.0.2:1", "127.0.0.1:1", "http://127.0.0.1:1")
	f.Add("GET", "/metrics", "", "[::1]", "null")
	f.Fuzz(func(t *testing.T, method, path, query, host, origin string) {
		if path == "/api/events" {
			return // a stream without end
		}
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Host: host, Header: http.Header{}}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if client.State() != conn.Established {
			t.Error("a request without the header has ended a connection")
		}
	})
}
