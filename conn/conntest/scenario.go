package conntest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"minitcp/conn"
	"minitcp/conn/netem"
)

// Scenario is the input of a simulation: a link and the connections that share it. [Draw] derives one from a seed.
type Scenario struct {
	Seed   uint64
	Link   Link
	Config conn.Config // of every end, except for the congestion control
	MTU    int
	Header int // bytes of the IP header
	Flows  []Flow
	Reboot Reboot
	Peer   Peer
	// FastOpen is used only if neither end reboots or is of another implementation, and without Cookies.
	FastOpen FastOpen
	// Cookies makes the ends that listen keep no handshakes. Draw leaves it false.
	Cookies bool
}

// Flow is one connection of a [Scenario].
type Flow struct {
	Start      time.Duration // time of the dial
	Delay      time.Duration // in addition to the link's
	Controller conn.CongestionControl
	Up, Down   Side // data of the end that dials, and of the other
}

// Side describes the application of one end.
type Side struct {
	Bytes int // bytes to send
	// WriteSize is the number of bytes per write, or 0 for a single write of all data. The next write follows after
	// WriteInterval or, with Turns, after the peer's next write has arrived.
	WriteSize     int
	WriteInterval time.Duration
	Turns         bool
	// ReadDelay is the time from the connection's start to the first read. Then all data is read at once, or with a
	// ReadInterval, up to ReadSize bytes per interval.
	ReadDelay, ReadInterval time.Duration
	ReadSize                int
	Ending                  Ending
}

// Draw returns the scenario of a seed.
func Draw(seed uint64) Scenario {
	d := &generator{rand.New(rand.NewPCG(seed, 3))}
	s := Scenario{Seed: seed, MTU: pick(d, 1500, 1500, 1500, 1500, 576, 1280, 9000), Header: pick(d, 20, 20, 40)}
	s.Config = d.config()
	s.Link = d.link()
	flows := 1
	if d.one(5) {
		flows = 2 + d.IntN(4)
	}
	for i := range flows {
		s.Flows = append(s.Flows, d.flow(flows))
		if i > 0 {
			s.Flows[i].Start = d.duration(2 * time.Second)
			s.Flows[i].Delay = pick(d, 0, 0, d.duration(50*time.Millisecond))
		}
	}
	if s.Link.Box = d.box(); s.Link.Box.AccECN.on() {
		s.Config.ECN = conn.ECNAccurate
	}
	switch {
	case d.one(100):
		d.holes(&s)
	case !s.Link.Box.on() && d.one(20):
		d.reboot(&s)
	}
	s.Config.MTUProbing = pick(d, conn.MTUProbingAuto, conn.MTUProbingAuto, conn.MTUProbingAuto, conn.MTUProbingAlways, conn.MTUProbingOff)
	if d.one(10) {
		d.narrow(&s)
	}
	// A sequence of its own does not change the rest of the scenario.
	if bulk := (&generator{rand.New(rand.NewPCG(seed, 7))}); bulk.one(bulkEvery) {
		bulk.bulk(&s)
	}
	if e := (&generator{rand.New(rand.NewPCG(seed, 11))}); e.one(endingEvery) && s.Reboot.Of == "" && s.Link.Periodic.Of == 0 {
		f := &s.Flows[e.IntN(len(s.Flows))]
		e.ending(pick(e, &f.Up, &f.Down))
	}
	if f := (&generator{rand.New(rand.NewPCG(seed, 13))}); f.one(fastOpenEvery) {
		s.FastOpen = f.fastOpen(&s)
	}
	return s
}

// Of bulkEvery scenarios one is long, and of endingEvery an application ends a connection other than by half-close.
const (
	bulkEvery   = 8
	endingEvery = 8
)

// bulk makes the first connection of a scenario send up to several megabytes in one or both directions.
func (d *generator) bulk(s *Scenario) {
	f := &s.Flows[0]
	if s.Reboot.Of != "" || s.Link.Periodic.Of > 0 || f.Up.Turns {
		return
	}
	for _, side := range pick(d, []*Side{&f.Up}, []*Side{&f.Down}, []*Side{&f.Up, &f.Down}) {
		side.Bytes = 200_000 + d.IntN(4_000_000)
		if side.WriteSize > 0 {
			side.WriteSize = max(side.WriteSize, side.Bytes/200)
		}
	}
}

