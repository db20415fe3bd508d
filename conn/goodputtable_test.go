//go:build !race

package conn_test

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
)

// The goodput on a path of 100 Mbit/s, for each congestion control, loss rate and RTT, and the fairness among
// connections that share it, are as in testdata/goodput.txt. The file shows the effect of changes of loss recovery and
// congestion control. Run go test ./conn -run TestGoodput -update to write it. The test has a single goroutine, so the
// race detector has nothing to find.
func TestGoodput(t *testing.T) {
	var out bytes.Buffer
	writeGoodput(t, &out)
	writeReordering(t, &out)
	writeShares(t, &out)
	conn.Golden(t, "testdata/goodput.txt", regexp.MustCompile(` +\n`).ReplaceAll(out.Bytes(), []byte("\n")))
}

var tableControllers = []conn.CongestionControl{conn.Reno, conn.CUBIC, conn.BBR}

const goodputPreface = `Written by go test ./conn -run TestGoodput -update.

Review: after a change of congestion control or loss recovery, small differences in many rows are normal. A goodput that is
lower by more than a few percent, an additional timeout, and a fairness index that is lower by more than 0.05 need a reason.

`

// goodputLasts is the duration of a transfer.
const goodputLasts = 5 * time.Second

func writeGoodput(t *testing.T, out *bytes.Buffer) {
	out.WriteString(goodputPreface)
	fmt.Fprintf(out, "Goodput in Mbit/s of one connection in its first %v. The path has 100 Mbit/s, of which 3.5 are headers, and a\n", goodputLasts)
	fmt.Fprintf(out, "queue of one bandwidth-delay product. In brackets: retransmitted segments per thousand, and timeouts if any.\n")
	fmt.Fprintf(out, "With loss, the mean of several seeds: Reno and CUBIC three, and nine at 200ms; BBR one, and three at 200ms.\n\n")
	fmt.Fprintf(out, "%-6s %-6s", "loss", "RTT")
	for _, a := range tableControllers {
		fmt.Fprintf(out, " %-38s", a)
	}
	out.WriteString("\n")
	for _, loss := range []float64{0, 0.001, 0.01, 0.03} {
		for _, rtt := range []time.Duration{10 * time.Millisecond, 40 * time.Millisecond, 200 * time.Millisecond} {
			fmt.Fprintf(out, "%-6s %-6v", fmt.Sprintf("%g %%", loss*100), rtt)
			for _, a := range tableControllers {
				seeds := 1
				if loss > 0 && a != conn.BBR {
					seeds = 3
				}
				if loss > 0 && rtt == 200*time.Millisecond {
					seeds *= 3 // the result depends on the time of the first loss
				}
				link := conntest.Link{Loss: loss, Delay: rtt / 2, Queue: int(pathRate * rtt / time.Second)}
				fmt.Fprintf(out, " %-38s", measureMean(t, 0, seeds, a, link))
			}
			out.WriteString("\n")
		}
	}
}

// mean is the mean of several transfers, and the sum of their timeouts.
type mean struct {
	goodput  float64
	again    uint64 // retransmitted segments per thousand
	spurious uint64 // undone episodes
	timeouts uint64
}

// measureMean runs a transfer of 5 s with each of some seeds.
func measureMean(t *testing.T, firstSeed uint64, seeds int, a conn.CongestionControl, link conntest.Link) (m mean) {
	t.Helper()
	for i := range seeds {
		b := newBulk(firstSeed+uint64(i), a, link)
		m.goodput += b.run(t, goodputLasts) / float64(seeds)
		i := b.pair.A.Conn.Info(b.pair.Now)
		m.again += i.Retransmitted * 1000 / i.DataSegmentsSent
		m.spurious += i.Spurious
		m.timeouts += i.Timeouts
	}
	m.again /= uint64(seeds)
	m.spurious = (m.spurious + uint64(seeds)/2) / uint64(seeds)
	return m
}

func (m mean) String() string {
	switch m.timeouts {
	case 0:
		return fmt.Sprintf("%5.1f (%d)", m.goodput, m.again)
	case 1:
		return fmt.Sprintf("%5.1f (%d, 1 timeout)", m.goodput, m.again)
	}
	return fmt.Sprintf("%5.1f (%d, %d timeouts)", m.goodput, m.again, m.timeouts)
}

func writeReordering(t *testing.T, out *bytes.Buffer) {
	fmt.Fprintf(out, "\nThe same with reordering, RTT 40 ms: the share of segments that are late, and by how much. Undone: recovery episodes.\n")
	fmt.Fprintf(out, "30ms: the mean of three seeds.\n\n")
	fmt.Fprintf(out, "%-6s %-6s", "share", "later")
	for _, a := range tableControllers {
		fmt.Fprintf(out, " %-38s", a)
	}
	out.WriteString("\n")
	for _, share := range []float64{0.01, 0.05} {
		for _, later := range []time.Duration{2 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond} {
			fmt.Fprintf(out, "%-6s %-6v", fmt.Sprintf("%g %%", share*100), later)
			for _, a := range tableControllers {
				seeds := 1
				if later == 30*time.Millisecond {
					seeds = 3 // the result depends on the segments that are late in slow start
				}
				m := measureMean(t, 1, seeds, a, conntest.Link{Queue: pathBDP, Reordering: share, ReorderingDelay: later})
				fmt.Fprintf(out, " %-38s", fmt.Sprintf("%s, %d undone", m, m.spurious))
			}
			out.WriteString("\n")
		}
	}
}

// writeShares writes the fairness of connections that start together, measured from the fifth second on.
func writeShares(t *testing.T, out *bytes.Buffer) {
	fmt.Fprintf(out, "\nJain's index of connections that share the path (RTT 40 ms) over 15 s, and the sum of their goodput in Mbit/s.\n\n")
	fmt.Fprintf(out, "%-13s", "connections")
	for _, a := range tableControllers {
		fmt.Fprintf(out, " %-38s", a)
	}
	out.WriteString("\n")
	for _, n := range []int{2, 8} {
		fmt.Fprintf(out, "%-13d", n)
		for _, a := range tableControllers {
			index, goodput := share(t, n, a)
			fmt.Fprintf(out, " %5.3f %5.1f                           ", index, goodput)
		}
		out.WriteString("\n")
	}
}

// share returns Jain's index of n connections' goodput, and the sum.
func share(t *testing.T, n int, a conn.CongestionControl) (index, mbits float64) {
	t.Helper()
	var group conntest.Group
	flows := make([]*bulk, n)
	for i := range flows {
		// Without jitter, the queue would drop packets of the same connection every time.
		flows[i] = newBulk(uint64(100+i), a, conntest.Link{Queue: pathBDP, Jitter: 20 * time.Microsecond})
		group = append(group, flows[i].pair)
	}
	group.Share()
	before := make([]int, n)
	if err := group.Run(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	for i, f := range flows {
		before[i] = f.received
	}
	const lasts = 15 * time.Second
	if err := group.Run(lasts); err != nil {
		t.Fatal(err)
	}
	sum, squares := 0.0, 0.0
	for i, f := range flows {
		x := float64(f.received-before[i]) * 8 / lasts.Seconds() / 1e6
		sum, squares = sum+x, squares+x*x
	}
	return sum * sum / (float64(n) * squares), sum
}
