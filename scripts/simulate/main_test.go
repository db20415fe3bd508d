package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/conn/conntest"
	"minitcp/conn/wire"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		stdout []string // in this order
		stderr string
	}{
		{"--seeds 20 --from 100", 0, []string{"20 scenarios, 0 of them broke a rule"}, ""},
		{"--replay 13", 0, []string{"seed 13: ", "#1  a 192.0.2.1:10000", "SYN-SENT |--- SYN", "ESTABLISHED |<-- SYN,ACK", "| FIN-WAIT-1", "LAST-ACK |---", "| TIME-WAIT"}, ""},
		{"--gvisor --seeds 50", 0, []string{"50 scenarios, 0 of them broke a rule", " excused: gVisor"}, ""},
		{"--gvisor --replay 5", 0, []string{"seed 5: ", "is gVisor", "SYN-SENT |--- SYN"}, ""},
		{"--seed 3", 2, nil, "--seed"},
		{"--seeds many", 2, nil, "many"},
		{"3", 2, nil, `unexpected argument "3"`},
		{"--help", 0, nil, "--replay"},
	} {
		var stdout, stderr strings.Builder
		if status := run(strings.Fields(c.args), &stdout, &stderr); status != c.status {
			t.Errorf("%s: status %d, want %d", c.args, status, c.status)
		}
		if !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%s: %q does not contain %q", c.args, stderr.String(), c.stderr)
		}
		rest := stdout.String()
		for _, want := range c.stdout {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("%s: %q is missing in\n%.2000s", c.args, want, stdout.String())
			}
			rest = after
		}
	}
}

// TestFailures checks that a broken rule and a panic are printed with the scenario and the command that replays it, and
// that the other scenarios are played.
func TestFailures(t *testing.T) {
	var b strings.Builder
	dir := filepath.Join(t.TempDir(), "records")
	packets, n := playAll(5, 10, conntest.Draw, func(s conntest.Scenario) (int, error) {
		switch s.Seed {
		case 7:
			return 3, errors.New("a: stalls")
		case 9:
			panic("at nothing")
		}
		return 10, nil
	}, &recorder{dir: dir, left: 1}, &b)
	if n != 2 || packets != 83 {
		t.Errorf("%d failed, of %d packets; want 2 of 83", n, packets)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("recorded %v, %v; want the ladder and the packets of one scenario", files, err)
	}
	for _, want := range []string{"a: stalls\nseed 7: ", "\nrecorded in " + dir, "simulate --replay 7\n", "panic: at nothing\n", "simulate --replay 9\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &b)
		}
	}
}

// TestReplay checks that a seed always gives the same ladder.
func TestReplay(t *testing.T) {
	var first, second strings.Builder
	draw(conntest.Draw(11), &first)
	draw(conntest.Draw(11), &second)
	if first.String() != second.String() || strings.Count(first.String(), "\n") < 10 {
		t.Errorf("ladders of %d and %d bytes, want equal ones of 10 lines or more", first.Len(), second.Len())
	}
}

// TestRecord checks the files of a record: the ladder, and the packets of both ends with valid checksums.
func TestRecord(t *testing.T) {
	for seed := range uint64(20) { // both versions of IP, superframes, several flows
		s, dir := conntest.Draw(seed), t.TempDir()
		r := &recorder{dir: dir, left: 1}
		name := filepath.Join(dir, fmt.Sprintf("seed-%d", seed))
		if got, want := r.record(s), fmt.Sprintf("recorded in %s.txt and %[1]s.pcapng\n", name); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		var want strings.Builder
		draw(s, &want)
		if got, err := os.ReadFile(name + ".txt"); err != nil || string(got) != want.String() {
			t.Errorf("seed %d: a ladder of %d bytes, %v; want %d", seed, len(got), err, want.Len())
		}
		checkPackets(t, name+".pcapng", s)
	}
}

// checkPackets checks that a capture is of a scenario: it begins with the SYN of the first flow, has packets in both
// directions, and every checksum of a packet is valid.
func checkPackets(t *testing.T, name string, s conntest.Scenario) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	packets, fromB := 0, 0
	for ; ; packets++ {
		b, _, err := in.ReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var ip wire.IP
		var h wire.TCP
		segment, err := wire.ParseIP(b, &ip)
		if err != nil || !wire.VerifyTCP(&ip, segment) {
			t.Fatalf("seed %d, packet %d: %v, or a wrong checksum", s.Seed, packets, err)
		}
		if _, err := wire.ParseTCP(segment, &h); err != nil {
			t.Fatalf("seed %d, packet %d: %v", s.Seed, packets, err)
		}
		if packets == 0 && (h.SrcPort != firstPort || !h.Flags.Has(wire.SYN)) {
			t.Errorf("seed %d: the first packet is %v from port %d", s.Seed, h.Flags, h.SrcPort)
		}
		if h.SrcPort == servicePort {
			fromB++
		}
	}
	if fromB == 0 || fromB == packets {
		t.Errorf("seed %d: %d packets of %d are from the end that listens", s.Seed, fromB, packets)
	}
}
