package ladder

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// gate is a writer that waits until it is opened.
type gate struct {
	open chan struct{}
	bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(p)
}

// A writer that blocks does not delay the caller. Lines for which the queue has no room are counted and reported
// missing.
func TestSlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		l := New(g, Options{})
		line := strings.Repeat("x", 63)
		l.Text("first") // taken by the goroutine, which then waits
		time.Sleep(gathering)
		synctest.Wait()
		const fit = maxPending / 64
		for range fit + 10 {
			l.Text(line) // would wait for ever if it waited at all
		}
		close(g.open)
		time.Sleep(gathering)
		synctest.Wait()
		l.Text("last")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(g.String(), "\n")
		if n := strings.Count(g.String(), line); n != fit {
			t.Errorf("%d lines, want %d", n, fit)
		}
		if got, want := lines[len(lines)-3:], []string{"... 10 lines are missing here: the output is too slow", "last", ""}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("it ends with %q, want %q", got, want)
		}
	})
}

// writes counts the calls of Write.
type writes int

func (w *writes) Write(b []byte) (int, error) {
	*w++
	return len(b), nil
}

// Lines that are drawn within a short time are written with one call.
func TestGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w writes
		l := New(&w, Options{})
		for range 10 {
			l.Text("a line")
			synctest.Wait()
		}
		if err := l.Wait(); err != nil || w != 1 {
			t.Errorf("%d writes for 10 lines, want 1; error %v", w, err)
		}
		l.Text("a later line")
		if err := l.Close(); err != nil || w != 2 {
			t.Errorf("%d writes after a later line, want 2; error %v", w, err)
		}
	})
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestBrokenWriter(t *testing.T) {
	broke := errors.New("broke")
	l := New(broken{broke}, Options{})
	l.Text("a line")
	for range 2 {
		if err := l.Close(); err != broke {
			t.Errorf("Close: %v, want %v", err, broke)
		}
	}
	l.Text("after the end")
}

// Many goroutines draw at once; the race detector looks on, and no line is torn.
func TestConcurrent(t *testing.T) {
	var b bytes.Buffer
	l := New(&b, Options{})
	var wait sync.WaitGroup
	const connections, segments = 8, 100
	for i := range connections {
		wait.Go(func() {
			a := newActor(l, server4, fmt.Sprintf("10.77.0.1:%d", 1000+i))
			for range segments {
				a.in(0, wire.ACK, 1, 1, 0, conn.Established, nil)
			}
		})
	}
	wait.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "|<-- ACK seq 1 ack 1 win 65535 "); n != connections*segments {
		t.Errorf("%d arrows, want %d", n, connections*segments)
	}
}

// The ladder forgets the connection that was idle for the longest time, and gives it a new number later.
func TestBoundedMemory(t *testing.T) {
	var cs connections
	cs.init()
	port := func(i int) *actor { return newActor(nil, server4, fmt.Sprintf("10.%d.%d.1:9", i/250, i%250)) }
	for i := range maxConnections + 10 {
		a := port(i)
		cs.get(a.local, a.remote, 0)
		if len(cs.byEnds) > maxConnections || cs.recent.Len() != len(cs.byEnds) {
			t.Fatalf("%d connections are held, %d in the list", len(cs.byEnds), cs.recent.Len())
		}
	}
	oldest, newest := port(0), port(maxConnections+9)
	if c, known := cs.get(newest.local, newest.remote, 0); !known || c.number != maxConnections+10 {
		t.Errorf("the newest: known %v, number %d", known, c.number)
	}
	if c, known := cs.get(oldest.local, oldest.remote, 0); known || c.number != maxConnections+11 {
		t.Errorf("the oldest: known %v, number %d", known, c.number)
	}
}

// A caller of Wait loses no line, however slow the writer, and Wait returns when the writer fails.
func TestWait(t *testing.T) {
	var b bytes.Buffer
	l := New(&b, Options{})
	line := strings.Repeat("x", 63)
	for i := range 2 * maxPending / 64 {
		l.Text(line)
		if i%1000 == 0 {
			if err := l.Wait(); err != nil {
				t.Fatal(err)
			}
			if b.Len() < 64*i {
				t.Fatalf("%d bytes of %d lines", b.Len(), i)
			}
		}
	}
	if err := l.Close(); err != nil || b.Len() != 2*maxPending {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
	broke := errors.New("broke")
	l = New(broken{broke}, Options{})
	defer l.Close()
	l.Text(line)
	for range 2 {
		if err := l.Wait(); err != broke {
			t.Errorf("%v", err)
		}
	}
}
