package memory

import (
	"context"
	"fmt"
	"io"
	"time"

	"minitcp/bench/subject"
)

// Step has the figures with a number of idle connections.
type Step struct {
	Connections int
	// Heap and Resident are the bytes that the process has grown by for each end of each connection.
	Heap, Resident float64
	Busy           Busy
}

// Result has all figures.
type Result struct {
	Steps []Step
	// Goroutine is the number of bytes of heap and stacks that a goroutine waiting in Read adds to an accepted connection.
	Goroutine float64
}

// MaxConnections is the limit of connections.
const MaxConnections = 4_000_000

// Steps returns the steps up to a number of connections.
func Steps(connections int) (steps []int) {
	steps = append(steps, 0)
	for _, part := range []int{100, 10} {
		if n := connections / part; n > steps[len(steps)-1] {
			steps = append(steps, n)
		}
	}
	return append(steps, connections)
}

// Measure opens idle connections step by step, waits for rest, and runs ping-pong on others for a time in each step.
func Measure(ctx context.Context, steps []int, rest, play time.Duration, progress io.Writer) (r Result, err error) {
	n, err := newNetwork()
	if err != nil {
		return r, err
	}
	defer n.close()
	if _, err := n.play(ctx, play/4); err != nil { // so that memory that is allocated once is there
		return r, err
	}
	empty, err := subject.OwnMemory()
	if err != nil {
		return r, err
	}
	for _, connections := range steps {
		s := Step{Connections: connections}
		begin := time.Now()
		if err := n.grow(ctx, connections); err != nil {
			return r, err
		}
		took := time.Since(begin)
		if connections > 0 {
			select {
			case <-time.After(rest):
			case <-ctx.Done():
				return r, context.Cause(ctx)
			}
		}
		now, err := subject.OwnMemory()
		if err != nil {
			return r, err
		}
		if connections > 0 {
			s.Heap, s.Resident = each(now.Heap-empty.Heap, 2*connections), each(now.RSS-empty.RSS, 2*connections)
		}
		if s.Busy, err = n.play(ctx, play); err != nil {
			return r, err
		}
		fmt.Fprintf(progress, "%d connections, opened in %v: %.0f bytes of heap for each end\n", connections, took.Round(time.Millisecond), s.Heap)
		r.Steps = append(r.Steps, s)
	}
	r.Goroutine, err = n.goroutines()
	return r, err
}

func each(bytes int64, ends int) float64 { return max(0, float64(bytes)) / float64(ends) }

// goroutines returns the cost of a goroutine that waits in Read.
func (n *network) goroutines() (float64, error) {
	kept := n.kept()
	if len(kept) == 0 {
		return 0, nil
	}
	before, err := subject.OwnMemory()
	if err != nil {
		return 0, err
	}
	watch(kept)
	after, err := subject.OwnMemory()
	return each(after.Heap-before.Heap, len(kept)), err
}
