package conntest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"minitcp/conn"
)

// Scenario is everything a simulation is made of: a link, and connections that share it. [Draw] makes one of a seed.
type Scenario struct {
	Seed   uint64
	Link   Link
	Config conn.Config // of every end, but for the controller
	MTU    int
	Header int // octets of IP header
	Flows  []Flow
	Reboot Reboot
}

// Flow is one of the connections.
type Flow struct {
	Start      time.Duration // when it dials
	Delay      time.Duration // on top of the link's
	Controller conn.CongestionControl
	Up, Down   Side // the one who dials sends up
}

// Side is what an application does.
type Side struct {
	Octets int // to send, in all
	// Piece is how much is written at once; 0: all. The next follows after Pause; if Turns, when the peer's next piece has
	// come.
	Piece int
	Pause time.Duration
	Turns bool
	// Rest is for how long after the connection's start nothing is read; then all is, or, every Every, up to Sip octets.
	Rest, Every time.Duration
	Sip         int
}

// Draw makes a scenario of a seed: always the same of the same.
func Draw(seed uint64) Scenario {
	d := &lots{rand.New(rand.NewPCG(seed, 3))}
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
			s.Flows[i].Start = d.upTo(2 * time.Second)
			s.Flows[i].Delay = pick(d, 0, 0, d.upTo(50*time.Millisecond))
		}
	}
	s.Link.Box = d.box()
	switch {
	case d.one(100):
		d.holes(&s)
	case !s.Link.Box.on() && d.one(20):
		d.reboot(&s)
	}
	return s
}

// holes makes a scenario one long, fat path whose periods of loss leave hundreds to thousands of holes in a window.
func (d *lots) holes(s *Scenario) {
	s.Config.WindowScale, s.Config.SACK = conn.Enabled, conn.Enabled
	s.Config.ReceiveBuffer, s.Config.SendBuffer = 8<<20, 8<<20
	s.Link = Link{Delay: 100*ms + d.upTo(200*ms), Superframes: 65000, Cut: true, Box: s.Link.Box}
	at := 16 * s.Link.Delay // the window has grown for seven round trips
	s.Link.Periodic = Periodic{At: at, To: at + 2*s.Link.Delay, Of: 2 + d.IntN(6)}
	s.Flows = s.Flows[:1]
	s.Flows[0] = Flow{Controller: s.Flows[0].Controller, Up: Side{Octets: 3_000_000 + d.IntN(3_000_000)}, Down: Side{Octets: d.IntN(3000)}}
}

// reboot makes an end of a scenario with one connection lose its state.
func (d *lots) reboot(s *Scenario) {
	s.Flows = s.Flows[:1]
	s.Reboot = Reboot{At: pick(d, d.upTo(200*ms), d.upTo(500*ms), d.upTo(2*time.Second), d.upTo(65*time.Second)), Of: pick(d, "a", "b")}
	s.Reboot.Down = pick(d, ms, d.upTo(time.Second), d.upTo(10*time.Second))
	s.Config.KeepAlive = rebootKeepAlive
}

// box draws odd and hostile peers. It is drawn last: everything else of a scenario is as it was without.
func (d *lots) box() Box {
	var b Box
	whose := func() string { return pick(d, "", "a", "b") }
	switch d.IntN(16) {
	case 0:
		b.Strip, b.StripOf, b.StripAt = pick(d, 1, 1, d.probability(1)), whose(), sometimes(d, 2, d.upTo(time.Second))
	case 1:
		b.ShrinkOf = whose()
		for range 1 + d.IntN(3) {
			from := d.upTo(2 * time.Second)
			b.Shrinks = append(b.Shrinks, Shrink{from, from + pick(d, d.upTo(300*ms), d.upTo(5*time.Second)), uint16(pick(d, 0, 1, d.IntN(20), d.IntN(200), d.IntN(5000)))})
		}
	case 2:
		b.SACK, b.SACKOf = pick(d, 1, d.probability(1), d.probability(0.1)), whose()
	case 3:
		b.ICMP, b.MTU = pick(d, 0.5, d.probability(0.1)), pick(d, 0, 68, 296, 576, -1500, -10_000)
	}
	return b
}

