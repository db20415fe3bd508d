//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/cmd/minitcp/internal/control"
	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// offered is serve's services at one end of a link in memory, and a stack at the other.
type offered struct {
	t              *testing.T
	client, server *stack.Stack
	services       *services
	log            bytes.Buffer
}

// offerServices starts services, with uploads of up to 1 MB if --upload is among them, in a bubble of testing/synctest:
// their waiting takes no time, and when the test ends no goroutine of theirs may be left.
func offerServices(t *testing.T, listen ...string) *offered {
	t.Helper()
	o := &offered{t: t}
	a, b := stacktest.Pipe(1500)
	o.client = newStack(t, a, "10.77.0.1/24", "fd77::1/64")
	o.server = newStack(t, b, "10.77.0.2/24", "fd77::2/64")
	options := &serveOptions{}
	for _, l := range listen {
		if l == "--upload" {
			options.upload = uploadFlags{allowed: true, limit: 1}
			continue
		}
		if err := options.listen.Set(l); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	monitor := control.New(o.server, control.Options{Finished: log})
	t.Cleanup(func() { monitor.Close() })
	var err error
	o.services, err = options.offer(o.server, monitor, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.services.stopping.Store(true)
		if err := errors.Join(o.server.Close(), o.client.Close()); err != nil {
			t.Error(err)
		}
		o.services.close()
	})
	return o
}

func newStack(t *testing.T, device stack.Device, addresses ...string) *stack.Stack {
	t.Helper()
	var prefixes []netip.Prefix
	for _, a := range addresses {
		prefixes = append(prefixes, netip.MustParsePrefix(a))
	}
	s, err := stack.New(device, stack.Config{Addresses: prefixes})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (o *offered) dial(address string) *stack.Conn {
	o.t.Helper()
	c, err := o.client.Dial("tcp", address)
	if err != nil {
		o.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*stack.Conn)
}

func (o *offered) httpClient() *http.Client {
	transport := &http.Transport{DialContext: o.client.DialContext}
	o.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// bothFamilies runs a test over IPv4 and over IPv6, each in a bubble.
func bothFamilies(t *testing.T, f func(t *testing.T, host string)) {
	for _, host := range []string{"10.77.0.2", "[fd77::2]"} {
		t.Run(host, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, host) })
		})
	}
}

func TestEcho(t *testing.T) {
	bothFamilies(t, func(t *testing.T, host string) {
		o := offerServices(t, "7=echo")
		c := o.dial(host + ":7")
		defer c.Close()
		want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		go func() {
			c.Write(want)
			c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back, %v; want the %d sent", len(got), err, len(want))
		}
	})
}

func TestDiscard(t *testing.T) {
	bothFamilies(t, func(t *testing.T, host string) {
		c := offerServices(t, "9=discard").dial(host + ":9")
		defer c.Close()
		if _, err := c.Write(make([]byte, 5<<20)); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); len(got) != 0 || err != nil {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		synctest.Wait()
		if n := c.Info().InFlight; n != 0 {
			t.Errorf("%d bytes are not acknowledged", n)
		}
	})
}

func TestDaytime(t *testing.T) {
	bothFamilies(t, func(t *testing.T, host string) {
		c := offerServices(t, "13=daytime").dial(host + ":13")
		defer c.Close()
		if _, err := io.WriteString(c, "discarded data"); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		line, ok := strings.CutSuffix(string(got), "\r\n")
		when, parseErr := time.Parse(time.RFC1123Z, line)
		if !ok || parseErr != nil || !when.Equal(time.Now().Truncate(time.Second)) {
			t.Errorf("%q is not the time", got)
		}
	})
}

func TestChargen(t *testing.T) {
	bothFamilies(t, func(t *testing.T, host string) {
		c := offerServices(t, "19=chargen").dial(host + ":19")
		defer c.Close()
		if err := c.CloseWrite(); err != nil { // one may half-close and go on reading
			t.Fatal(err)
		}
		got := make([]byte, 2*95*74)
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(got), "\r\n")
		if first := ` !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_` + "`abcdefg\r\n"; lines[0] != first {
			t.Errorf("first line %q, want %q", lines[0], first)
		}
		for i, line := range lines[:2*95] {
			if len(line) != 74 || line[0] != byte(' '+i%95) {
				t.Fatalf("line %d is %q", i, line)
			}
		}
	})
}

// RFC 864 ends with the connection: a service that writes for ever must notice.
func TestChargenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offerServices(t, "19=chargen")
		c := o.dial("10.77.0.2:19")
		if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		synctest.Wait()
		if list := o.server.Connections(); len(list) != 0 {
			t.Errorf("still there: %+v", list)
		}
	})
}

