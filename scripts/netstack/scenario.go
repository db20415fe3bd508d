package netstack

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"gvisor.dev/gvisor/pkg/tcpip"

	"minitcp/conn/conntest"
	"minitcp/conn/wire"
)

// options are the settings of gVisor in a scenario.
type options struct {
	sack, rack, nagle, moderate bool
	reno                        bool
	buffer                      int // bytes to send and to receive, or 0 for gVisor's default
}

// String lists the settings that differ from gVisor's defaults.
func (o options) String() string {
	parts := []string{"gVisor"}
	for _, p := range []struct {
		on   bool
		text string
	}{{!o.sack, "no-sack"}, {!o.rack, "no-rack"}, {o.nagle, "nagle"}, {o.moderate, "tunes"}, {o.reno, "reno"}} {
		if p.on {
			parts = append(parts, p.text)
		}
	}
	if o.buffer > 0 {
		parts = append(parts, fmt.Sprint("buffer ", o.buffer))
	}
	return strings.Join(parts, " ")
}

// settings returns the options in gVisor's form. gVisor retransmits for as long as minitcp does.
func (o options) settings() []tcpip.SettableTransportProtocolOption {
	sack, nagle, moderate := tcpip.TCPSACKEnabled(o.sack), tcpip.TCPDelayEnabled(o.nagle), tcpip.TCPModerateReceiveBufferOption(o.moderate)
	recovery, control := tcpip.TCPRecovery(0), tcpip.CongestionControlOption("cubic")
	if o.rack {
		recovery = tcpip.TCPRACKLossDetection
	}
	if o.reno {
		control = "reno"
	}
	retries, syns := tcpip.TCPMaxRetriesOption(1000), tcpip.TCPSynRetriesOption(255)
	all := []tcpip.SettableTransportProtocolOption{&sack, &nagle, &moderate, &recovery, &control, &retries, &syns}
	if o.buffer > 0 {
		all = append(all, &tcpip.TCPSendBufferSizeRangeOption{Min: 2048, Default: o.buffer, Max: o.buffer},
			&tcpip.TCPReceiveBufferSizeRangeOption{Min: 2048, Default: o.buffer, Max: o.buffer})
	}
	return all
}

// lossyBytes is the most data in bytes that an end sends over a path with many losses if it measures wrong round trips.
const lossyBytes = 200_000

// Draw returns the scenario of a seed in which gVisor is one end of every flow.
func Draw(seed uint64) conntest.Scenario {
	s := conntest.Draw(seed)
	r := rand.New(rand.NewPCG(seed, 20))
	one := func(of int) bool { return r.IntN(of) == 0 }
	o := options{sack: !one(4), rack: !one(4), nagle: one(2), moderate: one(2), reno: one(2)}
	if one(3) {
		o.buffer = 4096 << r.IntN(9)
	}
	s.Peer = conntest.Peer{Of: [...]string{"a", "b"}[r.IntN(2)], Text: o.String(), Excuse: excuse}
	s.Peer.New = func(s *conntest.Scenario, e *conntest.End) conntest.Foreign {
		cfg := Config{MTU: s.MTU, Seed: s.Seed}
		end, err := NewEnd(cfg, s.Header == wire.IPv6HeaderLen, e.Listening, o.settings())
		if err != nil {
			panic(err)
		}
		return end
	}
	s.Reboot = conntest.Reboot{}
	if s.Header == wire.IPv6HeaderLen {
		s.MTU = max(s.MTU, 1280)
	}
	// gVisor drops segments without timestamps once they are agreed on (RFC 7323 3.2).
	s.Link.Box.StripOf = s.Peer.Of
	// gVisor takes the age of an old echo for a round trip, and then waits for minutes after each loss.
	// Invented D-SACKs make minitcp expect those that gVisor does not send, with the same effect.
	if l := &s.Link; l.Loss+l.ACKLoss > 0.05 || l.Burst.Begin > 0 || l.Box.Strip > 0 {
		for i := range s.Flows {
			f := &s.Flows[i]
			if s.Peer.Of == "a" || l.Box.SACK > 0 {
				f.Up.Bytes = min(f.Up.Bytes, lossyBytes)
			}
			if s.Peer.Of == "b" || l.Box.SACK > 0 {
				f.Down.Bytes = min(f.Down.Bytes, lossyBytes)
			}
		}
	}
	// gVisor finds a smaller path MTU by ICMP only.
	for i := range s.Link.Narrows {
		if n := &s.Link.Narrows[i]; !n.Reports {
			n.Of = map[string]string{"a": "b", "b": "a"}[s.Peer.Of]
		}
	}
	return s
}