// narrow makes the path of a scenario carry small packets only, from a time on or for a while, with or without ICMP
// messages.
func (d *generator) narrow(s *Scenario) {
	least := 576
	if s.Header == 40 {
		least = 1280
	}
	if s.MTU <= least || s.Link.Box.on() || s.Link.Periodic.Of > 0 {
		return
	}
	n := Narrow{From: sometimes(d, 2, d.duration(2*time.Second)), To: maxScenario, Reports: d.one(2), Of: pick(d, "", "a", "b")}
	for range 1 + d.IntN(2) {
		n.MTU = max(least, min(pick(d, least, 1280, 1400, least+d.IntN(s.MTU-least)), s.MTU-1))
		if d.one(3) {
			n.To = n.From + d.duration(20*time.Second)
		}
		s.Link.Narrows = append(s.Link.Narrows, n)
		n.From, n.To = n.From+d.duration(3*time.Second), maxScenario
	}
	s.Link.Cut = true
	if !n.Reports && s.Config.MTUProbing == conn.MTUProbingOff {
		s.Config.MTUProbing = conn.MTUProbingAuto
	}
}

// holes gives a scenario a long, fast path with periodic loss, which leaves hundreds to thousands of gaps in one
// window.
func (d *generator) holes(s *Scenario) {
	s.Config.WindowScale, s.Config.SACK = conn.Enabled, conn.Enabled
	s.Config.ReceiveBuffer, s.Config.SendBuffer = 8<<20, 8<<20
	s.Link = Link{Delay: 100*ms + d.duration(200*ms), GSOMaxSize: 65000, Cut: true, Box: s.Link.Box}
	at := 16 * s.Link.Delay // after seven round trips of slow start
	s.Link.Periodic = Periodic{At: at, To: at + 2*s.Link.Delay, Of: 2 + d.IntN(6)}
	s.Flows = s.Flows[:1]
	s.Flows[0] = Flow{Controller: s.Flows[0].Controller, Up: Side{Bytes: 3_000_000 + d.IntN(3_000_000)}, Down: Side{Bytes: d.IntN(3000)}}
}

// reboot reduces a scenario to one connection whose end reboots.
func (d *generator) reboot(s *Scenario) {
	s.Flows = s.Flows[:1]
	s.Reboot = Reboot{At: pick(d, d.duration(200*ms), d.duration(500*ms), d.duration(2*time.Second), d.duration(65*time.Second)), Of: pick(d, "a", "b")}
	s.Reboot.Down = pick(d, ms, d.duration(time.Second), d.duration(10*time.Second))
}

// box draws a Box. It is drawn after the link and the flows, so that it does not change them.
func (d *generator) box() Box {
	var b Box
	whose := func() string { return pick(d, "", "a", "b") }
	switch d.IntN(16) {
	case 0:
		b.Strip, b.StripOf, b.StripAt = pick(d, 1, 1, d.probability(1)), whose(), sometimes(d, 2, d.duration(time.Second))
	case 1:
		b.ShrinkOf = whose()
		for range 1 + d.IntN(3) {
			from := d.duration(2 * time.Second)
			b.Shrinks = append(b.Shrinks, Shrink{from, from + pick(d, d.duration(300*ms), d.duration(5*time.Second)), uint16(pick(d, 0, 1, d.IntN(20), d.IntN(200), d.IntN(5000)))})
		}
	case 2:
		b.SACK, b.SACKOf = pick(d, 1, d.probability(1), d.probability(0.1)), whose()
	case 3:
		b.ICMP, b.MTU = pick(d, 0.5, d.probability(0.1)), pick(d, 0, 68, 296, 576, -1500, -10_000)
	case 4:
		b.Blind = pick(d, 0.5, d.probability(0.1))
	case 5:
		b.AccECN = AccurateBox{ClearSYN: d.one(5), ClearField: d.one(5), Strip: d.one(5), Zero: d.one(5), Drop: d.one(3), Of: whose()}
	}
	return b
}

// generator draws random values.
type generator struct{ *rand.Rand }

func (d *generator) one(of int) bool { return d.IntN(of) == 0 }
func (d *generator) duration(t time.Duration) time.Duration {
	return time.Duration(d.Int64N(int64(t/ms))+1) * ms
}
func (d *generator) probability(largest float64) float64 {
	return float64(1+d.IntN(1000)) / 1000 * largest
}
func pick[T any](d *generator, from ...T) T { return from[d.IntN(len(from))] }
func sometimes[T any](d *generator, of int, value T) (v T) {
	if d.one(of) {
		return value
	}
	return v
}