// The page names every option and extension that a handshake can agree on.
func TestAgreed(t *testing.T) {
	for _, test := range []struct {
		info conn.Info
		want string
	}{
		{conn.Info{}, ""},
		{conn.Info{Timestamps: true, SACK: true, SendScale: 10, ReceiveScale: 8, ECN: true}, "timestamps, SACK, window scale 10 and 8, ECN"},
		{conn.Info{ECN: true, AccECN: accecn.Info{Agreed: true}, SYNData: true}, "Accurate ECN, Fast Open"},
	} {
		if got := agreed(test.info); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestHTTP(t *testing.T) {
	bothFamilies(t, func(t *testing.T, host string) {
		o := offerServices(t, "80=http")
		client := o.httpClient()
		get := func(method, path, accept string) (*http.Response, string) {
			request, err := http.NewRequest(method, "http://"+host+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept", accept)
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response, string(body)
		}
		response, body := get("GET", "/", "*/*")
		if response.StatusCode != 200 || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%v", response)
		}
		for _, want := range []string{
			`(?m)^state +ESTABLISHED$`, `(?m)^minitcp's end +` + regexp.QuoteMeta(host) + `:80$`, `(?m)^round-trip time `,
			`(?m)^path MTU +1500 bytes \(device\)$`, `(?m)^your receive window +\d+ bytes$`, `(?m)^negotiated options +timestamps, SACK, window scale`,
		} {
			if !regexp.MustCompile(want).MatchString(body) {
				t.Errorf("no line like %s in\n%s", want, body)
			}
		}
		response, body = get("GET", "/", "text/html,*/*")
		if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, `src="page.js"`) {
			t.Errorf("%v\n%s", response, body)
		}
		if response, body = get("GET", "/api/connection", "*/*"); response.StatusCode != 200 || !strings.Contains(body, `"state":"ESTABLISHED"`) {
			t.Errorf("/api/connection: %v, %s", response.Status, body)
		}
		for _, path := range []string{"/else", "/api/connections", "/metrics"} {
			if response, _ = get("GET", path, "*/*"); response.StatusCode != 404 {
				t.Errorf("%s: %v", path, response.Status)
			}
		}
		if response, _ = get("POST", "/", "*/*"); response.StatusCode != 405 || response.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: %v", response.Status)
		}
	})
}

// The page's stream of events ends when the daemon stops, and does not delay it.
func TestHTTPEvents(t *testing.T) {
	bothFamilies(t, func(t *testing.T, host string) {
		o := offerServices(t, "80=http")
		response, err := o.httpClient().Get("http://" + host + "/api/events")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for range 3 {
			if !lines.Scan() || !strings.HasPrefix(lines.Text(), `data: {"tick":`) || !strings.Contains(lines.Text(), `"state":"ESTABLISHED"`) || !lines.Scan() {
				t.Fatalf("%q, %v; want a tick", lines.Text(), lines.Err())
			}
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), shutdownTimeout)
		defer cancel()
		o.services.shutdown(ctx)
		if d := time.Since(begin); d > time.Second {
			t.Errorf("shutdown took %v", d)
		}
	})
}

