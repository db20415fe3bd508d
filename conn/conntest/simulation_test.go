package conntest

import (
	"testing"

	"minitcp/conn/wire"
)

// Every scenario obeys all rules, delivers all data and ends. More seeds: go run ./scripts/simulate.
func TestScenarios(t *testing.T) {
	for seed := range uint64(200) {
		s := Draw(seed)
		if _, err := s.Run(nil); err != nil {
			t.Errorf("%v\n%v\nladder diagram: go run ./scripts/simulate -replay %d", err, s, seed)
		}
	}
}

// A listener that keeps no handshakes makes no difference.
func TestScenariosWithCookies(t *testing.T) {
	for seed := range uint64(200) {
		s := Draw(seed)
		s.Cookies = true
		if _, err := s.Run(nil); err != nil {
			t.Errorf("%v\n%v\nladder diagram: go run ./scripts/simulate --cookies --replay %d", err, s, seed)
		}
	}
}

// Data in SYNs makes no difference either: with a valid or a wrong cookie, lost, duplicated or overtaken. All cases
// occur.
func TestScenariosWithFastOpen(t *testing.T) {
	outcomes := make(map[string]int)
	for seed := range uint64(200) {
		s := Draw(seed)
		if s.Reboot.Of != "" {
			continue
		}
		if !s.FastOpen.Used {
			s.FastOpen = FastOpen{Used: true, Wrong: seed%4 == 0, MSS: uint16(s.MTU - s.Header - 20)}
		}
		var client *End
		_, err := s.Run(func(_ int, v *Event) {
			if client == nil && v.From.Name == "a" {
				client = v.From
			}
			if v.Arrived && v.Segment.TCP.Flags.Has(wire.SYN) && v.To.Name == "b" && len(v.Segment.Data) > 0 && v.Copied {
				outcomes["duplicated"]++
			}
		})
		if err != nil {
			t.Errorf("%v\n%v", err, s)
		}
		if client == nil {
			continue // the application has closed the connection before it had written
		}
		i := client.Conn.Info(0)
		switch {
		case i.SYNData:
			outcomes["accepted"]++
		default:
			outcomes[i.FastOpenFailure.String()]++
		}
	}
	for outcome, least := range map[string]int{"accepted": 100, "data not acknowledged": 20, "SYN retransmitted": 5, "duplicated": 1} {
		if outcomes[outcome] < least {
			t.Errorf("%d scenarios with the outcome %q, want at least %d", outcomes[outcome], outcome, least)
		}
	}
}

// Seeds that broke a rule before a fix obey all rules.
func TestFixedFailures(t *testing.T) {
	for seed, was := range map[uint64]string{
		7613:    "both windows shrank, and each end dropped the other's ACKs as duplicates until R2",
		7945:    "as 7613, one byte before RCV.NXT",
		8833:    "as 7613, on a lossless link",
		3551:    "retransmissions sent at the same time as new data, but after it, were sent twice",
		3943:    "the same",
		6881:    "the same",
		7166:    "the same",
		8168:    "the same",
		6197:    "without SACK, the limit of undone episodes made every later timeout retransmit all data in flight",
		20346:   "each end had filled the other's window with lost data, and ignored the ACKs at its right edge",
		159051:  "ACKs of smaller segments, sooner than the shortest round trip, measured minutes",
		501962:  "a pause after an ECN mark lasted as long as the backoff of the window probes before it",
		1001061: "a window in data out of order made those of later ACKs, with lower numbers, count as old for hours",
		1010141: "the same",
		1175933: "a middlebox removed timestamps, and the echo of the last one was taken for round trips of minutes",
		1138707: "without timestamps, a window that closed and opened ended the backoff, and each segment timed out",
		107788:  "every ACK with an option of AccECN was lost, and all ACKs of new data had one",
		115533:  "the same",
		102984:  "a challenge ACK in SYN-RECEIVED had no ACE field",
		200424:  "a middlebox replaced SACK blocks, and the echo before a timeout was taken for a round trip of two minutes",
		140719:  "without SACK, each ACK of a window in flight at a needless fast retransmission repeated a segment",
		194019:  "without SACK, no fast retransmission followed an undone one in its window, and a timeout repeated all data",
		210594:  "the ACK of an original, taken for that of its retransmission, marked new data of the same instant lost",
		253157:  "Packet Too Big had segments sent again that had passed the router before the one that it quotes",
		2032455: "the same",
		341430:  "small segments that had arrived before a timeout restored a size that the path does not carry, again and again",
		535540:  "a path had become shorter, and each ACK of a retransmission after a timeout was taken for that of the original",
		305090:  "without SACK, ACKs of data that had arrived before a timeout enlarged the window that repeated the rest",
		306334:  "without timestamps, the ACK of an original of a path grown longer was taken for that of a retransmission",
		2206875: "retransmissions in TIME-WAIT used up the ACKs in reply to SYNs, and a peer that had rebooted waited 7 s",
		2252901: "the same",
		// The bound on the packets after a reboot counted data that ACKs in flight, or ICMP messages, had permitted.
		208541:  "142 packets, of which 43 segments of new data and a RST in reply to each",
		219584:  "112 packets, most of them one burst of new data",
		4016252: "the same, after the ICMP message about a narrow path",
		2046660: "a server of Fast Open had heard nothing for 32 s, and its client was refused",
		1687307: "a middlebox removed timestamps, and one echo proved each timeout spurious, so that each segment timed out",
		6690632: "the same, with a window of segments that RACK's timer marked lost after the last ACK",
		719785:  "old segments used up the ACKs in reply to SYNs, and a peer that had rebooted waited 7 s",
		1129003: "BBR paced one segment a second, and each timed out, as its first rate spanned a timeout",
		1003840: "a reader whose peer had vanished with a lost RST was called every 3 ms for hours",
		// The oracle explained neither timeouts by ACKs held for 200 ms, nor two repetitions by jitter alone.
		723926: "9 timeouts, where 15 ACKs were held",
		806851: "1.6 repetitions of each segment, at a jitter of 250 round trips",
		// The successors of ends that reboot had the keep-alive of the first connection.
		6683275: "nine probes of keep-alive or their replies were lost, while a retransmission waited for its timer",
		// F-RTO waited for room in the window.
		6901:  "one segment left per timeout in a window that had shrunk below SND.NXT",
		16513: "the same",
		27002: "the same",
	} {
		if _, err := Draw(seed).Run(nil); err != nil {
			t.Errorf("seed %d (%s): %v", seed, was, err)
		}
	}
}

// The scenarios with faults that are fixed pass with listeners that send cookies, too.
func TestFixedFailuresWithCookies(t *testing.T) {
	for seed, was := range map[uint64]string{
		323:     "the handshake of a copy of the SYN reset the connection of a cookie",
		1067315: "without SACK, duplicate ACKs of the last episode began the next one, for ever",
	} {
		s := Draw(seed)
		s.Cookies = true
		if _, err := s.Run(nil); err != nil {
			t.Errorf("seed %d (%s): %v", seed, was, err)
		}
	}
}
