//go:build linux

package browser

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// inside is set in the environment of the process that runs in a network namespace of its own.
const inside = "MINITCP_BROWSER_NAMESPACE"

// TestMain runs the tests again in a new network namespace, which has the daemon, the browser and their traffic.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintln(os.Stderr, string(out), err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if missing := missing(); missing != "" {
		fmt.Printf("NOT TESTED: the page in a browser needs %s\n", missing)
		if os.Getenv("CI") != "" {
			os.Exit(1)
		}
		return
	}
	child := exec.Command(os.Args[0], os.Args[1:]...)
	child.Env = append(os.Environ(), inside+"=1")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if child.Run() != nil {
		os.Exit(1)
	}
}

// missing returns the requirements that this machine lacks.
func missing() string {
	var list []string
	if os.Getuid() != 0 {
		list = append(list, "root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		list = append(list, "/dev/net/tun")
	}
	for _, program := range []string{"chromium", "curl", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			list = append(list, program)
		}
	}
	return strings.Join(list, ", ")
}

// output collects the output of a process.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !condition(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not after 30 s: %s", what)
		}
	}
}

// run starts a program that is killed when the test ends.
func run(t *testing.T, line ...string) (*exec.Cmd, *output) {
	t.Helper()
	cmd, out := exec.Command(line[0], line[1:]...), new(output)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%q wrote:\n%s", line, out)
		}
	})
	return cmd, out
}

// serve builds and starts a daemon, and returns the address of its API.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "minitcp")
	build := exec.Command("go", "build", "-o", program, "./cmd/minitcp")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, out := run(t, append([]string{program, "serve", "--api", "127.0.0.1:0", "--log-level", "debug"}, args...)...)
	address := regexp.MustCompile(`msg=API address=(\S+)`)
	eventually(t, "the daemon serves", func() bool { return strings.Contains(out.String(), "Press ^C") })
	return address.FindStringSubmatch(out.String())[1]
}

