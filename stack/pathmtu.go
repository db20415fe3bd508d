package stack

import (
	"minitcp/conn"
	"minitcp/stack/internal/counters"
)

// notePath counts the events of e's search for the path MTU and a failed request for ECN, and remembers the path for
// later connections to the same host. UDP and ping sockets have path MTUs of their own: an ICMP message about a
// datagram is easier to forge, because it need not quote a sequence number.
func (s *Stack) notePath(now conn.Time, e *entry, tcp *conn.Conn) {
	events, known, ecnFailed := tcp.ReportPath()
	s.totals.Add(counters.MTUProbes, int(events.Probes))
	s.totals.Add(counters.MTUProbesFailed, int(events.Failed))
	s.totals.Add(counters.MTUBlackHoles, int(events.BlackHoles))
	if ecnFailed {
		s.totals.Count(counters.ECNFallbacks)
	}
	s.paths.Put(now, e.Key.Remote, known)
}
