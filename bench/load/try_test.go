//go:build linux

package load

import (
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

// Connections that are reset are counted, and others follow them. Each attempt is counted once.
func TestTry(t *testing.T) {
	var begun, refused atomic.Int64
	ns := network(t, subject.PortEcho, func(c net.Conn) {
		if begun.Add(1)%3 == 0 {
			refused.Add(1)
			c.(*net.TCPConn).SetLinger(0) // close resets the connection
			return
		}
		io.Copy(c, c)
	})
	c := Start(Try, ns, netip.MustParseAddr("127.0.0.1"), 4, pattern.Sampled)
	for c.Transactions() < 10 || c.Failed() < 10 {
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	total, err := c.Stop()
	if err != nil || total.Transactions+c.Failed() != begun.Load() || c.Failed() != refused.Load() {
		t.Errorf("%+v and %d failed, %v; the server has %d, of which it reset %d", total, c.Failed(), err, begun.Load(), refused.Load())
	}
}

// Wrong data is an error and not a connection that failed.
func TestTryWrongByte(t *testing.T) {
	c := Start(Try, network(t, subject.PortEcho, reply(flip)), netip.MustParseAddr("127.0.0.1"), 2, pattern.Sampled)
	<-c.Ended()
	if _, err := c.Stop(); err == nil || !strings.Contains(err.Error(), "got back") || c.Failed() != 0 {
		t.Errorf("%d failed, %v", c.Failed(), err)
	}
}