// lots draws.
type lots struct{ *rand.Rand }

func (d *lots) one(of int) bool { return d.IntN(of) == 0 }
func (d *lots) upTo(t time.Duration) time.Duration {
	return time.Duration(d.Int64N(int64(t/ms))+1) * ms
}
func (d *lots) probability(largest float64) float64 { return float64(1+d.IntN(1000)) / 1000 * largest }
func pick[T any](d *lots, from ...T) T              { return from[d.IntN(len(from))] }
func sometimes[T any](d *lots, of int, value T) (v T) {
	if d.one(of) {
		return value
	}
	return v
}

const ms = time.Millisecond

const (
	// patience is for how long connections go on trying.
	patience = 2 * time.Hour
	// maxScenario is how long a scenario may take, in its own time.
	maxScenario = 6 * time.Hour
)

func (d *lots) config() conn.Config {
	cfg := conn.Config{
		Timestamps:  sometimes(d, 4, conn.Disabled),
		SACK:        sometimes(d, 4, conn.Disabled),
		WindowScale: sometimes(d, 4, conn.Disabled),
		Pacing:      sometimes(d, 6, conn.Disabled),
		Nagle:       sometimes(d, 2, conn.Nagle),
		ECN:         pick(d, conn.ECNPassive, conn.ECNActive, conn.ECNDisabled),
		DelayedACK:  sometimes(d, 6, d.upTo(200*ms)),
		// Every one is to come to its end, however many are lost in a row.
		R2: patience, SYNTimeout: patience,
	}
	if d.one(4) {
		cfg.ReceiveBuffer, cfg.SendBuffer = 2048<<d.IntN(8), 2048<<d.IntN(8)
	}
	return cfg
}

func (d *lots) link() Link {
	l := Link{
		Delay:       pick(d, ms/100, ms/20, d.upTo(20*ms), d.upTo(20*ms), d.upTo(150*ms)),
		Superframes: pick(d, 1, 16000, 65000),
		Cut:         d.one(2),
		Loss:        pick(d, 0, 0, d.probability(0.01), d.probability(0.05), d.probability(0.2)),
		ACKLoss:     sometimes(d, 8, d.probability(0.3)),
		ACKThinning: sometimes(d, 10, d.upTo(20*ms)),
		Duplication: sometimes(d, 5, d.probability(0.1)),
		Corruption:  sometimes(d, 8, d.probability(0.02)),
		Marking:     sometimes(d, 8, d.probability(0.1)),
		Jitter:      sometimes(d, 5, d.upTo(20*ms)),
	}
	if d.one(6) {
		l.Burst = Burst{Begin: d.probability(0.02), End: 0.05 + d.probability(0.5), Loss: 0.3 + d.probability(0.6)}
	}
	if d.one(5) {
		l.Reordering, l.ReorderingDelay = d.probability(0.1), 1+l.Delay/4+time.Duration(d.Int64N(int64(1+l.Delay)))
	}
	if d.one(2) {
		l.Rate = 50_000 << d.IntN(8)
		l.Queue = max(20_000, int(int64(l.Rate)*int64(pick(d, 10, 50, 200, 1000))/1000))
		l.Discipline = pick(d, DropTail, CoDel)
		l.Cut = true
	}
	if d.one(10) {
		l.Changes = []Change{{At: d.upTo(3 * time.Second), Delay: d.upTo(200 * ms)}}
		if d.one(2) {
			l.Changes = append(l.Changes, Change{At: l.Changes[0].At + d.upTo(3*time.Second), Delay: l.Delay})
		}
	}
	if d.one(10) {
		from := d.upTo(2 * time.Second)
		l.Outages = []Outage{{from, from + pick(d, d.upTo(time.Second), d.upTo(20*time.Second))}}
	}
	return l
}

