package memory

import (
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"time"

	"minitcp/bench/subject"
)

// Busy is the rate, cost and latency of connections with ping-pong.
type Busy struct {
	Rate        float64       // ping-pongs of 64 bytes per second
	CPU         time.Duration // of this process for a thousand of them, including both ends and the garbage collector
	Usual, Rare time.Duration // round trip: the median, and the time that one in a thousand exceeds
	Collections int           // of garbage
	Pause       time.Duration // longest one of the garbage collector, rounded up to a bound of Go's histogram; 0 for none
}

// players is the number of connections with ping-pong.
const players = 64

// play runs ping-pong on them for a time.
func (n *network) play(ctx context.Context, d time.Duration) (b Busy, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	times, errs := make([][]time.Duration, players), make([]error, players)
	before, collected := pauses(), collections()
	start, cpu := time.Now(), subject.CPUTime()
	for i := range players {
		all.Go(func() { times[i], errs[i] = n.player(ctx, start.Add(d)) })
	}
	all.Wait()
	took, cpu := time.Since(start), subject.CPUTime()-cpu
	b.Collections, b.Pause = collections()-collected, longest(before, pauses())
	every := slices.Concat(times...)
	if err := errors.Join(errs...); err != nil || len(every) == 0 {
		return b, err
	}
	slices.Sort(every)
	b.CPU = cpu * 1000 / time.Duration(len(every))
	b.Rate = float64(len(every)) / took.Seconds()
	b.Usual, b.Rare = every[len(every)/2], every[len(every)-1-len(every)/1000]
	return b, nil
}

// player runs ping-pong until a time, at least once, and returns the duration of each round trip.
func (n *network) player(ctx context.Context, until time.Time) (times []time.Duration, err error) {
	c, err := n.dial(ctx, echoPort)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })()
	times = make([]time.Duration, 0, 1<<16)
	var ping [64]byte
	for now := time.Now(); len(times) == 0 || now.Before(until); { // opening all connections may have taken the whole time
		if _, err := c.Write(ping[:]); err != nil {
			return times, err
		}
		if _, err := io.ReadFull(c, ping[:]); err != nil {
			return times, err
		}
		then := now
		now = time.Now()
		times = append(times, now.Sub(then))
	}
	return times, nil
}

const pauseMetric = "/sched/pauses/total/gc:seconds"

func pauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: pauseMetric}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// longest returns the upper bound of the highest bucket with a new entry.
func longest(before, after *metrics.Float64Histogram) time.Duration {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] > before.Counts[i] {
			bound := after.Buckets[i+1]
			if i+2 == len(after.Buckets) {
				bound = after.Buckets[i] // the last is infinite
			}
			return time.Duration(bound * 1e9)
		}
	}
	return 0
}

func collections() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.NumGC)
}