// fileServer offers a directory, beside which there is a file that is not served.
func fileServer(t *testing.T, flags ...string) (o *offered, dir string) {
	t.Helper()
	above := t.TempDir()
	dir = filepath.Join(above, "dir")
	for name, content := range map[string]string{"secret": "secret", "dir/a": "content of a", "dir/sub/b": "content of b",
		"dir/.hidden": "hidden", "dir/.git/config": "hidden"} {
		path := filepath.Join(above, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out": "../secret", "outdir": "..", "in": "a", "absolute": "/", "loop": "loop", "gitdir": ".git"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	return offerServices(t, append(flags, "80=files:"+dir)...), dir
}

// request sends a request with exactly this path, which http.Client would clean up, and returns status and body.
func (o *offered) request(method, path, body string) (int, string) {
	o.t.Helper()
	c := o.dial("10.77.0.2:80")
	defer c.Close()
	head := fmt.Sprintf("%s %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n", method, path, len(body))
	if _, err := io.WriteString(c, head+body); err != nil {
		o.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		o.t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func TestFilesDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, dir := fileServer(t)
		for _, test := range []struct {
			path   string
			status int
			body   string
		}{
			{"/a", 200, "content of a"},
			{"/sub/b", 200, "content of b"},
			{"/in", 200, "content of a"},
			{"/none", 404, ""},
			{"/../secret", 0, ""},
			{"/sub/../../secret", 0, ""},
			{"/%2e%2e/secret", 0, ""},
			{"/out", 403, ""},
			{"/outdir/secret", 403, ""},
			{"/outdir/none", 403, ""},
			{"/absolute", 403, ""},
			{"/loop", 403, ""},
			{"/fifo", 403, ""},
			{"/.hidden", 404, ""},
			{"/.git/config", 404, ""},
			{"/.git/", 404, ""},
			{"/sub/..hidden", 404, ""},
			{"/a/b", 404, ""},
			{"/%00", 404, ""},
			{"/" + strings.Repeat("n", 300), 404, ""},
		} {
			status, body := o.request("GET", test.path, "")
			if test.status != 0 && (status != test.status || test.body != "" && body != test.body) {
				t.Errorf("%s: %d %q, want %d %q", test.path, status, body, test.status, test.body)
			}
			if test.status == 0 && (status < 300 || strings.Contains(body, "secret\n") || body == "secret") {
				t.Errorf("%s: %d %q, want it to be refused", test.path, status, body)
			}
		}
		for _, method := range []string{"DELETE", "PUT"} {
			if status, _ := o.request(method, "/a", "new"); status != 405 {
				t.Errorf("%s without --upload: %d, want 405", method, status)
			}
		}
		if got, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(got) != "content of a" {
			t.Errorf("a holds %q, %v after a PUT without --upload", got, err)
		}
		if status, body := o.request("GET", "/", ""); status != 200 || !strings.Contains(body, "sub/") || strings.Contains(body, "hidden") || strings.Contains(body, ">.git") {
			t.Errorf("the list of names is %d %q; want no hidden one", status, body)
		}
	})
}

func TestFilesUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, dir := fileServer(t, "--upload")
		for _, test := range []struct {
			path   string
			status int
			file   string
		}{
			{"/new", 201, "new"},
			{"/a", 204, "a"},
			{"/sub/new", 201, "sub/new"},
			{"/", 400, ""},
			{"/sub", 409, ""},
			{"/sub/", 400, ""},
			{"/%00", 400, ""},
			{"/" + strings.Repeat("n", 300), 400, ""},
			{"/nosub/new", 409, ""},
			{"/../secret", 400, ""},
			{"/%2e%2e/secret", 400, ""},
			{"/out", 403, ""},
			{"/outdir/secret", 403, ""},
			{"/outdir/new", 403, ""},
			{"/in", 403, ""},
			{"/gitdir/config", 403, ""},
			{"/fifo", 409, ""},
			{"/.hidden", 403, ""},
			{"/.new", 403, ""},
			{"/.git/config", 403, ""},
			{"/sub/.new", 403, ""},
			{"/a/b", 409, ""},
		} {
			content := "uploaded to " + test.path
			status, _ := o.request("PUT", test.path, content)
			if status != test.status {
				t.Errorf("%s: %d, want %d", test.path, status, test.status)
			}
			if test.file == "" {
				continue
			}
			if got, err := os.ReadFile(filepath.Join(dir, test.file)); err != nil || string(got) != content {
				t.Errorf("%s holds %q, %v", test.file, got, err)
			}
		}
		for _, name := range []string{".hidden", ".git/config"} {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != "hidden" {
				t.Errorf("%s holds %q, %v; want it unchanged", name, got, err)
			}
		}
		checkOutside(t, dir)
	})
}

// TestFilesUploadLimit checks that an upload above the limit is refused, with and without a Content-Length, and that
// one of the limit's size is stored.
func TestFilesUploadLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, dir := fileServer(t, "--upload")
		if status, _ := o.request("PUT", "/a", strings.Repeat("x", megabyte)); status != 204 {
			t.Errorf("an upload of 1 MB: status %d, want 204", status)
		}
		for name, head := range map[string]string{
			"with a length": fmt.Sprintf("Content-Length: %d\r\n\r\n", megabyte+1),
			"in chunks":     fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s", megabyte+1, strings.Repeat("x", megabyte+1)),
		} {
			c := o.dial("10.77.0.2:80")
			go io.WriteString(c, "PUT /sub/b HTTP/1.1\r\nHost: x\r\n"+head)
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || response.StatusCode != 413 {
				t.Errorf("an upload of 1 MB and 1 byte %s: %v, %v; want 413", name, response, err)
			}
			c.Close()
		}
		if got, err := os.ReadFile(filepath.Join(dir, "sub/b")); err != nil || string(got) != "content of b" {
			t.Errorf("sub/b holds %d bytes, %v; want it unchanged", len(got), err)
		}
		checkOutside(t, dir)
		time.Sleep(time.Minute) // package http closes such connections a while after its answer
	})
}

