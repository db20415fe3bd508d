// Package counters counts the events of a stack, by name.
package counters

import (
	"sync/atomic"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// Counter is one of the stack's own counters. The others count damaged packets and verdicts.
type Counter uint8

const (
	FramesReceived Counter = iota
	FramesSent
	FrameErrors
	SuperframesIn
	SuperframesOut
	Batches
	TimerRuns
	SegmentsReceived
	SegmentsSent
	BytesReceived
	BytesSent
	Retransmissions

	Dialed
	Accepted
	SYNQueueFull
	AcceptQueueFull
	QuotaFull
	NoMemory
	CookiesSent
	CookiesReceived
	CookiesFailed
	ResetsSent
	ResetsLimited
	Reopened
	TimeWaitEvicted
	OrphansReset
	StalledReset
	OutOfOrderShed
	MTUProbes
	MTUProbesFailed
	MTUBlackHoles
	FastOpenActive
	FastOpenActiveFailed
	FastOpenPassive
	FastOpenPassiveFailed
	FastOpenOverflow
	FastOpenRequests
	FastOpenBackupKey
	FastOpenBlackHoles
	AccurateECN
	AccurateECNFailed
	ECNFallbacks
	CEReceived
	CEDelivered
	ECNReductions

	DatagramsReceived
	DatagramsSent
	FragmentsSent

	ForwardRequests
	ForwardAccepted
	ForwardReset
	ForwardUnreachable
	ForwardDropped
	ForwardAbandoned
	Flows
	FlowsExpired
	FlowsEvicted
	FlowsFiltered

	ICMPReceived
	ICMPSent
	ICMPLimited
	ICMPIgnored

	DropNotOurs
	DropGroupDestination
	DropBadSource
	DropLand
	DropSYNFIN
	DropNoFlags
	DropStrayReset
	DropICMP
	DropProtocol
	DropUDPNoPort
	DropForwardLimited
	DropHopLimit
	DropUDPBufferFull
	DropPingBufferFull

	number
)

// names are the names in Stats. Those that begin with "dropped-" count dropped packets, as do those of full queues and
// of limits. "octets" in two names stands for bytes.
var names = [number]string{
	FramesReceived:   "frames-received",
	FramesSent:       "frames-sent",
	FrameErrors:      "frame-write-errors",
	SuperframesIn:    "superframes-received",
	SuperframesOut:   "superframes-sent",
	Batches:          "device-wakeups",
	TimerRuns:        "timer-wakeups",
	SegmentsReceived: "segments-received",
	SegmentsSent:     "segments-sent",
	BytesReceived:    "octets-received",
	BytesSent:        "octets-sent",
	Retransmissions:  "retransmissions",
	Dialed:           "connections-dialed",
	Accepted:         "connections-accepted",
	SYNQueueFull:     "listen-syn-queue-full",
	AcceptQueueFull:  "listen-accept-queue-full",
	QuotaFull:        "connections-limited",
	NoMemory:         "connections-no-memory",
	CookiesSent:      "syn-cookies-sent",
	CookiesReceived:  "syn-cookies-received",
	CookiesFailed:    "syn-cookies-failed",
	ResetsSent:       "resets-sent",
	ResetsLimited:    "resets-limited",
	Reopened:         "time-wait-reopened",
	TimeWaitEvicted:  "time-wait-evicted",
	OrphansReset:     "orphans-reset",
	StalledReset:     "stalled-reset",
	OutOfOrderShed:   "early-data-shed",
	MTUProbes:        "mtu-probes",
	MTUProbesFailed:  "mtu-probes-failed",
	MTUBlackHoles:    "mtu-black-holes",

	FastOpenActive:        "fast-open-active",
	FastOpenActiveFailed:  "fast-open-active-failed",
	FastOpenPassive:       "fast-open-passive",
	FastOpenPassiveFailed: "fast-open-passive-failed",
	FastOpenOverflow:      "fast-open-overflow",
	FastOpenRequests:      "fast-open-requests",
	FastOpenBackupKey:     "fast-open-backup-key",
	FastOpenBlackHoles:    "fast-open-black-holes",

	AccurateECN:       "accurate-ecn",
	AccurateECNFailed: "accurate-ecn-failed",
	ECNFallbacks:      "ecn-fallbacks",
	CEReceived:        "ce-received",
	CEDelivered:       "ce-delivered",
	ECNReductions:     "ecn-reductions",

	DatagramsReceived:    "udp-received",
	DatagramsSent:        "udp-sent",
	FragmentsSent:        "fragments-sent",
	ForwardRequests:      "forward-requests",
	ForwardAccepted:      "forward-accepted",
	ForwardReset:         "forward-reset",
	ForwardUnreachable:   "forward-unreachable",
	ForwardDropped:       "forward-dropped",
	Flows:                "udp-flows-opened",
	FlowsExpired:         "udp-flows-expired",
	FlowsEvicted:         "udp-flows-evicted",
	FlowsFiltered:        "udp-flows-filtered",
	ForwardAbandoned:     "forward-abandoned",
	ICMPReceived:         "icmp-received",
	ICMPSent:             "icmp-sent",
	ICMPLimited:          "icmp-limited",
	ICMPIgnored:          "icmp-ignored",
	DropNotOurs:          "dropped-not-ours",
	DropGroupDestination: "dropped-group-destination",
	DropBadSource:        "dropped-bad-source",
	DropLand:             "dropped-land",
	DropSYNFIN:           "dropped-syn-fin",
	DropNoFlags:          "dropped-no-flags",
	DropStrayReset:       "dropped-stray-reset",
	DropICMP:             "dropped-icmp",
	DropProtocol:         "dropped-protocol",
	DropUDPNoPort:        "dropped-udp-no-port",
	DropForwardLimited:   "forward-limited",
	DropHopLimit:         "dropped-hop-limit",
	DropUDPBufferFull:    "udp-receive-buffer-full",
	DropPingBufferFull:   "ping-receive-buffer-full",
}

// String returns the name of a counter.
func (c Counter) String() string { return names[c] }

// Totals are the numbers of events. The zero value counts none.
type Totals struct {
	own      [number]atomic.Uint64
	damaged  [64]atomic.Uint64            // indexed by wire.Error
	verdicts [conn.Verdicts]atomic.Uint64 // indexed by conn.Verdict
}

// Add counts n events.
func (t *Totals) Add(c Counter, n int) { t.own[c].Add(uint64(n)) }

// Count counts an event.
func (t *Totals) Count(c Counter) { t.own[c].Add(1) }

// Damaged counts a packet that is dropped because of an error in it, as "dropped-" and the name of the error.
func (t *Totals) Damaged(err wire.Error) { t.damaged[int(err)%len(t.damaged)].Add(1) }

// Verdict counts a segment, as "verdict-" and the name of its verdict.
func (t *Totals) Verdict(v conn.Verdict) { t.verdicts[int(v)%len(t.verdicts)].Add(1) }

// Put sets the present numbers in stats, by name.
func (t *Totals) Put(stats map[string]uint64) {
	for c, name := range names {
		stats[name] = t.own[c].Load()
	}
	for _, err := range wire.Errors() {
		stats["dropped-"+err.Name()] = t.damaged[err].Load()
	}
	for v := range conn.Verdicts {
		stats["verdict-"+conn.Verdict(v).Name()] = t.verdicts[v].Load()
	}
}
