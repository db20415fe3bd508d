//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/cmd/minitcp/demo"
	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/conn/wire"
)

// captured is a TCP segment in a capture.
type captured struct {
	outgoing bool
	from, to netip.AddrPort
	flags    wire.Flags
	seq      uint32
	data     []byte
	state    string // ours
	size     int    // bytes of the packet
	damaged  bool   // the checksum is wrong
}

// String returns the form that the tests below compare.
func (c captured) String() string {
	direction := "in"
	if c.outgoing {
		direction = "out"
	}
	return fmt.Sprintf("%s %v %s", direction, c.flags, c.state)
}

// readCapture reads the TCP segments of a file. Gopacket must read them too, and find the same of them damaged.
func readCapture(t *testing.T, file string) (device string, list []captured) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, _, options, err := r.ReadPacketDataWithOptions()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: packet %d: %v", file, len(list), err)
		}
		decoded := gopacket.NewPacket(b, r.LinkType(), gopacket.Default)
		if decoded.ErrorLayer() != nil {
			t.Fatalf("%s: %v", file, decoded.ErrorLayer().Error())
		}
		theirs, ok := decoded.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok {
			continue
		}
		theirs.SetNetworkLayerForChecksum(decoded.NetworkLayer())
		failed, wrong := decoded.VerifyChecksums()
		if failed != nil {
			t.Fatal(failed)
		}
		var ip wire.IP
		var tcp wire.TCP
		segment, err := wire.ParseIP(b, &ip)
		if err != nil || (len(wrong) == 0) != wire.VerifyTCP(&ip, segment) {
			t.Fatalf("%s: packet %x: %v, or not so damaged: %v", file, b, err, wrong)
		}
		data, err := wire.ParseTCP(segment, &tcp)
		if err != nil || len(options.Comments) == 0 || options.Flags == nil {
			t.Fatalf("%s: %+v, %v", file, options, err)
		}
		list = append(list, captured{
			outgoing: options.Flags.Direction == pcapgo.NgEpbFlagDirectionOutbound,
			from:     netip.AddrPortFrom(ip.Src, tcp.SrcPort),
			to:       netip.AddrPortFrom(ip.Dst, tcp.DstPort),
			flags:    tcp.Flags,
			seq:      tcp.Seq,
			data:     bytes.Clone(data),
			state:    options.Comments[0],
			size:     len(b),
			damaged:  !wire.VerifyTCP(&ip, segment),
		})
	}
	i, err := r.Interface(0)
	if err != nil {
		t.Fatal(err)
	}
	return i.Name, list
}

// readIntact acts like readCapture for packets that were not damaged.
func readIntact(t *testing.T, file string) (device string, list []captured) {
	t.Helper()
	device, list = readCapture(t, file)
	for _, c := range list {
		if c.damaged {
			t.Errorf("%s: %v: a wrong checksum", file, c)
		}
	}
	return device, list
}

// stream puts the data of one direction together.
func stream(list []captured, outgoing bool) []byte {
	var isn uint32
	var b []byte
	for _, c := range list {
		if c.outgoing != outgoing {
			continue
		}
		if c.flags.Has(wire.SYN) {
			isn = c.seq
		}
		at := int(c.seq - isn - 1)
		if end := at + len(c.data); len(c.data) > 0 && end > len(b) {
			b = append(b, make([]byte, end-len(b))...)
		}
		if len(c.data) > 0 {
			copy(b[at:], c.data)
		}
	}
	return b
}

// The capture of serve --pcap holds the exchange of the kernel's client.
func TestServeCapture(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "serve.pcapng")
	p, namespace := serve(t, "--tun", "mini7", "--pcap", file)
	for _, host := range []string{"10.77.0.2", "[fd77::2]"} {
		if r := finish(t, tool(t, namespace, "curl", "-g", "-s", "http://"+host+"/")); r.status != 0 {
			t.Fatalf("curl: %+v", r)
		}
	}
	if r := finish(t, tool(t, namespace, "ping", "-c1", "-W10", "10.77.0.2")); r.status != 0 {
		t.Fatalf("ping: %+v", r)
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Fatalf("status %d", status)
	}

	device, all := readIntact(t, file)
	if device != "mini7" {
		t.Errorf("interface %q", device)
	}
	for _, ours := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		var list []captured
		for _, c := range all {
			if c.from.String() == ours || c.to.String() == ours {
				if c.outgoing != (c.from.String() == ours) {
					t.Errorf("%v from %v has the wrong direction", c, c.from)
				}
				list = append(list, c)
			}
		}
		if len(list) < 9 {
			t.Fatalf("%s: %v: too few", ours, list)
		}
		for i, want := range []string{"in SYN no connection", "out SYN,ACK SYN-RECEIVED", "in ACK SYN-RECEIVED", "in PSH,ACK ESTABLISHED"} {
			if list[i].String() != want {
				t.Errorf("%s: packet %d is %v, want %s", ours, i, list[i], want)
			}
		}
		if !slices.ContainsFunc(list, func(c captured) bool { return !c.outgoing && c.flags.Has(wire.FIN) }) ||
			!slices.ContainsFunc(list, func(c captured) bool { return c.outgoing && c.flags.Has(wire.FIN) && c.state == "LAST-ACK" }) {
			t.Errorf("%s: %v: a FIN is missing", ours, list)
		}
		if b := stream(list, false); !bytes.HasPrefix(b, []byte("GET / HTTP/1.1\r\n")) {
			t.Errorf("%s: the client said %q", ours, b)
		}
		if b := stream(list, true); !bytes.HasPrefix(b, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.Contains(b, []byte("ESTABLISHED")) {
			t.Errorf("%s: we said %q", ours, b)
		}
	}
}