// TestFilesUploadTimeout checks that an upload ends 30 s after its last byte, and after an hour in any case.
func TestFilesUploadTimeout(t *testing.T) {
	for name, test := range map[string]struct{ every, want time.Duration }{
		"no byte":  {0, uploadPause},
		"trickles": {20 * time.Second, uploadTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, dir := fileServer(t, "--upload")
				c := o.dial("10.77.0.2:80")
				defer c.Close()
				c.SetDeadline(time.Time{})
				begin := time.Now()
				if _, err := io.WriteString(c, "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				go func() {
					for test.every > 0 {
						time.Sleep(test.every)
						if _, err := c.Write([]byte("x")); err != nil {
							return
						}
					}
				}()
				response, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || response.StatusCode != 408 || time.Since(begin).Round(time.Second) != test.want {
					t.Errorf("%v, %v after %v; want 408 after %v", response, err, time.Since(begin), test.want)
				}
				if got, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(got) != "content of a" {
					t.Errorf("a holds %q, %v; want it unchanged", got, err)
				}
				checkOutside(t, dir)
				c.Close()
				time.Sleep(time.Minute) // package http and the goroutine above end
			})
		})
	}
}

// An upload that breaks off leaves the old file, and nothing else.
func TestFilesUploadBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, dir := fileServer(t, "--upload")
		c := o.dial("10.77.0.2:80")
		if _, err := io.WriteString(c, "PUT /a HTTP/1.0\r\nContent-Length: 1000\r\n\r\nonly this"); err != nil {
			t.Fatal(err)
		}
		c.SetLinger(0)
		c.Close()
		synctest.Wait()
		if got, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(got) != "content of a" {
			t.Errorf("a holds %q, %v", got, err)
		}
		if !strings.Contains(o.log.String(), "upload failed") {
			t.Errorf("the log says only %q", o.log.String())
		}
		checkOutside(t, dir)
	})
}

// checkOutside checks that nothing was written outside of dir, and that no half a file was left anywhere.
func checkOutside(t *testing.T, dir string) {
	t.Helper()
	above := filepath.Dir(dir)
	if got, err := os.ReadFile(filepath.Join(above, "secret")); err != nil || string(got) != "secret" {
		t.Errorf("the file outside holds %q, %v", got, err)
	}
	if entries, err := os.ReadDir(above); err != nil || len(entries) != 2 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
	for _, pattern := range []string{dir + "/.minitcp-*", dir + "/*/.minitcp-*"} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) != 0 {
			t.Errorf("left over: %v, %v", left, err)
		}
	}
}

// When the device fails, serve hears of it.
func TestDeviceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, _ := stacktest.Pipe(1500)
		broken := &breakable{Device: device, broken: make(chan struct{})}
		s := newStack(t, broken, "10.77.0.2/24")
		defer s.Close()
		o := &serveOptions{listen: newListenList()}
		all, err := o.offer(s, control.New(s, control.Options{}), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		close(broken.broken)
		device.Close()
		if err := <-all.failed; !errors.Is(err, syscall.EIO) {
			t.Errorf("the services ended with %v, want the device's error", err)
		}
	})
}

// breakable is a device whose reads fail for another reason than Close.
type breakable struct {
	*stacktest.Device
	broken chan struct{}
}

func (d *breakable) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	n, err := d.Device.ReadBatch(frames, sizes)
	select {
	case <-d.broken:
		return 0, syscall.EIO
	default:
		return n, err
	}
}

// Services finish their work, and then their connections end with a FIN.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offerServices(t, "7=echo", "9=discard", "19=chargen", "80=http")
		echoes, discards, generates, web := o.dial("10.77.0.2:7"), o.dial("10.77.0.2:9"), o.dial("10.77.0.2:19"), o.dial("10.77.0.2:80")
		want := bytes.Repeat([]byte("x"), 4<<20) // more than the buffers hold
		go echoes.Write(want)
		synctest.Wait() // until every writer is blocked

		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			ctx, cancel := context.WithTimeout(t.Context(), shutdownTimeout)
			defer cancel()
			o.services.shutdown(ctx)
			if err := o.server.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}()
		synctest.Wait()
		if _, err := o.client.Dial("tcp", "10.77.0.2:9"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new connection during the shutdown: %v, want it refused", err)
		}
		for name, c := range map[string]*stack.Conn{"discard": discards, "http": web} {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("%s: read %d, %v; want the FIN", name, n, err)
			}
			c.Close()
		}
		if _, err := generates.WriteTo(io.Discard); err != nil {
			t.Errorf("chargen: %v, want the FIN", err)
		}
		generates.Close()
		// The bytes that the echo service had read come back, if they are read in time. The others are discarded.
		got, err := io.ReadAll(echoes)
		if err != nil || len(got) < 1<<20 || !bytes.Equal(got, want[:len(got)]) {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		echoes.Close()
		<-done
		if took := time.Since(start); took >= shutdownTimeout {
			t.Errorf("the shutdown took %v, with peers that behave", took)
		}
		select {
		case err := <-o.services.failed:
			t.Errorf("reported as a failure: %v", err)
		default:
		}
	})
}