const ms = time.Millisecond

const (
	// retryLimit is the time for which connections retransmit.
	retryLimit = 2 * time.Hour
	// maxScenario is the maximum duration of a scenario in virtual time.
	maxScenario = 6 * time.Hour
)

// config draws a configuration.
func (d *generator) config() conn.Config {
	cfg := conn.Config{
		Timestamps:  sometimes(d, 4, conn.Disabled),
		SACK:        sometimes(d, 4, conn.Disabled),
		WindowScale: sometimes(d, 4, conn.Disabled),
		Pacing:      sometimes(d, 6, conn.Disabled),
		Nagle:       sometimes(d, 2, conn.Nagle),
		ECN:         pick(d, conn.ECNPassive, conn.ECNActive, conn.ECNDisabled, conn.ECNAccurate),
		DelayedACK:  sometimes(d, 6, d.duration(200*ms)),
		// Long enough for every connection to complete, whatever number of packets is lost in a row.
		R2: retryLimit, SYNTimeout: retryLimit,
	}
	if d.one(4) {
		cfg.ReceiveBuffer, cfg.SendBuffer = 2048<<d.IntN(8), 2048<<d.IntN(8)
	}
	return cfg
}

// link draws a link.
func (d *generator) link() Link {
	l := Link{
		Delay:       pick(d, ms/100, ms/20, d.duration(20*ms), d.duration(20*ms), d.duration(150*ms)),
		GSOMaxSize:  pick(d, 1, 16000, 65000),
		Cut:         d.one(2),
		Loss:        pick(d, 0, 0, d.probability(0.01), d.probability(0.05), d.probability(0.2)),
		ACKLoss:     sometimes(d, 8, d.probability(0.3)),
		ACKThinning: sometimes(d, 10, d.duration(20*ms)),
		Duplication: sometimes(d, 5, d.probability(0.1)),
		Corruption:  sometimes(d, 8, d.probability(0.02)),
		Marking:     sometimes(d, 8, d.probability(0.1)),
		Jitter:      sometimes(d, 5, d.duration(20*ms)),
	}
	if d.one(6) {
		l.Burst = netem.Burst{Begin: d.probability(0.02), End: 0.05 + d.probability(0.5), Loss: 0.3 + d.probability(0.6)}
	}
	if d.one(5) {
		l.Reordering, l.ReorderingDelay = d.probability(0.1), 1+l.Delay/4+time.Duration(d.Int64N(int64(1+l.Delay)))
	}
	if d.one(2) {
		l.Rate = 50_000 << d.IntN(8)
		l.Queue = max(20_000, int(int64(l.Rate)*int64(pick(d, 10, 50, 200, 1000))/1000))
		l.Discipline = pick(d, netem.DropTail, netem.CoDel)
		l.Cut = true
	}
	if d.one(10) {
		l.Changes = []Change{{At: d.duration(3 * time.Second), Delay: d.duration(200 * ms)}}
		if d.one(2) {
			l.Changes = append(l.Changes, Change{At: l.Changes[0].At + d.duration(3*time.Second), Delay: l.Delay})
		}
	}
	if d.one(10) {
		from := d.duration(2 * time.Second)
		l.Outages = []Outage{{from, from + pick(d, d.duration(time.Second), d.duration(20*time.Second))}}
	}
	return l
}

// flow draws one of several flows.
func (d *generator) flow(of int) Flow {
	f := Flow{Controller: pick(d, conn.CUBIC, conn.CUBIC, conn.Reno, conn.BBR)}
	f.Up, f.Down = d.side(of), d.side(of)
	if d.one(6) {
		f.Up.Turns, f.Down.Turns = true, true
		n := 1 + d.IntN(30)
		f.Up.WriteSize, f.Down.WriteSize = 1+d.IntN(5000), 1+d.IntN(5000)
		f.Up.Bytes, f.Down.Bytes = n*f.Up.WriteSize, n*f.Down.WriteSize
	}
	return f
}

