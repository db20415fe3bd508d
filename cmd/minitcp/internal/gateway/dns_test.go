//go:build linux

package gateway

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// The answer that makes a client ask again over TCP is one that glibc takes: without the bit RA, it takes an answer
// without records for that of a server that does not know the name, and asks the next server.
func TestTruncated(t *testing.T) {
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("large.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	b, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var answer dnsmessage.Message
	if err := answer.Unpack(truncated(b)); err != nil {
		t.Fatal(err)
	}
	h := answer.Header
	if h.ID != 77 || !h.Response || !h.Truncated || !h.RecursionDesired || !h.RecursionAvailable || len(answer.Questions) != 1 || answer.Questions[0] != query.Questions[0] {
		t.Errorf("the answer is %v", answer.GoString())
	}
	query.Response = true
	if b, err = query.Pack(); err != nil || truncated(b) != nil || truncated(nil) != nil || truncated(b[:10]) != nil {
		t.Errorf("there is an answer to an answer or to no message (%v)", err)
	}
}