// A peer that does nothing holds up the end no longer than it may.
func TestShutdownOfIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offerServices(t, "--upload", "7=echo", "80=files:"+t.TempDir())
		idle, upload := o.dial("10.77.0.2:7"), o.dial("10.77.0.2:80")
		defer idle.Close()
		defer upload.Close()
		if _, err := io.WriteString(upload, "PUT /x HTTP/1.0\r\nContent-Length: 10\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), shutdownTimeout)
		defer cancel()
		o.services.shutdown(ctx)
		if n, err := idle.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("read %d, %v; want the FIN", n, err)
		}
		if err := o.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want it to say that it gave up", err)
		}
		if took := time.Since(start); took != shutdownTimeout {
			t.Errorf("the shutdown took %v, want %v", took, shutdownTimeout)
		}
		if n, err := upload.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("read %d, %v; want the end of the connection", n, err)
		}
		if state := upload.State(); state != conn.Closed && state != conn.CloseWait {
			t.Errorf("the upload's connection is in %v", state)
		}
	})
}

// TestConnectionEndIsDebug checks that the end of a connection is one line at level debug, after the line of its begin.
func TestConnectionEndIsDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offerServices(t, "7=echo", "80=http")
		for _, address := range []string{"10.77.0.2:7", "[fd77::2]:80"} {
			c := o.dial(address)
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(c); err != nil {
				t.Fatal(err)
			}
			c.Close()
			synctest.Wait()
		}
		reset := o.dial("10.77.0.2:7")
		synctest.Wait() // the service has accepted it
		reset.SetLinger(0)
		reset.Close()
		synctest.Wait()
		var got []string
		for line := range strings.Lines(o.log.String()) {
			got = append(got, regexp.MustCompile(`level=\w+ msg="[^"]+"|cause=.*`).FindAllString(line, -1)...)
		}
		accepted, finished := `level=DEBUG msg="connection accepted"`, `level=DEBUG msg="connection finished"`
		want := []string{
			accepted, finished, "cause=closed",
			accepted, finished, "cause=closed",
			accepted, finished, `cause="connection reset by peer"`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q; the log is\n%s", got, want, o.log.String())
		}
	})
}

// TestShutdownOfIdleIsNoError checks that the log names no error for the idle connections that shutdown ends, and names
// the write deadline where data is lost.
func TestShutdownOfIdleIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := offerServices(t, "7=echo", "9=discard", "80=http")
		stuck := o.dial("10.77.0.2:7")
		defer stuck.Close()
		go stuck.Write(make([]byte, 16<<20)) // and never reads
		for _, address := range []string{"10.77.0.2:7", "[fd77::2]:7", "10.77.0.2:9", "10.77.0.2:80"} {
			c := o.dial(address)
			defer c.Close()
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), shutdownTimeout)
		defer cancel()
		o.services.shutdown(ctx)
		o.server.Shutdown(ctx)
		synctest.Wait() // no other goroutine writes the log
		unsent := 0
		for line := range strings.Lines(o.log.String()) {
			isStuck := strings.Contains(line, "remote="+stuck.LocalAddr().String())
			if strings.Contains(line, `msg="shutdown ended a connection before all data was sent"`) {
				unsent++
				if !isStuck {
					t.Errorf("the log has the line %q", line)
				}
			}
			if strings.Contains(line, "error=") {
				t.Errorf("the log has the line %q", line)
			}
		}
		if unsent != 1 {
			t.Errorf("%d lines for 1 connection whose data is lost:\n%s", unsent, o.log.String())
		}
		if n := strings.Count(o.log.String(), `msg="connection finished"`); n != 5 {
			t.Errorf("%d lines for 5 connections:\n%s", n, o.log.String())
		}
	})
}
