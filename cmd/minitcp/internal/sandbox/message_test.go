//go:build linux

package sandbox

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// Messages keep their boundaries, and carry a descriptor. The end of one side is io.EOF on the other.
func TestLink(t *testing.T) {
	own, child, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	defer own.socket.Close()
	fd, err := syscall.Dup(int(child.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	child.Close()
	other, err := openLink(fd)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := order{Setup: &setup{MTU: 1500, Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/32")}, ResolvConf: "nameserver 10.77.0.53\n"}}
	second := order{Run: true}
	if err := errors.Join(own.send(first, w), own.send(second, nil)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var got order
	passed, err := other.receive(&got)
	if err != nil || !reflect.DeepEqual(got, first) {
		t.Fatalf("received %+v, %v; want %+v", got, err, first)
	}
	file := os.NewFile(uintptr(passed), "")
	file.WriteString("through the pipe")
	file.Close()
	if b, err := io.ReadAll(r); string(b) != "through the pipe" {
		t.Errorf("read %q, %v", b, err)
	}
	got = order{}
	if passed, err := other.receive(&got); err != nil || passed != -1 || !got.Run {
		t.Errorf("received %+v with descriptor %d, %v", got, passed, err)
	}
	if err := own.send(setup{ResolvConf: strings.Repeat("x", maxMessage)}, nil); err == nil {
		t.Error("a message beyond the limit has no error")
	}
	own.socket.Close()
	if _, err := other.receive(&got); !errors.Is(err, io.EOF) {
		t.Errorf("after the end, receive returns %v", err)
	}
	other.socket.Close()
}
