//go:build linux

package main

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/conn/netem"
	"minitcp/stack"
	"minitcp/stack/emulate"
)

// linkFlags holds the flags of an emulated link between the stack and its device.
type linkFlags struct {
	profile   profileValue
	loss      wayValue[float64]
	delay     wayValue[delaySpec]
	rate      wayValue[int64]
	queue     wayValue[queueSpec]
	reorder   wayValue[reorderSpec]
	duplicate wayValue[float64]
	corrupt   wayValue[float64]
	burst     wayValue[netem.Burst]
	trace     wayValue[netem.Trace]
	maxPacket wayValue[int]
	seed      uint64
	stats     bool
	// upIsIn is true if the frames that the stack reads go up, because the program is on the other side of the device.
	upIsIn bool
	sleep  func(time.Duration) // of emulate.Config; tests set it

	ways [2]netem.Config // by way; set by check
	link *emulate.Device // set by wrap
}

// addLinkFlags adds the flags of an emulated link to a flag set. After parsing, check must be called, then wrap.
func addLinkFlags(flags *pflag.FlagSet) *linkFlags {
	f := &linkFlags{
		loss:      wayValue[float64]{kind: "PERCENT", parse: parsePercent},
		delay:     wayValue[delaySpec]{kind: "TIME", parse: parseDelay},
		rate:      wayValue[int64]{kind: "RATE", parse: parseRate},
		queue:     wayValue[queueSpec]{kind: "SIZE", parse: parseQueue},
		reorder:   wayValue[reorderSpec]{kind: "PERCENT[,TIME]", parse: parseReorder},
		duplicate: wayValue[float64]{kind: "PERCENT", parse: parsePercent},
		corrupt:   wayValue[float64]{kind: "PERCENT", parse: parsePercent},
		burst:     wayValue[netem.Burst]{kind: "p=P,r=P", parse: parseBurst},
		trace:     wayValue[netem.Trace]{kind: "FILE", parse: readTraceFile},
		maxPacket: wayValue[int]{kind: "BYTES", parse: parsePacketSize},
	}
	flags.Var(&f.profile, "profile", "emulate a known kind of network: "+strings.Join(profileNames(), ", ")+"; other flags change it; see: minitcp help links")
	flags.Var(&f.loss, "loss", "lose packets, such as 1%, or up:1% or down:1% for one direction, as with all flags of the link")
	flags.Var(&f.delay, "delay", "delay packets, such as 40ms, or 40ms±5ms with jitter (also 40ms~5ms)")
	flags.Var(&f.rate, "rate", "limit the rate, such as 10mbit")
	flags.Var(&f.queue, "queue", "size of the queue before that rate, such as 64kB, 100packets or 200ms; 64kB,codel for CoDel; without it, 100ms")
	flags.Var(&f.reorder, "reorder", "let packets arrive late by a time, such as 1%,20ms; without a time, 10ms")
	flags.Var(&f.duplicate, "duplicate", "deliver packets twice, such as 1%")
	flags.Var(&f.corrupt, "corrupt", "invert a bit of packets, such as 0.1%")
	flags.Var(&f.burst, "burst-loss", "lose packets in bursts by the Gilbert-Elliott model, such as p=1%,r=20%,1-h=100%,1-k=0%")
	flags.Var(&f.maxPacket, "max-packet", "discard larger packets, such as 1400, without an ICMP message")
	flags.Var(&f.trace, "trace-file", "let packets pass at the milliseconds in FILE, one number a line, as mahimahi does")
	flags.Uint64Var(&f.seed, "seed", 0, "`NUMBER` that determines the random faults; 0 means another one each time, which --stats prints")
	flags.BoolVar(&f.stats, "stats", false, "print at the end the settings of the emulated link beside its measurements")
	return f
}

// The ways of a link, as the program sees it.
const (
	wayUp = iota
	wayDown
)

var wayNames = [2]string{wayUp: "up", wayDown: "down"}

// check completes the flags after parsing. mtu is that of the device. It returns an error for flags that contradict
// each other.
func (f *linkFlags) check(mtu int) error {
	if err := f.profile.apply(f); err != nil {
		return err
	}
	for way := range f.ways {
		c, err := f.config(way, mtu)
		if err != nil {
			return err
		}
		f.ways[way] = c
	}
	if !f.active() {
		if f.seed != 0 || f.stats {
			return usagef("--seed and --stats have no effect without an emulated link; give --loss, --delay, --rate, --profile or another flag of the link")
		}
		return nil
	}
	if f.seed == 0 {
		f.seed = 1 + rand.Uint64N(1_000_000)
	}
	return nil
}

func (f *linkFlags) active() bool { return f.ways[wayUp].Active() || f.ways[wayDown].Active() }

