//go:build linux

package load

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"minitcp/bench/subject"
)

// The processes that hold idle connections are this test binary again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == BystandersCommand {
		os.Exit(BystandersMain(os.Args[2:]))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // each of them would wait a second, under -race
	os.Exit(m.Run())
}

// Bystanders are spread over several processes, which report their totals when they are stopped. A connection that is
// refused is an error.
func TestBystanders(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	ns := network(t, subject.PortHold, reply(func(b []byte) []byte { return b }))
	_, err := startBystanders(t.Context(), ns, loopback, 2, 2)
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the second's port, without a listener: %v", err)
	}
	for i := 1; i < subject.HoldPorts; i++ {
		serve(t, ns, subject.PortHold+i, reply(func(b []byte) []byte { return b }))
	}
	b, err := startBystanders(t.Context(), ns, loopback, 250, 100)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(b.processes); n != 3 {
		t.Errorf("%d processes, want 3", n)
	}
	total, err := b.Stop()
	if err != nil || total.Connections != 250 || total.Sent != 250 || total.Received != 250 {
		t.Errorf("%+v, %v", total, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("it takes too long")
	cancel(late)
	if _, err := startBystanders(ctx, ns, loopback, 1, 1); !errors.Is(err, late) {
		t.Errorf("too late: %v", err)
	}
}
