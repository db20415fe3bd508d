package stack

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// The memory device has every ability but BIG TCP.
var _ interface {
	Device
	Offloader
	MultiQueue
} = (*stacktest.Device)(nil)

// fourMethods is a device that embeds another as a Device.
type fourMethods struct{ Device }

// slowReader is a reader that leaves data waiting, in the frames it came in.
type slowReader struct{ io.Reader }

func (r slowReader) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return r.Reader.Read(p)
}

// testTransfers makes two connections, over IPv4 and IPv6, that carry data in both directions between stacks on a and
// b.
func testTransfers(t *testing.T, a, b Device) {
	t.Helper()
	p := &pair{t: t}
	var err error
	if p.a, err = New(a, Config{Addresses: addressesA}); err != nil {
		t.Fatal(err)
	}
	defer p.a.Close()
	if p.b, err = New(b, Config{Addresses: addressesB}); err != nil {
		t.Fatal(err)
	}
	defer p.b.Close()
	l := p.listen()
	data := make([]byte, 3_000_000)
	rand.NewChaCha8([32]byte{1}).Read(data)
	var ends sync.WaitGroup
	for _, remote := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		client, server := p.connectTo(l, remote)
		defer client.Close()
		defer server.Close()
		for _, c := range []*Conn{client, server} {
			ends.Go(func() {
				if _, err := c.Write(data); err != nil {
					t.Errorf("%s: Write: %v", remote, err)
				}
				c.CloseWrite()
			})
			ends.Go(func() {
				got, err := io.ReadAll(slowReader{c})
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: read %d bytes, which are not the %d written; %v", remote, len(got), len(data), err)
				}
			})
		}
	}
	ends.Wait()
	for _, s := range []*Stack{p.a, p.b} {
		if n := s.Stats()["dropped-tcp-checksum"]; n > 0 {
			t.Errorf("%d segments had a wrong checksum", n)
		}
	}
}

// A struct that embeds a Device works around a device with offloads and several queues: it sends finished packets that
// fit the MTU, receives superframes with partial checksums, and gets every frame of every queue.
func TestEmbeddedDevice(t *testing.T) {
	for _, link := range []stacktest.Config{{}, {Queues: 4}, {Offload: stacktest.Plain}, {Offload: stacktest.Plain, Queues: 4}} {
		within(t, func(t *testing.T) {
			a, b := stacktest.New(link)
			finished := true
			b.SetHook(func(frame []byte) stacktest.Fate {
				if [10]byte(frame) != [10]byte{} {
					finished = false
				}
				return stacktest.Pass
			})
			testTransfers(t, a, fourMethods{b})
			if !finished {
				t.Error("a device of four methods was given a frame with offloads")
			}
			if n := b.Counts().TooBig; n > 0 {
				t.Errorf("%d frames were too big", n)
			}
		})
	}
}

// reorderer is a device that changes the frames it was lent.
type reorderer struct {
	Device
	change func(frames [][]byte, sizes []int, n int)
}

func (d *reorderer) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	n, err := d.Device.ReadBatch(frames, sizes)
	d.change(frames, sizes, n)
	return n, err
}

// A device may exchange frames with each other, those it has read as well as the others.
func TestFramesExchanged(t *testing.T) {
	for name, change := range map[string]func(frames [][]byte, sizes []int, n int){
		"two that were read": func(f [][]byte, s []int, n int) {
			if n > 1 {
				f[0], f[1] = f[1], f[0]
				s[0], s[1] = s[1], s[0]
			}
		},
		"a read one for another": func(f [][]byte, s []int, n int) {
			if n > 0 {
				f[0], f[31] = f[31], f[0]
				copy(f[0], f[31][:s[0]])
			}
		},
		"the order of all": func(f [][]byte, s []int, n int) {
			for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
				f[i], f[j] = f[j], f[i]
				s[i], s[j] = s[j], s[i]
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				a, b := stacktest.New(stacktest.Config{})
				testTransfers(t, a, &reorderer{b, change})
			})
		})
	}
}

// A device that breaks the contract of ReadBatch in another way ends the stack with an error that names the fault.
func TestFramesReplaced(t *testing.T) {
	for _, test := range []struct {
		name, want string
		n          int // result of ReadBatch
		change     func(frames [][]byte, sizes []int)
	}{
		{"another slice", "replaced element 0", 1, func(f [][]byte, _ []int) { f[0] = make([]byte, MaxFrame) }},
		{"one slice twice", "replaced element 1", 2, func(f [][]byte, _ []int) { f[1] = f[0] }},
		{"a shorter slice", "replaced element 0", 1, func(f [][]byte, _ []int) { f[0] = f[0][:100] }},
		{"a later part", "replaced element 0", 1, func(f [][]byte, _ []int) { f[0] = f[0][10:] }},
		{"nil", "replaced element 0", 1, func(f [][]byte, _ []int) { f[0] = nil }},
		{"too many frames", "33 frames were read", 33, func([][]byte, []int) {}},
		{"fewer than none", "-1 frames were read", -1, func([][]byte, []int) {}},
		{"a size too large", "frame 0 has a size of 65546 bytes", 1, func(_ [][]byte, s []int) { s[0] = MaxFrame + 1 }},
		{"a negative size", "frame 0 has a size of -1 bytes", 1, func(_ [][]byte, s []int) { s[0] = -1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				near, far := stacktest.New(stacktest.Config{})
				defer far.Close()
				s, err := New(&liar{near, test.n, test.change}, Config{Addresses: addressesB})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				<-s.Done()
				if err := s.Err(); err == nil || errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Err is %v, want one with %q", err, test.want)
				}
			})
		})
	}
}

// liar is a device whose ReadBatch returns at once.
type liar struct {
	*stacktest.Device
	n      int
	change func(frames [][]byte, sizes []int)
}

func (d *liar) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	d.change(frames, sizes)
	return d.n, nil
}

// crowded is a device of more queues than a stack can have.
type crowded struct {
	*stacktest.Device
	queues int
}

func (d crowded) Queues() int { return d.queues }

// New refuses a device with a number of queues that it cannot read.
func TestNumberOfQueues(t *testing.T) {
	for _, n := range []int{-1, 0, 256, 257} {
		d, _ := stacktest.Pipe(1500)
		if s, err := New(crowded{d, n}, Config{Addresses: addressesA}); err == nil {
			s.Close()
			t.Errorf("New takes a device with %d queues", n)
		}
	}
}
