package pcap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// allFiles reads the files of a capture, oldest first, and checks that each is complete.
func allFiles(t *testing.T, path string) (files []reading) {
	t.Helper()
	for i := 0; ; i++ {
		name := path
		if i > 0 {
			name += fmt.Sprintf(".%d", i)
		}
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			slices.Reverse(files)
			return files
		}
		f := readFile(t, name)
		if len(f.statistics) != 1 || f.section.Application != "minitcp" {
			t.Fatalf("%s: %d statistics, of %q", name, len(f.statistics), f.section.Application)
		}
		files = append(files, f)
	}
}

func tapNumbered(c *Capture, n int, spec segmentSpec) {
	for i := range n {
		spec.seq = uint32(i)
		c.Tap(&stack.Frame{Parts: [][]byte{spec.frame()}})
	}
}

func TestRotation(t *testing.T) {
	const n, limit = 100, 5000
	for _, test := range []struct{ files, want int }{{0, 10}, {1, 1}, {3, 3}, {1000, 34}} {
		dir := t.TempDir()
		for _, old := range []string{"c", "c.1", "c.2", "c.9", "c.1000"} {
			if err := os.WriteFile(filepath.Join(dir, old), []byte("of another capture"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "c")
		c, _ := create(t, Config{Path: path, Interface: "mini0", MaxSize: limit, Files: test.files})
		tapNumbered(c, n, segmentSpec{flags: wire.ACK, data: 1400, partial: true})
		closeCapture(t, c)
		os.Remove(path + ".1000")
		if test.files != 0 && test.files < 10 {
			os.Remove(path + ".9")
		}
		if test.files == 1 {
			os.Remove(path + ".1") // belongs to another capture
			os.Remove(path + ".2")
		}

		files := allFiles(t, path)
		if len(files) != test.want {
			t.Fatalf("%d to keep: %d files, want %d", test.files, len(files), test.want)
		}
		next := -1
		received := uint64(0)
		for i, f := range files {
			if len(f.packets) != 3 && i < len(files)-1 {
				t.Errorf("%d packets in a file with room for 3", len(f.packets))
			}
			for _, p := range f.packets {
				_, tcp, _ := p.segment(t)
				if next >= 0 && int(tcp.Seq) != next {
					t.Errorf("packet %d after %d", tcp.Seq, next-1)
				}
				next = int(tcp.Seq) + 1
			}
			if s := f.statistics[0]; s.PacketsReceived < received || s.PacketsReceived > n {
				t.Errorf("%d frames seen after %d", s.PacketsReceived, received)
			} else {
				received = s.PacketsReceived
			}
		}
		if next != n {
			t.Errorf("the last packet is %d, want %d", next-1, n-1)
		}
	}
}

// No file exceeds MaxSize by a byte, except for one with a single larger packet.
func TestRotationSize(t *testing.T) {
	spec := segmentSpec{flags: wire.ACK, data: 1001, partial: true}
	size := func(frames int) int64 {
		c, path := create(t, Config{})
		tapNumbered(c, frames, spec)
		closeCapture(t, c)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	one, two := size(1), size(2)
	for _, test := range []struct {
		limit int64
		want  []int // packets in each file
	}{
		{two, []int{2, 2, 1}},
		{two - 1, []int{1, 1, 1, 1, 1}},
		{one, []int{1, 1, 1, 1, 1}},
		{1, []int{1, 1, 1, 1, 1}},
		{2*two - one - 1, []int{2, 2, 1}},
		{2*two - one, []int{3, 2}},
	} {
		c, path := create(t, Config{MaxSize: test.limit})
		tapNumbered(c, 5, spec)
		closeCapture(t, c)
		var got []int
		for _, f := range allFiles(t, path) {
			got = append(got, len(f.packets))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("limit %d: %d packets in the files, want %d", test.limit, got, test.want)
		}
	}
}

// The segments of a superframe may be in several files.
func TestRotationOfSegments(t *testing.T) {
	c, path := create(t, Config{MaxSize: 4000, Superframes: Cut, Files: 100})
	tapNumbered(c, 2, segmentSpec{flags: wire.ACK, data: 60000, size: 1000, partial: true})
	closeCapture(t, c)
	files := allFiles(t, path)
	bytes := 0
	for _, f := range files {
		if len(f.packets) > 3 {
			t.Errorf("%d packets in a file", len(f.packets))
		}
		for _, p := range f.packets {
			_, _, data := p.segment(t)
			bytes += len(data)
		}
	}
	if bytes != 120000 || len(files) != 40 {
		t.Errorf("%d bytes in %d files", bytes, len(files))
	}
}

// If a file cannot be created the capture ends, and Close returns the error.
func TestRotationFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c, _ := create(t, Config{Path: filepath.Join(dir, "c"), MaxSize: 1})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	tapNumbered(c, 5, segmentSpec{flags: wire.ACK})
	err := c.Close()
	if _, ok := errors.AsType[*fs.PathError](err); !ok || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Close: %v", err)
	}
	if n := c.Counts(); n != (Counts{Seen: 5, Captured: 1, Lost: 4}) {
		t.Errorf("%+v", n)
	}
}
