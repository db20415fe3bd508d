//go:build linux

package control

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"minitcp/stack"
)

// maxFinished is the number of ended connections that are kept.
const maxFinished = 100

// finished keeps the connections that ended last, and the totals of all of them.
type finished struct {
	lines chan Finished

	mu   sync.Mutex
	ring [maxFinished]timedEnd
	list lifeTotals
}

// timedEnd is an end with its wall time.
type timedEnd struct {
	stack.ConnEnd
	at time.Time
}

// lifeTotals are the metrics of connections that have ended, and of openings.
type lifeTotals struct {
	count    uint64 // also the number of the last one
	unlogged uint64 // without a line in the log: it was too slow
	failed   uint64 // ended before ESTABLISHED
	reset    uint64 // ended after ESTABLISHED by an error
	timeouts uint64 // of retransmission
	spurious uint64 // recoveries
	rtt      histogram
	open     histogram // of all that were established
	dial     histogram // of the gateway
	life     histogram
	bytes    histogram
}

// linesPending is the number of ends that wait for the log.
const linesPending = 1024

func newFinished() *finished {
	f := &finished{lines: make(chan Finished, linesPending)}
	f.list.rtt.bounds = []float64{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3}
	f.list.open.bounds = []float64{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10}
	f.list.dial.bounds = f.list.open.bounds
	f.list.life.bounds = []float64{0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000}
	f.list.bytes.bounds = []float64{100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}
	return f
}

// opened records an opening. It runs while the connection is locked, and does not block.
func (f *finished) opened(v *stack.ConnOpen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list.open.add((v.Opened - v.Began).Seconds())
}

// dialed records a connection of the gateway.
func (f *finished) dialed(took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list.dial.add(took.Seconds())
}

// ended records an end. It runs while the connection is locked, and does not block.
func (f *finished) ended(v *stack.ConnEnd, logged bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &f.list
	end := &f.ring[t.count%maxFinished]
	*end = timedEnd{*v, time.Now()}
	t.count++
	switch {
	case v.Info.CongestionWindow == 0:
		t.failed++
	case v.Err != nil:
		t.reset++
	}
	t.timeouts += v.Info.Timeouts
	t.spurious += v.Info.Spurious
	if v.Info.MinRTT > 0 {
		t.rtt.add(v.Info.RTT.Seconds())
	}
	t.life.add((v.Ended - v.Began).Seconds())
	t.bytes.add(float64(v.Info.Sent + v.Info.Received))
	if !logged {
		return
	}
	select {
	case f.lines <- end.describe(t.count):
	default:
		t.unlogged++
	}
}

// describe returns the JSON form of an end.
func (v *timedEnd) describe(number uint64) Finished {
	d := Finished{
		Number:     number,
		Began:      v.at.Add(v.Began - v.ConnEnd.Ended),
		Ended:      v.at,
		Duration:   microsOf(v.Ended - v.Began),
		By:         v.By.String(),
		Cause:      "closed",
		Connection: Connection{Local: v.Local, Remote: v.Remote, Age: microsOf(v.Ended - v.Began)},
	}
	if v.Err != nil {
		d.Cause = v.Err.Error()
	}
	if sent := v.Info.Sent + v.Info.Resent; sent > 0 {
		d.ResentShare = float64(v.Info.Resent) / float64(sent)
	}
	d.set(&v.Info)
	return d
}

// last returns the ends that are kept, the latest first.
func (f *finished) last() []Finished {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []Finished{}
	for n := f.list.count; n > 0 && f.list.count-n < maxFinished; n-- {
		list = append(list, f.ring[(n-1)%maxFinished].describe(n))
	}
	return list
}

// totals returns the metrics.
func (f *finished) totals() lifeTotals {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list
}

// logLines writes a line for each end, until the channel is closed. The line has the columns of tcplife.
func logLines(log *slog.Logger, lines <-chan Finished) {
	for d := range lines {
		log.Debug("connection finished", "local", d.Local.String(), "remote", d.Remote.String(), "began", d.Began.Format(time.RFC3339Nano),
			"duration", d.Duration.duration(), "sent", d.Sent, "received", d.Received, "resent", fmt.Sprintf("%.2f%%", 100*d.ResentShare),
			"min_rtt", d.MinRTT.duration(), "by", d.By, "cause", d.Cause)
	}
}

// closeLog ends logLines, and returns the number of ends without a line. An end that is recorded later gets none.
func (f *finished) closeLog() (unlogged uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.lines)
	f.lines = nil
	return f.list.unlogged
}