// browser starts Chromium. An error in the page's script fails the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium"))
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	exceptions := chromedp.Events(ctx, runtime.ExceptionThrown)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range exceptions {
			if err != nil {
				return
			}
			t.Errorf("the page's script: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return ctx
}

type void = chromedp.Void

// do runs actions in the browser.
func do(t *testing.T, ctx context.Context, actions ...chromedp.Action[void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// value runs an action in the browser, and returns its value.
func value[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// await waits until an expression of the page is true.
func await(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Poll[void](expression)); err != nil {
		text, _ := chromedp.Run(ctx, chromedp.Text("body"))
		t.Fatalf("%s: %v; the page has\n%s", expression, err, text)
	}
}

// looks takes a picture of the page in each colour scheme, wide and 400 pixels wide, and checks that the page is not
// wider than the window.
func looks(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1200, 400} {
			do(t, ctx, prefers(scheme), chromedp.EmulateViewport(width, 900))
			if scroll := value(t, ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); scroll > width {
				t.Errorf("%s: the page is %d pixels wide in a window of %d", name, scroll, width)
			}
			background := value(t, ctx, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`))
			if (background == "rgb(255, 255, 255)") != (scheme == "light") {
				t.Errorf("%s: background %s in the scheme %s", name, background, scheme)
			}
			if dir := os.Getenv("SCREENSHOTS"); dir != "" {
				do(t, ctx, chromedp.Sleep(1200*time.Millisecond))
				picture := value(t, ctx, chromedp.FullScreenshot(100))
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, scheme, width)), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	do(t, ctx, chromedp.EmulateViewport(1200, 900))
}

// prefers sets the colour scheme that the user prefers.
func prefers(scheme string) chromedp.Action[void] {
	return func(ctx context.Context, target *chromedp.Target) (v void, err error) {
		_, err = cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return v, err
	}
}

// TestTableConnectionKill clicks from the table to a connection, and resets it.
func TestTableConnectionKill(t *testing.T) {
	api := serve(t)
	bulk, _ := run(t, "curl", "-s", "--http0.9", "--limit-rate", "4M", "-o", "/dev/null", "http://10.77.0.2:19/")
	idle, err := net.Dial("tcp", "10.77.0.2:7")
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate("http://"+api+"/"))
	await(t, ctx, `document.querySelectorAll("#connections tbody tr").length === 2`)
	await(t, ctx, `document.querySelector("#totals").textContent.includes("MB/s")`)
	looks(t, ctx, "table")

	const first = `document.querySelector("#connections tbody tr").cells[0].textContent`
	await(t, ctx, first+` === "10.77.0.2:19"`) // sorted by bytes sent
	do(t, ctx, chromedp.Click(`#connections th:nth-child(1) button`))
	await(t, ctx, `document.querySelector("#connections th").getAttribute("aria-sort") === "ascending"`)
	do(t, ctx, chromedp.Click(`#connections th:nth-child(1) button`))
	await(t, ctx, first+` === "10.77.0.2:7"`)

	filter(t, ctx, "sport = :19")
	await(t, ctx, `document.querySelectorAll("#connections tbody tr").length === 1 && `+first+` === "10.77.0.2:19"`)
	filter(t, ctx, "sport = :x")
	await(t, ctx, `document.querySelector("#status").textContent.includes('"x" is not a port')`)
	filter(t, ctx, "")
	await(t, ctx, `document.querySelectorAll("#connections tbody tr").length === 2`)

	do(t, ctx, chromedp.Click(`//a[starts-with(@href, "#local=10.77.0.2%3A19")]`))
	for _, drawn := range []string{"#sequence .data", "#sequence .ack", "#sequence .window", "#windows .cwnd", "#windows .flight", "#rtt .rtt", "#ladder .data"} {
		await(t, ctx, fmt.Sprintf(`(document.querySelector(%q)?.getAttribute("d") ?? "").length > 20`, drawn))
	}
	await(t, ctx, `document.querySelectorAll("#limits rect").length > 3`)
	await(t, ctx, `document.querySelector("#values").textContent.includes("congestion_window_bytes")`)
	if os.Getenv("SCREENSHOTS") != "" {
		do(t, ctx, chromedp.Sleep(8*time.Second))
	}
	looks(t, ctx, "connection")

	do(t, ctx, chromedp.Click("#kill"))
	await(t, ctx, `document.querySelector("#kill").textContent === "Sure?"`)
	do(t, ctx, chromedp.Click("#kill"))
	await(t, ctx, `document.querySelector("#status").textContent.includes("connection aborted, by local")`)
	if err := bulk.Wait(); err == nil {
		t.Error("curl has not noticed the reset")
	}
	do(t, ctx, chromedp.Click("#home"))
	await(t, ctx, `document.querySelector("#finished tbody").textContent.includes("connection aborted")`)
	await(t, ctx, `document.querySelectorAll("#connections tbody tr").length === 1`)
	looks(t, ctx, "after")
	do(t, ctx, chromedp.Click("#finished tbody a"))
	await(t, ctx, `document.querySelector("#values").textContent.includes("connection aborted") && !document.querySelector("#sequence").checkVisibility()`)
	looks(t, ctx, "finished")
	do(t, ctx, chromedp.Navigate("http://"+api+"/#finished=99"), chromedp.Reload())
	await(t, ctx, `document.querySelector("#status").textContent.includes("too long ago")`)
}

// TestLossyConnection looks at a connection that loses segments: those sent again and the SACK blocks are drawn.
func TestLossyConnection(t *testing.T) {
	api := serve(t, "--loss", "2%", "--delay", "20ms", "--rate", "20mbit")
	run(t, "curl", "-s", "--http0.9", "-o", "/dev/null", "http://10.77.0.2:19/")
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate("http://"+api+"/"), chromedp.Click(`//a[starts-with(@href, "#local=10.77.0.2%3A19")]`))
	for _, drawn := range []string{"#sequence .again", "#sequence .sack", "#windows .ssthresh", "#ladder .again"} {
		await(t, ctx, fmt.Sprintf(`(document.querySelector(%q)?.getAttribute("d") ?? "").length > 10`, drawn))
	}
	await(t, ctx, `document.querySelectorAll("#limits .congestion_window, #limits .pacing").length > 3`)
	looks(t, ctx, "lossy")
}

// filter enters a filter of the table.
func filter(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	do(t, ctx, chromedp.Evaluate[void](fmt.Sprintf(`document.querySelector("#filter").value = %q`, text)), chromedp.Click("#filter-form button"))
}

// TestOwnConnection opens serve's own page, which shows the connection that carries it, and nothing else.
func TestOwnConnection(t *testing.T) {
	serve(t)
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate("http://10.77.0.2/"))
	await(t, ctx, `document.querySelector("#connection-title").textContent.includes("it carries this page")`)
	await(t, ctx, `(document.querySelector("#sequence .data")?.getAttribute("d") ?? "").length > 100`)
	await(t, ctx, `document.querySelector("#kill").hidden && document.querySelector("#table-view").hidden`)
	looks(t, ctx, "own")
}