// side draws the application of one end of several flows.
func (d *generator) side(of int) Side {
	s := Side{Bytes: pick(d, 0, d.IntN(3000), d.IntN(200_000), d.IntN(600_000)) / of}
	if d.one(4) {
		s.WriteSize = 1 + d.IntN(20_000)
		s.WriteInterval = d.duration(300 * ms)
		s.Bytes = min(s.Bytes, 40*s.WriteSize)
	}
	switch d.IntN(8) {
	case 0:
		s.ReadDelay = d.duration(5 * time.Second)
	case 1:
		s.ReadInterval, s.ReadSize = d.duration(100*ms), 500+d.IntN(20_000)
	}
	return s
}

// String returns the scenario in one line, without fields that are zero.
func (s Scenario) String() string {
	d := &description{}
	fmt.Fprintf(d, "seed %d:", s.Seed)
	d.link(&s.Link)
	d.add("mtu", s.MTU)
	d.add("ip-header", s.Header)
	d.config(&s)
	for i, f := range s.Flows {
		d.flow(i, f)
	}
	return d.String()
}

// description is the text of a scenario.
type description struct{ strings.Builder }

// add adds a name and a value, unless that is zero or the default.
func (d *description) add(name string, value any) {
	switch text := fmt.Sprint(value); text {
	case "", "0", "0s", "[]", "enabled", "drop-tail", "false", "auto":
	default:
		fmt.Fprintf(d, " %s %s", name, text)
	}
}

func (d *description) link(l *Link) {
	d.add("delay", l.Delay)
	d.add("jitter", l.Jitter)
	d.add("changes", l.Changes)
	d.add("outages", l.Outages)
	d.add("loss", l.Loss)
	if l.Burst.Begin > 0 {
		d.add("burst", fmt.Sprintf("%+v", l.Burst))
	}
	d.add("ack-loss", l.ACKLoss)
	d.add("ack-thinning", l.ACKThinning)
	d.add("duplication", l.Duplication)
	d.add("corruption", l.Corruption)
	d.add("marking", l.Marking)
	d.add("reordering", l.Reordering)
	d.add("by", l.ReorderingDelay)
	d.add("rate", l.Rate)
	d.add("queue", l.Queue)
	d.add("discipline", l.Discipline)
	if l.Periodic.Of > 0 {
		d.add("periodic", fmt.Sprintf("%+v", l.Periodic))
	}
	for _, n := range l.Narrows {
		d.add("narrow", fmt.Sprintf("%+v", n))
	}
	d.add("box", l.Box)
	d.add("gso-max-size", l.GSOMaxSize)
	d.add("cut", l.Cut)
}

func (d *description) config(s *Scenario) {
	c := &s.Config
	for _, f := range []struct {
		name    string
		feature conn.Feature
	}{{"timestamps", c.Timestamps}, {"sack", c.SACK}, {"window-scale", c.WindowScale}, {"pacing", c.Pacing}} {
		if f.feature == conn.Disabled {
			fmt.Fprintf(d, " no-%s", f.name)
		}
	}
	if s.Reboot.Of != "" {
		d.add("reboot", fmt.Sprintf("%+v", s.Reboot))
	}
	d.add("cookies", s.Cookies)
	if s.FastOpen.Used {
		d.add("fast-open", fmt.Sprintf("%+v", s.FastOpen))
	}
	d.add(s.Peer.Of+" is", s.Peer.Text)
	d.add("nagle", c.Nagle == conn.Nagle)
	d.add("ecn", c.ECN)
	d.add("mtu-probing", c.MTUProbing)
	d.add("delayed-ack", c.DelayedACK)
	d.add("receive-buffer", c.ReceiveBuffer)
	d.add("send-buffer", c.SendBuffer)
}

func (d *description) flow(i int, f Flow) {
	fmt.Fprintf(d, "; flow %d", i)
	d.add("start", f.Start)
	d.add("delay", f.Delay)
	d.add("", f.Controller)
	for _, side := range []struct {
		name string
		Side
	}{{"up", f.Up}, {"down", f.Down}} {
		fmt.Fprintf(d, " %s %d", side.name, side.Bytes)
		d.add("in pieces of", side.WriteSize)
		d.add("every", side.WriteInterval)
		if side.Turns {
			d.add("in", "turns")
		}
		d.add("reads after", side.ReadDelay)
		d.add("reads every", side.ReadInterval)
		d.add("up to", side.ReadSize)
		if side.Ending != HalfClose {
			d.add("then", side.Ending)
		}
	}
}
