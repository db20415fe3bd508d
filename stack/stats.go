package stack

import (
	"sync/atomic"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/memory"
)

// Stats holds totals since the stack was made, and a few current values, by name. Names do not change between versions.
// A counter of events that have not happened is present with the value 0. Packets that the device refuses count as
// sent, and the frames they are in as frame-write-errors. A wakeup is a batch of frames that were read from the device
// at once, or a run of the timers. With another Config.Conn.Pool than the stack's own, memory-used and memory-limit are
// absent.
type Stats map[string]uint64

// counter is one of the stack's own counters.
type counter uint8

const (
	countFramesReceived counter = iota
	countFramesSent
	countFrameErrors
	countSuperframesIn
	countSuperframesOut
	countBatches
	countTimerRuns
	countSegmentsReceived
	countSegmentsSent
	countBytesReceived
	countBytesSent
	countRetransmissions

	countDialed
	countAccepted
	countSYNQueueFull
	countAcceptQueueFull
	countQuotaFull
	countNoMemory
	countCookiesSent
	countCookiesReceived
	countCookiesFailed
	countResetsSent
	countResetsLimited
	countReopened
	countTimeWaitEvicted
	countOrphansReset
	countStalledReset
	countOutOfOrderShed
	countMTUProbes
	countMTUProbesFailed
	countMTUBlackHoles
	countFastOpenActive
	countFastOpenActiveFailed
	countFastOpenPassive
	countFastOpenPassiveFailed
	countFastOpenOverflow
	countFastOpenRequests
	countFastOpenBackupKey
	countFastOpenBlackHoles

	countDatagramsReceived
	countDatagramsSent
	countFragmentsSent

	countForwardRequests
	countForwardAccepted
	countForwardReset
	countForwardUnreachable
	countForwardDropped
	countForwardAbandoned
	countFlows
	countFlowsExpired
	countFlowsEvicted
	countFlowsFiltered

	countICMPReceived
	countICMPSent
	countICMPLimited
	countICMPIgnored

	dropNotOurs
	dropGroupDestination
	dropBadSource
	dropLand
	dropSYNFIN
	dropNoFlags
	dropStrayReset
	dropICMP
	dropProtocol
	dropUDPNoPort
	dropForwardLimited
	dropHopLimit
	dropUDPBufferFull
	dropPingBufferFull

	counters
)

