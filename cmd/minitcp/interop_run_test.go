//go:build linux

package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/quic"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/tun"
)

// The tests in this file run minitcp run in a namespace that stands for the host. Its loopback device has the addresses
// of forwardFamilies, on which the servers of the tests listen.

// runHost is a namespace that stands for the host of minitcp run.
type runHost struct {
	*tun.Namespace
	self string // minitcp, for every user
}

// runUsers are the users that run must work for.
var runUsers = []struct {
	name string
	user string // that setpriv changes to; "" for none
}{{"root", ""}, {"unprivileged", "--reuid=65534 --regid=65534 --clear-groups"}}

func newRunHost(t *testing.T) *runHost {
	t.Helper()
	h := &runHost{newNamespace(t), publicProgram(t)}
	for _, f := range forwardFamilies {
		command(t, h.Namespace, "ip address add "+f.live+"/"+map[bool]string{true: "32", false: "128"}[strings.Contains(f.live, ".")]+" dev lo")
	}
	return h
}

// run returns a command that runs minitcp run with arguments as a user, in the namespace of the host, in which
// /dev/net/tun is open to all users.
func (h *runHost) run(t *testing.T, user string, args ...string) *exec.Cmd {
	t.Helper()
	return h.runAfter(t, ":", user, args...)
}

// runAfter acts like run after shell code that root runs in the mount namespace of the command.
func (h *runHost) runAfter(t *testing.T, code, user string, args ...string) *exec.Cmd {
	t.Helper()
	if user != "" {
		requireUserNamespaces(t)
		user = "setpriv " + user
	}
	return h.runAs(t, code, user, args...)
}

// runAs acts like runAfter with the command that changes to the user, and runs its arguments.
func (h *runHost) runAs(t *testing.T, code, become string, args ...string) *exec.Cmd {
	t.Helper()
	const device = `set -e; mount -t tmpfs -o mode=755 none /dev/net; mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun; `
	line := append(in(h.Name()), "unshare", "--mount", "sh", "-c", device+code+"; exec "+become+` "$@"`, "sh", h.self, "run")
	line = append(line, args...)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	// The race detector makes a process sleep for a second at its end, for threads that report races late.
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Dir = "/"
	return cmd
}

// requireUserNamespaces ends a test where an unprivileged user may not make user namespaces.
func requireUserNamespaces(t *testing.T) {
	t.Helper()
	err := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--user", "--net", "--mount", "--pid", "--fork", "true").Run()
	if err != nil {
		testenv.NotTested(t, "user namespaces for unprivileged users")
	}
}