// A download in superframes, as they were and cut; with a filter; over several files.
func TestServeCaptureDownload(t *testing.T) {
	const size = 3_000_000
	dir := t.TempDir()
	content := noiseBytes(t, 9, size)
	if err := os.WriteFile(filepath.Join(dir, "file"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		args    []string
		largest func(int) bool
	}{
		{"whole", nil, func(n int) bool { return n > 20000 }},
		{"split", []string{"--pcap-split"}, func(n int) bool { return n == 1500 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "c")
			args := []string{"--listen", "8080=files:" + dir, "--listen", "80=http", "--pcap", file,
				"--pcap-filter", "port 8080", "--pcap-filter", "host 10.77.0.1", "--pcap-size", "1", "--pcap-files", "20"}
			p, namespace := serve(t, append(args, test.args...)...)
			for _, url := range []string{"10.77.0.2/", "10.77.0.2:8080/file", "[fd77::2]:8080/file"} {
				if r := finish(t, tool(t, namespace, "curl", "-g", "-s", "-o", os.DevNull, "http://"+url)); r.status != 0 {
					t.Fatalf("curl: %+v", r)
				}
			}
			if status := p.signal(syscall.SIGTERM); status != 0 {
				t.Fatalf("status %d", status)
			}

			var all []captured
			files, largest := 0, 0
			for i := 19; i >= 0; i-- {
				name := file
				if i > 0 {
					name = fmt.Sprintf("%s.%d", file, i)
				}
				info, err := os.Stat(name)
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				if err != nil || info.Size() > megabyte {
					t.Errorf("%s has %d bytes, %v", name, info.Size(), err)
				}
				if i > 0 && info.Size() < megabyte-100_000 { // a superframe and its comment
					t.Errorf("%s was ended with %d bytes, though there was room", name, info.Size())
				}
				files++
				_, list := readIntact(t, name)
				for _, c := range list {
					if c.from.Port() != 8080 && c.to.Port() != 8080 || !c.from.Addr().Is4() {
						t.Errorf("%v: %v to %v does not match the filter", c, c.from, c.to)
					}
					largest = max(largest, c.size)
				}
				all = append(all, list...)
			}
			if files < 4 { // more, if much was sent again: each is full but the last
				t.Errorf("%d bytes of data are in %d files", size, files)
			}
			if !test.largest(largest) {
				t.Errorf("the largest packet has %d bytes", largest)
			}
			if !bytes.HasSuffix(stream(all, true), content) {
				t.Error("the file is not in the capture")
			}
			if strings.Contains(p.err.String(), "missing") {
				t.Errorf("it says: %s", p.err.String())
			}
		})
	}
}

func TestNCCapture(t *testing.T) {
	n := newNamespace(t)
	file := filepath.Join(t.TempDir(), "c")
	l := listenIn(t, n)
	defer l.Close()
	port := l.Addr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
	// nc has no data to send before the kernel has its ACK: the data that is there
	// earlier may take the ACK with it.
	input, say := io.Pipe()
	go func() {
		defer say.Close()
		if c, err := l.Accept(); err == nil {
			io.WriteString(say, "hello")
			say.Close()
			io.Copy(c, c)
			c.Close()
		}
	}()
	cmd := program(t, nil, "nc", "--netns", n.Name(), "--pcap", file, "10.77.0.1", fmt.Sprint(port))
	cmd.Stdin = input
	if r := finish(t, cmd); r.status != 0 || r.out != "hello" {
		t.Fatalf("%+v", r)
	}
	_, list := readIntact(t, file)
	if len(list) < 6 {
		t.Fatalf("%v: too few", list)
	}
	for i, want := range []string{"out SYN SYN-SENT", "in SYN,ACK SYN-SENT", "out ACK ESTABLISHED"} {
		if list[i].String() != want {
			t.Errorf("packet %d is %v, want %s", i, list[i], want)
		}
	}
	if in, out := stream(list, false), stream(list, true); string(in) != "hello" || string(out) != "hello" {
		t.Errorf("in %q, out %q", in, out)
	}

	cmd = program(t, nil, "nc", "--netns", n.Name(), "--pcap", file+"/c", "10.77.0.1", fmt.Sprint(port))
	r := finish(t, cmd)
	if r.status != exitFailure {
		t.Errorf("status %d", r.status)
	}
	checkLine(t, r.errOut, "--pcap", file+"/c", "name a writable file")
}

// TestDemoCapture checks the packets and comments of the demo's capture.
func TestDemoCapture(t *testing.T) {
	testenv.RequireDevice(t)
	file := filepath.Join(t.TempDir(), "c")
	if r := finish(t, program(t, nil, "demo", "--pcap", file)); r.status != 0 || r.errOut != "" {
		t.Fatalf("%+v", r)
	}
	device, packets := readCapture(t, file)
	var list []string
	damaged := 0
	for _, c := range packets {
		list = append(list, c.String())
		if c.damaged {
			damaged++
		}
	}
	if damaged != 1 { // the kernel's; the stack's segments are damaged after the capture
		t.Errorf("%d segments are damaged", damaged)
	}
	if device != demo.Device {
		t.Errorf("interface %q", device)
	}
	for _, want := range []string{"in SYN no connection", "out SYN,ACK SYN-RECEIVED", "in FIN,ACK ESTABLISHED", "out FIN,ACK LAST-ACK",
		"out FIN,ACK FIN-WAIT-1", "in FIN,ACK FIN-WAIT-2", "out RST,ACK no connection"} {
		if !slices.Contains(list, want) {
			t.Errorf("no packet is %q in %q", want, list)
		}
	}
}
