//go:build linux

package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// New connections use the MTU that the device has got after the start, unless the stack cannot use it.
func TestMTUChanges(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		start func(t *testing.T) (p *process, namespace, url string)
	}{
		{"serve", func(t *testing.T) (*process, string, string) {
			p, namespace := serve(t, "--listen", "80=http", "--trace", "-")
			return p, namespace, "http://10.77.0.2/"
		}},
		{"gateway", func(t *testing.T) (*process, string, string) {
			g, p := startGateway(t, "--trace", "-")
			l := g.listen(t, "198.18.0.1")
			go http.Serve(l, http.NotFoundHandler())
			return p, g.clients.Name(), "http://" + l.Addr().String() + "/"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, namespace, url := test.start(t)
			for _, step := range []struct{ mtu, logged, mss string }{
				{"1300", "msg=\"the MTU of the device has changed\" device=mini0 mtu=1300", "mss 1260"},
				{"1000", "level=ERROR msg=\"the device has an MTU that the stack cannot use; it keeps the one before\" device=mini0 mtu=1000", "mss 1260"},
				{"1400", "device=mini0 mtu=1400", "mss 1360"},
			} {
				if r := finish(t, tool(t, namespace, "ip", "link", "set", "mini0", "mtu", step.mtu)); r.status != 0 {
					t.Fatalf("ip link set: %s", r.errOut)
				}
				p.awaitErr(step.logged)
				before := len(p.out.String())
				if r := finish(t, tool(t, namespace, "curl", "-s", "-o", "/dev/null", url)); r.status != 0 {
					t.Errorf("curl with an MTU of %s: exit status %d", step.mtu, r.status)
				}
				var synAck string
				until(t, "the trace has a SYN-ACK", func() bool {
					_, rest, found := strings.Cut(p.out.String()[before:], "SYN,ACK")
					synAck, _, _ = strings.Cut(rest, "\n")
					return found && len(synAck) < len(rest)
				})
				if !strings.Contains(synAck, step.mss) {
					t.Errorf("with an MTU of %s: SYN,ACK%s, want %s", step.mtu, synAck, step.mss)
				}
			}
			if status := p.signal(syscall.SIGTERM); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
	}
}