// counterNames are the names in Stats. Those that begin with "dropped-" count dropped packets, as do those of full
// queues and of limits. Stats adds "dropped-" with each name of wire.Error. "octets" in two names stands for bytes.
var counterNames = [counters]string{
	countFramesReceived:   "frames-received",
	countFramesSent:       "frames-sent",
	countFrameErrors:      "frame-write-errors",
	countSuperframesIn:    "superframes-received",
	countSuperframesOut:   "superframes-sent",
	countBatches:          "device-wakeups",
	countTimerRuns:        "timer-wakeups",
	countSegmentsReceived: "segments-received",
	countSegmentsSent:     "segments-sent",
	countBytesReceived:    "octets-received",
	countBytesSent:        "octets-sent",
	countRetransmissions:  "retransmissions",
	countDialed:           "connections-dialed",
	countAccepted:         "connections-accepted",
	countSYNQueueFull:     "listen-syn-queue-full",
	countAcceptQueueFull:  "listen-accept-queue-full",
	countQuotaFull:        "connections-limited",
	countNoMemory:         "connections-no-memory",
	countCookiesSent:      "syn-cookies-sent",
	countCookiesReceived:  "syn-cookies-received",
	countCookiesFailed:    "syn-cookies-failed",
	countResetsSent:       "resets-sent",
	countResetsLimited:    "resets-limited",
	countReopened:         "time-wait-reopened",
	countTimeWaitEvicted:  "time-wait-evicted",
	countOrphansReset:     "orphans-reset",
	countStalledReset:     "stalled-reset",
	countOutOfOrderShed:   "early-data-shed",
	countMTUProbes:        "mtu-probes",
	countMTUProbesFailed:  "mtu-probes-failed",
	countMTUBlackHoles:    "mtu-black-holes",

	countFastOpenActive:        "fast-open-active",
	countFastOpenActiveFailed:  "fast-open-active-failed",
	countFastOpenPassive:       "fast-open-passive",
	countFastOpenPassiveFailed: "fast-open-passive-failed",
	countFastOpenOverflow:      "fast-open-overflow",
	countFastOpenRequests:      "fast-open-requests",
	countFastOpenBackupKey:     "fast-open-backup-key",
	countFastOpenBlackHoles:    "fast-open-black-holes",

	countDatagramsReceived:  "udp-received",
	countDatagramsSent:      "udp-sent",
	countFragmentsSent:      "fragments-sent",
	countForwardRequests:    "forward-requests",
	countForwardAccepted:    "forward-accepted",
	countForwardReset:       "forward-reset",
	countForwardUnreachable: "forward-unreachable",
	countForwardDropped:     "forward-dropped",
	countFlows:              "udp-flows-opened",
	countFlowsExpired:       "udp-flows-expired",
	countFlowsEvicted:       "udp-flows-evicted",
	countFlowsFiltered:      "udp-flows-filtered",
	countForwardAbandoned:   "forward-abandoned",
	countICMPReceived:       "icmp-received",
	countICMPSent:           "icmp-sent",
	countICMPLimited:        "icmp-limited",
	countICMPIgnored:        "icmp-ignored",
	dropNotOurs:             "dropped-not-ours",
	dropGroupDestination:    "dropped-group-destination",
	dropBadSource:           "dropped-bad-source",
	dropLand:                "dropped-land",
	dropSYNFIN:              "dropped-syn-fin",
	dropNoFlags:             "dropped-no-flags",
	dropStrayReset:          "dropped-stray-reset",
	dropICMP:                "dropped-icmp",
	dropProtocol:            "dropped-protocol",
	dropUDPNoPort:           "dropped-udp-no-port",
	dropForwardLimited:      "forward-limited",
	dropHopLimit:            "dropped-hop-limit",
	dropUDPBufferFull:       "udp-receive-buffer-full",
	dropPingBufferFull:      "ping-receive-buffer-full",
}

// totals are a stack's counters.
type totals struct {
	own      [counters]atomic.Uint64
	damaged  [64]atomic.Uint64            // indexed by wire.Error
	verdicts [conn.Verdicts]atomic.Uint64 // indexed by conn.Verdict
}

func (t *totals) add(c counter, n int) { t.own[c].Add(uint64(n)) }
func (t *totals) count(c counter)      { t.own[c].Add(1) }

func (t *totals) countDamaged(err wire.Error) { t.damaged[int(err)%len(t.damaged)].Add(1) }
func (t *totals) countVerdict(v conn.Verdict) { t.verdicts[int(v)%len(t.verdicts)].Add(1) }

// Stats returns the present counters. They are read one after the other, so that related counters may not agree.
func (s *Stack) Stats() Stats {
	stats := make(Stats)
	for c, name := range counterNames {
		stats[name] = s.totals.own[c].Load()
	}
	for _, err := range wire.Errors() {
		stats["dropped-"+err.Name()] = s.totals.damaged[err].Load()
	}
	for v := range conn.Verdicts {
		stats["verdict-"+conn.Verdict(v).Name()] = s.totals.verdicts[v].Load()
	}
	s.fragments.stats(stats)
	stats["udp-flows"] = uint64(s.udpForwarder.Load().count())
	stats["forward-pending"] = uint64(s.forwarder.Load().waiting())
	stats["connections"] = uint64(s.table.Len())
	stats["connections-stalled"] = uint64(s.stalls.Len())
	if pool, ok := s.cfg.Conn.Pool.(*memory.Pool); ok {
		stats["memory-used"] = uint64(max(0, pool.Bytes()))
		stats["memory-limit"] = uint64(pool.Limit())
	}
	stats["out-of-order-memory"] = uint64(s.outOfOrder.Total())
	return stats
}
