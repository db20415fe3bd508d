package pmtu

import "testing"

// The MSS is the peer's, or 536 for IPv4 and 1220 for IPv6 without the option (MUST-15). It is never more than the
// device takes, and an absurdly small one is not used (CVE-2019-11479).
//
// Shows: MUST-15, MUST-16.
func TestSendMSS(t *testing.T) {
	for _, c := range []struct {
		header, mtu int
		option      uint16
		want        int
	}{
		{20, 1500, 1460, 1460}, {20, 1500, 0, 536}, {40, 1500, 0, 1220}, {40, 1500, 1440, 1440},
		{20, 1500, 65535, 1460}, {20, 576, 1460, 536}, {20, 1500, 1, MinSendMSS}, {20, 65535, 65495, 65495},
	} {
		p := New(c.mtu, c.header)
		p.SetPeerMSS(c.option)
		if got := p.SendMSS(); got != c.want {
			t.Errorf("header %d, MTU %d, option %d: %d, want %d", c.header, c.mtu, c.option, got, c.want)
		}
	}
}