func (d *lots) flow(of int) Flow {
	f := Flow{Controller: pick(d, conn.CUBIC, conn.CUBIC, conn.Reno, conn.BBR)}
	f.Up, f.Down = d.side(of), d.side(of)
	if d.one(6) {
		f.Up.Turns, f.Down.Turns = true, true
		n := 1 + d.IntN(30)
		f.Up.Piece, f.Down.Piece = 1+d.IntN(5000), 1+d.IntN(5000)
		f.Up.Octets, f.Down.Octets = n*f.Up.Piece, n*f.Down.Piece
	}
	return f
}

func (d *lots) side(of int) Side {
	s := Side{Octets: pick(d, 0, d.IntN(3000), d.IntN(200_000), d.IntN(600_000)) / of}
	if d.one(4) {
		s.Piece = 1 + d.IntN(20_000)
		s.Pause = d.upTo(300 * ms)
		s.Octets = min(s.Octets, 40*s.Piece)
	}
	switch d.IntN(8) {
	case 0:
		s.Rest = d.upTo(5 * time.Second)
	case 1:
		s.Every, s.Sip = d.upTo(100*ms), 500+d.IntN(20_000)
	}
	return s
}

// String is the scenario in one line; what is not said is as its zero value.
func (s Scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d:", s.Seed)
	add := func(name string, value any) {
		if text := fmt.Sprint(value); text != "" && text != "0" && text != "0s" && text != "[]" && text != "enabled" && text != "drop-tail" && text != "false" {
			fmt.Fprintf(&b, " %s %s", name, text)
		}
	}
	l, c := &s.Link, &s.Config
	add("delay", l.Delay)
	add("jitter", l.Jitter)
	add("changes", l.Changes)
	add("outages", l.Outages)
	add("loss", l.Loss)
	if l.Burst.Begin > 0 {
		add("burst", fmt.Sprintf("%+v", l.Burst))
	}
	add("ack-loss", l.ACKLoss)
	add("ack-thinning", l.ACKThinning)
	add("duplication", l.Duplication)
	add("corruption", l.Corruption)
	add("marking", l.Marking)
	add("reordering", l.Reordering)
	add("by", l.ReorderingDelay)
	add("rate", l.Rate)
	add("queue", l.Queue)
	add("discipline", l.Discipline)
	if l.Periodic.Of > 0 {
		add("periodic", fmt.Sprintf("%+v", l.Periodic))
	}
	add("box", l.Box)
	add("superframes", l.Superframes)
	add("cut", l.Cut)
	add("mtu", s.MTU)
	add("ip-header", s.Header)
	for _, f := range []struct {
		name    string
		feature conn.Feature
	}{{"timestamps", c.Timestamps}, {"sack", c.SACK}, {"window-scale", c.WindowScale}, {"pacing", c.Pacing}} {
		if f.feature == conn.Disabled {
			fmt.Fprintf(&b, " no-%s", f.name)
		}
	}
	if s.Reboot.Of != "" {
		add("reboot", fmt.Sprintf("%+v", s.Reboot))
	}
	add("nagle", c.Nagle == conn.Nagle)
	add("ecn", c.ECN)
	add("delayed-ack", c.DelayedACK)
	add("receive-buffer", c.ReceiveBuffer)
	add("send-buffer", c.SendBuffer)
	for i, f := range s.Flows {
		fmt.Fprintf(&b, "; flow %d", i)
		add("start", f.Start)
		add("delay", f.Delay)
		add("", f.Controller)
		for _, side := range []struct {
			name string
			Side
		}{{"up", f.Up}, {"down", f.Down}} {
			fmt.Fprintf(&b, " %s %d", side.name, side.Octets)
			add("in pieces of", side.Piece)
			add("every", side.Pause)
			if side.Turns {
				add("in", "turns")
			}
			add("reads after", side.Rest)
			add("reads every", side.Every)
			add("up to", side.Sip)
		}
	}
	return b.String()
}
