//go:build linux

package subject

import "testing"

func TestParseSwitches(t *testing.T) {
	const status = "Name:\tbench\nThreads:\t9\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n"
	if n, err := parseSwitches(status); n != 150 || err != nil {
		t.Errorf("%d, %v; want 150", n, err)
	}
	if n, err := parseSwitches("Name:\tbench\nnonvoluntary_ctxt_switches:\t545\n"); err == nil {
		t.Errorf("without the line: %d and no error", n)
	}
}

// A forwarder and a server of the same name are two targets; the routed one has no process.
func TestFind(t *testing.T) {
	for argument, want := range map[string]Role{"minitcp": RoleServer, "forward-minitcp": RoleForwarder} {
		if target, ok := Find(argument); !ok || target.Name != "minitcp" || target.Role != want {
			t.Errorf("%s: %+v, %v", argument, target, ok)
		}
	}
	for _, argument := range []string{Routed, "forward-" + Routed, ""} {
		if target, ok := Find(argument); ok {
			t.Errorf("%q is the target %+v", argument, target)
		}
	}
}
