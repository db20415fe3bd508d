//go:build linux

package control

import (
	"strings"

	"minitcp/conn"
	"minitcp/stack"
)

// Counter is a counter under the name that nstat(8) prints.
type Counter struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// kernelCounters maps the kernel's names (/proc/net/snmp, /proc/net/netstat) to the counters of a stack, in nstat's
// order. Several counters of a stack are added.
var kernelCounters = []struct {
	name string
	of   []string
}{
	{"IpInReceives", []string{"frames-received"}},
	{"IpInHdrErrors", []string{"dropped-ip-version", "dropped-ipv4-header-length", "dropped-ipv4-total-length", "dropped-ipv4-checksum", "dropped-hop-limit", "dropped-truncated", "dropped-ipv6-payload-length", "dropped-ipv6-extension", "dropped-ipv6-option", "dropped-ipv6-jumbogram", "dropped-virtio-header"}},
	{"IpInAddrErrors", []string{"dropped-not-ours", "dropped-bad-source", "dropped-group-destination", "dropped-land"}},
	{"IpOutRequests", []string{"frames-sent"}},
	{"IpOutDiscards", []string{"frame-write-errors"}},
	{"IpReasmTimeout", []string{"fragments-timed-out"}},
	{"IpReasmReqds", []string{"fragments-received"}},
	{"IpReasmOKs", []string{"fragments-reassembled"}},
	{"IpReasmFails", []string{"fragments-failed"}},
	{"IpFragCreates", []string{"fragments-sent"}},
	{"IcmpInMsgs", []string{"icmp-received"}},
	{"IcmpInErrors", []string{"dropped-icmp", "dropped-icmp-truncated"}},
	{"IcmpInCsumErrors", []string{"dropped-icmp-checksum"}},
	{"IcmpOutMsgs", []string{"icmp-sent"}},
	{"IcmpOutRateLimitHost", []string{"icmp-limited"}},
	{"TcpActiveOpens", []string{"connections-dialed"}},
	{"TcpPassiveOpens", []string{"connections-accepted"}},
	{"TcpInSegs", []string{"segments-received"}},
	{"TcpOutSegs", []string{"segments-sent"}},
	{"TcpRetransSegs", []string{"retransmissions"}},
	{"TcpInErrs", []string{"dropped-tcp-data-offset", "dropped-tcp-option-length", "dropped-tcp-checksum", "dropped-syn-fin", "dropped-no-flags"}},
	{"TcpOutRsts", []string{"resets-sent"}},
	{"TcpInCsumErrors", []string{"dropped-tcp-checksum"}},
	{"UdpInDatagrams", []string{"udp-received"}},
	{"UdpNoPorts", []string{"dropped-udp-no-port"}},
	{"UdpInErrors", []string{"dropped-udp-length", "dropped-udp-checksum", "udp-receive-buffer-full"}},
	{"UdpOutDatagrams", []string{"udp-sent"}},
	{"UdpRcvbufErrors", []string{"udp-receive-buffer-full"}},
	{"UdpInCsumErrors", []string{"dropped-udp-checksum"}},
	{"TcpExtSyncookiesSent", []string{"syn-cookies-sent"}},
	{"TcpExtSyncookiesRecv", []string{"syn-cookies-received"}},
	{"TcpExtSyncookiesFailed", []string{"syn-cookies-failed"}},
	{"TcpExtOfoPruned", []string{"early-data-shed"}},
	{"TcpExtLockDroppedIcmps", []string{"icmp-ignored"}},
	{"TcpExtTWRecycled", []string{"time-wait-reopened"}},
	{"TcpExtPAWSEstab", []string{"verdict-old-timestamp"}},
	{"TcpExtListenOverflows", []string{"listen-accept-queue-full"}},
	{"TcpExtTCPAbortOnData", []string{"verdict-after-close"}},
	{"TcpExtTCPAbortOnMemory", []string{"orphans-reset", "stalled-reset"}},
	{"TcpExtTCPFastOpenActive", []string{"fast-open-active"}},
	{"TcpExtTCPFastOpenActiveFail", []string{"fast-open-active-failed"}},
	{"TcpExtTCPFastOpenPassive", []string{"fast-open-passive"}},
	{"TcpExtTCPFastOpenPassiveFail", []string{"fast-open-passive-failed"}},
	{"TcpExtTCPFastOpenListenOverflow", []string{"fast-open-overflow"}},
	{"TcpExtTCPFastOpenCookieReqd", []string{"fast-open-requests"}},
	{"TcpExtTCPFastOpenPassiveAltKey", []string{"fast-open-backup-key"}},
	{"TcpExtTCPFastOpenBlackhole", []string{"fast-open-black-holes"}},
	{"TcpExtTCPDeliveredCE", []string{"ce-delivered"}},
	{"TcpExtTCPMTUPFail", []string{"mtu-probes-failed"}},
	{"TcpExtTCPReqQFullDrop", []string{"listen-syn-queue-full"}},
	{"TcpExtTCPChallengeACK", []string{"verdict-challenged"}},
	{"TcpExtTCPOFOQueue", []string{"verdict-out-of-order"}},
	{"TcpExtTCPRcvQDrop", []string{"verdict-no-memory"}},
	{"TcpExtTCPTimeWaitOverflow", []string{"time-wait-evicted"}},
	{"IpExtInOctets", []string{"octets-received"}},
	{"IpExtOutOctets", []string{"octets-sent"}},
}

// kernelNames returns the counters of a stack under the kernel's names. A counter for which the kernel has no name
// follows under its own, such as MinitcpVerdictBadAck. Present values, such as the number of connections, are left out,
// except TcpCurrEstab, which is the number in ESTABLISHED and CLOSE-WAIT [RFC 4022].
func kernelNames(s stack.Stats, states stateCounts) []Counter {
	var list []Counter
	named := map[string]bool{"connections": true, "connections-stalled": true, "udp-flows": true, "forward-pending": true,
		"memory-used": true, "memory-limit": true, "out-of-order-memory": true}
	for _, k := range kernelCounters {
		c := Counter{Name: k.name}
		for _, name := range k.of {
			c.Value += s[name]
			named[name] = true
		}
		list = append(list, c)
		if k.name == "TcpPassiveOpens" {
			list = append(list, Counter{"TcpCurrEstab", states[conn.Established] + states[conn.CloseWait]})
		}
	}
	for _, name := range sortedNames(s) {
		if !named[name] {
			list = append(list, Counter{ownName(name), s[name]})
		}
	}
	return list
}

// ownName returns the name of a counter in the kernel's style: MinitcpForwardReset for forward-reset.
func ownName(name string) string {
	var b strings.Builder
	b.WriteString("Minitcp")
	for word := range strings.SplitSeq(name, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