// Run exits with the status of its command, or with that of shells for a command that does not run.
func TestRunStatus(t *testing.T) {
	h := newRunHost(t)
	script := filepath.Join(filepath.Dir(h.self), "script")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(filepath.Dir(h.self), "plain")
	if err := os.WriteFile(plain, []byte("exit $1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, u := range runUsers {
		for _, test := range []struct {
			command []string
			status  int
			line    []string // of stderr; nil for no output
		}{
			{[]string{"true"}, 0, nil},
			{[]string{"sh", "-c", "exit 7"}, 7, nil},
			{[]string{"sh", "-c", "exit 255"}, 255, nil},
			{[]string{"sh", "-c", "kill -KILL $$"}, 137, nil},
			{[]string{"sh", "-c", "kill -TERM $$"}, 143, nil},
			{[]string{"sh", "-c", "sleep 1000 & exit 3"}, 3, nil},
			{[]string{plain, "9"}, 9, nil}, // a script without an interpreter
			{[]string{"no-such-command"}, 127, []string{"no-such-command", "not found"}},
			{[]string{"/no/such/command"}, 127, []string{"/no/such/command", "no such file"}},
			{[]string{"/etc/passwd"}, 126, []string{"/etc/passwd", "permission denied"}},
			{[]string{"/etc"}, 126, []string{"/etc", "directory"}},
			{[]string{script}, 127, []string{script, "no such file"}},
		} {
			t.Run(u.name+" "+strings.Join(test.command, " "), func(t *testing.T) {
				r := finish(t, h.run(t, u.user, append([]string{"--"}, test.command...)...))
				if r.status != test.status || r.out != "" {
					t.Errorf("status %d, want %d; it wrote %q", r.status, test.status, r.out)
				}
				if test.line != nil {
					checkLine(t, r.errOut, test.line...)
				} else if r.errOut != "" {
					t.Errorf("it wrote %q to stderr", r.errOut)
				}
			})
		}
	}
}

// The command has the streams, the environment, the working directory, the user, the descriptors, the umask and the
// signals of the caller.
func TestRunInherits(t *testing.T) {
	h := newRunHost(t)
	for _, u := range runUsers {
		t.Run(u.name, func(t *testing.T) {
			const inspect = `cat; pwd; echo "$GREETING"; id -u; id -g; umask; cat <&3; cat <&9; grep SigIgn /proc/self/status; echo problem >&2`
			line := []string{"sh", "-c", `umask 027; trap "" HUP; exec "$@" 3</etc/hostname 9</etc/hostname`, "sh"}
			cmd := h.run(t, u.user, "--", "sh", "-c", inspect)
			cmd.Args = append(line, cmd.Args...)
			cmd.Path = "/bin/sh"
			cmd.Stdin = strings.NewReader("input\n")
			cmd.Env = append(cmd.Env, "GREETING=hello world")
			cmd.Dir = "/usr"
			id := "0"
			if u.user != "" {
				id = "65534"
			}
			name := readFile(t, "/etc/hostname")
			ignored := fmt.Sprintf("SigIgn:\t%016x\n", 1<<(syscall.SIGHUP-1))
			want := "input\n/usr\nhello world\n" + id + "\n" + id + "\n0027\n" + name + name + ignored
			if r := finish(t, cmd); r.status != 0 || r.out != want || r.errOut != "problem\n" {
				t.Errorf("status %d, stdout %q, want %q; stderr %q", r.status, r.out, want, r.errOut)
			}
		})
	}
}

// serveHTTP starts a web server of the host's kernel, which serves text. It returns the port.
func (h *runHost) serveHTTP(t *testing.T, address, text string) string {
	t.Helper()
	l := h.listen(t, address)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// listen returns a listener of the host's kernel on a free port.
func (h *runHost) listen(t *testing.T, address string) (l net.Listener) {
	t.Helper()
	err := h.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(address, "0"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Programs reach servers of the host's network: curl, nc, and a Go program without the C library.
func TestRunPrograms(t *testing.T) {
	h := newRunHost(t)
	static := staticProgram(t, filepath.Dir(h.self))
	for _, f := range forwardFamilies {
		port := h.serveHTTP(t, f.live, "hello from the host")
		url := "http://" + net.JoinHostPort(f.live, port) + "/"
		for _, u := range runUsers {
			for name, line := range map[string][]string{
				"curl":   {"curl", "-gsS", url},
				"nc":     {"sh", "-c", `printf 'GET / HTTP/1.0\r\n\r\n' | nc.openbsd -N "$0" "$1"`, f.live, port},
				"static": {static, url},
			} {
				t.Run(f.name+" "+u.name+" "+name, func(t *testing.T) {
					r := finish(t, h.run(t, u.user, append([]string{"--"}, line...)...))
					if r.status != 0 || !strings.HasSuffix(r.out, "hello from the host") || r.errOut != "" {
						t.Errorf("%+v", r)
					}
				})
			}
		}
	}
}

// staticProgram builds the program testdata/client without the C library.
func staticProgram(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "client")
	build := exec.Command("go", "build", "-o", program, "./testdata/client")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// Bulk arrives unchanged: many downloads at once, a clone with git, and a stream of QUIC.
func TestRunBulk(t *testing.T) {
	h := newRunHost(t)
	requirePrograms(t, map[string]string{"git": "git", "sha256sum": "coreutils"})
	const size = 10 << 20
	data := noiseBytes(t, 1, size)
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	dir := t.TempDir()
	repository := filepath.Join(dir, "repository")
	git := fmt.Sprintf(`set -e; git init -q %[1]s; cd %[1]s; cp %[2]s/file .; git add .; git -c user.name=test -c user.email=test@test commit -q -m first; git update-server-info`, repository, dir)
	if err := os.WriteFile(filepath.Join(dir, "file"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", git).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := h.listen(t, "198.18.0.1")
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	url := "http://" + l.Addr().String()
	const downloads = 20
	client := staticProgram(t, filepath.Dir(h.self))
	quicAddress := h.serveQUIC(t, data)
	for _, u := range runUsers {
		for _, test := range []struct {
			name, script string
			want         string
		}{
			{"downloads", fmt.Sprintf(`for i in $(seq %d); do curl -sS %s/file | sha256sum & done; wait`, downloads, url), strings.Repeat(sum+"  -\n", downloads)},
			{"git", fmt.Sprintf(`d=$(mktemp -d); git clone -q %s/repository/.git $d; sha256sum <$d/file; rm -rf $d`, url), sum + "  -\n"},
			{"quic", client + " quic://" + quicAddress + " | sha256sum", sum + "  -\n"},
		} {
			t.Run(u.name+" "+test.name, func(t *testing.T) {
				cmd := h.run(t, u.user, "--", "sh", "-c", test.script)
				cmd.Env = append(cmd.Env, "HOME=/")
				if r := finish(t, cmd); r.status != 0 || r.out != test.want || r.errOut != "" {
					t.Errorf("%+v, want %q", r, test.want)
				}
			})
		}
	}
}

// serveQUIC starts a QUIC server of the host, which sends data on a stream of each connection. It returns the address.
func (h *runHost) serveQUIC(t *testing.T, data []byte) string {
	t.Helper()
	socket := h.listenUDP(t, "198.18.0.1:0")
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, &template, &template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	e, err := quic.NewEndpoint(socket, &quic.Config{TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}, MinVersion: tls.VersionTLS13,
	}})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for c, err := e.Accept(t.Context()); err == nil; c, err = e.Accept(t.Context()) {
			go func() {
				if s, err := c.NewSendOnlyStream(t.Context()); err == nil {
					s.Write(data)
					s.Close()
				}
			}()
		}
	}()
	return socket.LocalAddr().String()
}

// Minitcp serves a page inside, and draws the connection.
func TestRunTrace(t *testing.T) {
	h := newRunHost(t)
	for _, u := range runUsers {
		for _, url := range []string{"http://10.77.0.2/", "http://[fd77::2]/"} {
			r := finish(t, h.run(t, u.user, "--trace", "-", "--", "curl", "-gs", url))
			if r.status != 0 || !strings.Contains(r.out, "ESTABLISHED") || !strings.Contains(r.errOut, "SYN,ACK seq 0 ack 1") {
				t.Errorf("%s, %s: %+v", u.name, url, r)
			}
		}
	}
}

// The first commands of the README work, for every user.
func TestReadmeRun(t *testing.T) {
	h := newRunHost(t)
	const prefix = "    go run ./cmd/minitcp run "
	lines := 0
	for line := range strings.Lines(readFile(t, "../../README.md")) {
		args, ok := strings.CutPrefix(line, prefix)
		if !ok {
			continue
		}
		lines++
		for _, u := range runUsers {
			r := finish(t, h.run(t, u.user, strings.Fields(args)...))
			if r.status != 0 || !strings.Contains(r.out, "state") || !strings.Contains(r.errOut, "SYN,ACK seq 0 ack 1") {
				t.Errorf("%s: %s: %+v", u.name, strings.TrimSpace(line), r)
			}
		}
	}
	if lines < 2 {
		t.Errorf("the README has %d lines that begin with %q, want 2", lines, prefix)
	}
}

// Data that a command has written arrives although the command has ended.
func TestRunDrains(t *testing.T) {
	h := newRunHost(t)
	l := h.listen(t, "198.18.0.1")
	const size = 1 << 20
	received := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		received <- n
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	send := fmt.Sprintf(`exec 3<>/dev/tcp/198.18.0.1/%s; head -c %d /dev/zero >&3`, port, size)
	if r := finish(t, h.run(t, "", "--", "bash", "-c", send)); r.status != 0 || r.errOut != "" {
		t.Errorf("%+v", r)
	}
	select {
	case n := <-received:
		if n != size {
			t.Errorf("%d bytes have arrived, want %d", n, size)
		}
	case <-time.After(patience):
		t.Error("the connection has no end")
	}
}

// In a container with a masked /proc, the command sees the processes of the container. It has IPv6 although /proc/sys
// is read-only, and IPv4 alone if the mask hides IPv6.
func TestRunMaskedProc(t *testing.T) {
	h := newRunHost(t)
	one := strings.TrimSpace(readFile(t, "/proc/1/comm"))
	for _, test := range []struct{ name, mask, families string }{
		{"read-only", "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys", "IPv4 IPv6"},
		{"hidden", "mount -t tmpfs none /proc/sys", "IPv4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const inspect = `curl -sS http://10.77.0.2/ | head -n 1; cat /proc/self/comm /proc/1/comm; f=IPv4; curl -gsS "http://[fd77::2]/" >&2 && f="IPv4 IPv6"; echo $f`
			r := finish(t, h.runAfter(t, test.mask, runUsers[1].user, "--", "sh", "-c", inspect))
			want := []string{"cat", one, test.families, ""}
			if lines := strings.Split(r.out, "\n"); r.status != 0 || !strings.HasPrefix(r.out, "minitcp") || !slices.Equal(lines[1:], want) {
				t.Errorf("%+v, want %q", r, want)
			}
		})
	}
}

// The error of a system that forbids the sandbox names the reason, and nothing runs.
func TestRunForbidden(t *testing.T) {
	h := newRunHost(t)
	inUserNamespace := func(setting string) string {
		return `unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/` + setting + `; exec setpriv --bounding-set=-net_admin "$@"' sh`
	}
	for _, test := range []struct {
		name, code, become string
		want               []string
	}{
		{"no driver", "rm /dev/net/tun", "setpriv " + runUsers[1].user, []string{"/dev/net/tun", "missing", "modprobe tun"}},
		{"no driver for root", "rm /dev/net/tun", "", []string{"/dev/net/tun", "missing", "modprobe tun"}},
		{"no right to the driver", "chmod 600 /dev/net/tun", "setpriv " + runUsers[1].user, []string{"/dev/net/tun", "no permission", "chmod 666"}},
		{"no user namespaces", ":", inUserNamespace("max_user_namespaces"), []string{"max_user_namespaces is 0", "run as root", "sysctl -w user.max_user_namespaces"}},
		{"no network namespaces", ":", inUserNamespace("max_net_namespaces"), []string{"max_net_namespaces is 0", "sysctl -w user.max_net_namespaces"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			requireUserNamespaces(t)
			r := finish(t, h.runAs(t, test.code, test.become, "--", "echo", "it has run"))
			if r.status != exitFailure || r.out != "" {
				t.Errorf("status %d, it wrote %q", r.status, r.out)
			}
			checkLine(t, r.errOut, test.want...)
		})
	}
}