// config returns one way of the link.
func (f *linkFlags) config(way, mtu int) (netem.Config, error) {
	c := netem.Config{
		Loss: f.loss.values[way], Duplication: f.duplicate.values[way], Corruption: f.corrupt.values[way],
		Burst: f.burst.values[way], Rate: f.rate.values[way], Trace: f.trace.values[way],
		MaxPacket: f.maxPacket.values[way],
	}
	d := f.delay.values[way]
	c.Delay, c.Jitter = d.delay-d.jitter, 2*d.jitter
	r := f.reorder.values[way]
	c.Reordering, c.ReorderingDelay = r.share, r.by
	if c.Rate > 0 && len(c.Trace) > 0 {
		return c, usagef("--rate %s and --trace-file %s: the file determines the rate; give one of them", f.rate.texts[way], f.trace.texts[way])
	}
	q, text := f.queue.values[way], f.queue.texts[way]
	switch {
	case text != "" && f.meanRate(way) == 0 && (f.queue.single[way] || f.meanRate(1-way) == 0):
		return c, usagef("--queue %s: has no effect %s without a limited rate; give --rate, --trace-file or a --profile with one", text, wayNames[way])
	case q.bytes > 0 && q.bytes < mtu:
		return c, usagef("--queue %s: smaller than a packet of %d bytes, which would never pass; give at least %dB", text, mtu, mtu)
	case f.meanRate(way) == 0:
		return c, nil
	case q.limit() == 0:
		q.time = defaultQueueTime(f.meanRate(way), mtu)
	}
	c.QueueBytes, c.QueuePackets, c.QueueTime, c.Discipline = q.bytes, q.packets, q.time, q.discipline
	return c, nil
}

// meanRate returns the mean rate of a way, or 0 without a limit.
func (f *linkFlags) meanRate(way int) int64 {
	if t := f.trace.values[way]; len(t) > 0 {
		return t.Rate()
	}
	return f.rate.values[way]
}

// defaultQueueTime returns the longest wait in a queue whose size is not given: 100 ms, or the time of ten packets on a
// slow line.
func defaultQueueTime(rate int64, mtu int) time.Duration {
	return max(100*time.Millisecond, time.Duration(10*float64(mtu)*8/float64(rate)*float64(time.Second)))
}

// wrap returns d behind the link of the flags, or d itself if they ask for none. The link owns d then: closing the
// returned device closes d.
func (f *linkFlags) wrap(d stack.Device) (stack.Device, error) {
	if !f.active() {
		return d, nil
	}
	cfg := emulate.Config{Out: f.ways[wayUp], In: f.ways[wayDown], Seed: f.seed, Sleep: f.sleep}
	if f.upIsIn {
		cfg.Out, cfg.In = cfg.In, cfg.Out
	}
	link, err := emulate.New(d, cfg)
	if err != nil {
		return nil, err
	}
	f.link = link
	return link, nil
}

// newLinksTopic returns the help on emulated links. It is no command.
func newLinksTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "links",
		Short: "Emulated links: their flags and profiles",
		Long: `Serve, nc, run and gateway have flags that put an emulated link between minitcp and its device. The link works on packets:
it cuts GSO packets into segments first. Each flag is for both directions, or for one of them: --loss up:1%
--rate down:10mbit. Up is from the program, down is towards it. The program is minitcp for serve and nc, and COMMAND or
the client for run and gateway. A flag may be repeated; the last value of a direction holds.

  --loss 1%                     loses each packet with this probability
  --burst-loss p=1%,r=20%       loses packets in bursts, by the Gilbert-Elliott model with netem's names: a burst begins
                                with probability p and ends with probability r before each packet; 1-h of the packets in a
                                burst are lost (default 100%), and 1-k of the others (default 0%)
  --delay 40ms, 40ms±5ms        delays packets; jitter is evenly distributed, and packets keep their order
  --rate 10mbit                 limits the rate of IP packets: bit, kbit, mbit or gbit per second, in powers of 1000
  --queue 64kB                  limits the queue before that rate, in bytes, packets (100packets) or time (200ms); a packet
                                that would exceed it is dropped; 64kB,codel or codel also lets CoDel drop or mark (RFC 8289)
  --reorder 1%,20ms             lets packets arrive late by a time, so that later ones overtake them
  --duplicate 1%                delivers packets twice
  --corrupt 0.1%                inverts a random bit, so that a checksum fails
  --max-packet 1400             discards larger packets, without an ICMP message
  --trace-file FILE             lets 1500 bytes pass at each millisecond that FILE lists, one number a line; at its end it
                                begins again, as mahimahi does
  --seed 7                      makes the random faults those of another run with this seed
  --stats                       prints at the end the settings beside the measurements

At most 64 MiB of packets are on their way in a direction; --stats counts those beyond it. Profiles:

` + profileTable(),
	}
}
