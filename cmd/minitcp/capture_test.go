//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

func TestCaptureUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--pcap", "x", "--pcap-filter", "port http"}, []string{"--pcap-filter", `invalid port "http"`, "1 to 65535"}},
		{[]string{"--pcap", "x", "--pcap-filter", "net 10.0.0.0/8"}, []string{`"net"`, "'port 80'", "'host 10.77.0.1'"}},
		{[]string{"--pcap", "x", "--pcap-filter", ""}, []string{"empty"}},
		{[]string{"--pcap", "x", "--pcap-filter", "host localhost"}, []string{`invalid host "localhost"`}},
		{[]string{"--pcap", "-"}, []string{"--pcap -", "name a file"}},
		{[]string{"--pcap-filter", "port 80"}, []string{"--pcap FILE"}},
		{[]string{"--pcap-split"}, []string{"--pcap FILE"}},
		{[]string{"--pcap-size", "10"}, []string{"--pcap FILE"}},
		{[]string{"--pcap", "x", "--pcap-size", "-1"}, []string{"--pcap-size -1", "MB"}},
		{[]string{"--pcap", "x", "--pcap-size", "1000001"}, []string{"1000000 MB"}},
		{[]string{"--pcap", "x", "--pcap-size", "1", "--pcap-files", "0"}, []string{"--pcap-files 0"}},
		{[]string{"--pcap", "x", "--pcap-files", "3"}, []string{"--pcap-files 3", "--pcap-size"}},
	} {
		for _, command := range [][]string{{"serve"}, {"nc", "10.77.0.1", "80"}, {"demo"}} {
			r := call(append(command, test.args...)...)
			if r.status != exitUsage || r.out != "" {
				t.Errorf("%s %q: status %d, output %q; want status 2 and none", command[0], test.args, r.status, r.out)
			}
			checkLine(t, r.errOut, test.want...)
		}
	}
}

func TestCaptureFlags(t *testing.T) {
	var f captureFlags
	file := filepath.Join(t.TempDir(), "capture")
	parse(t, f.register, "--pcap", file, "--pcap-filter", "port 80 host fd77::1", "--pcap-filter=port 7", "--pcap-split", "--pcap-size=5", "--pcap-files=2")
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	if f.filter.String() != "(host fd77::1) and (tcp port 80 or tcp port 7)" {
		t.Errorf("filter %q", f.filter.String())
	}
	var stderr bytes.Buffer
	c, err := f.open("mini0", &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil || stderr.Len() != 0 {
		t.Errorf("%v, %q", err, stderr.String())
	}

	f = captureFlags{}
	parse(t, f.register)
	if c, err := f.open("mini0", &stderr); f.check() != nil || c != nil || err != nil || c.tap() != nil || c.close() != nil {
		t.Errorf("without --pcap: %v, %v", c, err)
	}
	f.file = filepath.Join(file, "no", "directory")
	if _, err := f.open("mini0", &stderr); err == nil || isUsage(err) || !strings.Contains(err.Error(), "--pcap: open "+f.file) ||
		!strings.Contains(err.Error(), "name a writable file") {
		t.Errorf("a file that cannot be made: %v", err)
	}
}

// Packets that did not get into the file are told of, and no failure.
func TestCaptureTellsOfGaps(t *testing.T) {
	var f captureFlags
	file := filepath.Join(t.TempDir(), "capture")
	parse(t, f.register, "--pcap", file)
	var stderr bytes.Buffer
	c, err := f.open("mini0", &stderr)
	if err != nil {
		t.Fatal(err)
	}
	// No queue takes a frame that is larger than any.
	c.tap()(&stack.Frame{State: conn.Established, Parts: [][]byte{make([]byte, wire.VirtioHeaderLen+1<<16)}})
	if err := c.close(); err != nil {
		t.Error(err)
	}
	checkLine(t, stderr.String(), "--pcap", "1 of 1 packets are missing in "+file, "--pcap-filter")
}

// TestPrivateFiles checks that captures and traces have mode 0600, also where a file was there before.
func TestPrivateFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"new", "old"} {
		capture, trace := filepath.Join(dir, name+".pcap"), filepath.Join(dir, name+".trace")
		if name == "old" {
			for _, file := range []string{capture, trace} {
				if err := os.WriteFile(file, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		c, err := (&captureFlags{file: capture}).open("mini0", io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := (&traceFlag{trace}).open(io.Discard, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.close(), tr.close()); err != nil {
			t.Error(err)
		}
		checkMode(t, capture)
		checkMode(t, trace)
	}
}
