package minitcp_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Packages below stack that are layers of their own.
const (
	capture = "minitcp/stack/pcap"  // writes captures
	tunnel  = "minitcp/stack/wgnet" // WireGuard's device
)

// TestImports checks that every layer imports only itself and those below it, and that only tests, scripts and the
// benchmark depend on gVisor. The test support of a layer obeys the layer's rules.
func TestImports(t *testing.T) {
	for _, layer := range []struct {
		packages string
		may      []string // of this module
		mayNot   []string // directly or indirectly
	}{
		{"./conn/...", []string{"minitcp/conn"}, []string{"os", "net", "sync", "syscall"}},
		// A library writes the format of captures. Only package pcap may use it.
		{"./stack/...", []string{"minitcp/conn", "minitcp/stack"}, []string{"golang.org/x/sys/unix", "github.com", "gvisor.dev", "golang.zx2c4.com", capture, tunnel}},
		{"./stack/pcap/...", []string{"minitcp/conn", "minitcp/stack"}, []string{"gvisor.dev", "golang.zx2c4.com", tunnel}},
		// Programs alone import WireGuard's device.
		{"./stack/wgnet/...", []string{"minitcp/conn", "minitcp/stack"}, []string{"github.com", "gvisor.dev", capture}},
		{"./tun/...", []string{"minitcp/tun"}, []string{"gvisor.dev"}},
		{"./cmd/...", []string{"minitcp/conn", "minitcp/stack", "minitcp/tun", "minitcp/cmd"}, []string{"gvisor.dev"}},
	} {
		packages := list(t, layer.packages)
		if len(packages) == 0 {
			t.Errorf("%s: no packages", layer.packages)
		}
		for _, p := range packages {
			if layer.packages == "./stack/..." && (within(p.ImportPath, capture) || within(p.ImportPath, tunnel)) {
				continue // a layer of its own
			}
			for _, i := range p.Imports {
				if within(i, "minitcp") && !slices.ContainsFunc(layer.may, func(may string) bool { return within(i, may) }) {
					t.Errorf("%s imports %s: the arrow points up", p.ImportPath, i)
				}
			}
			all := p.Deps
			if layer.packages == "./conn/..." {
				all = p.Imports // the standard library may import anything
			}
			for _, i := range all {
				if slices.ContainsFunc(layer.mayNot, func(not string) bool { return within(i, not) && i != "net/netip" }) {
					t.Errorf("%s depends on %s", p.ImportPath, i)
				}
			}
		}
	}
}

func within(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func list(t *testing.T, pattern string) (packages []goPackage) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", pattern).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", pattern, err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
