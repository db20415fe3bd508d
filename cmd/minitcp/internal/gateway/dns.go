//go:build linux

package gateway

import "golang.org/x/net/dns/dnsmessage"

// truncated returns the answer to a DNS query that makes the client ask again over TCP [RFC 7766 5], or nil if query is
// not one.
func truncated(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	questions, err := p.AllQuestions()
	if err != nil {
		return nil
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{ID: h.ID, Response: true, OpCode: h.OpCode, Truncated: true, RecursionDesired: h.RecursionDesired,
			RecursionAvailable: true}, // without it, glibc asks the next server instead
		Questions: questions,
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}
