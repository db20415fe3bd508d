package icmp

import (
	"testing"

	"minitcp/conn/wire"
)

// The types and codes of the reasons are those of RFC 792, RFC 1812 and RFC 4443, and the message quotes the packet as
// far as the smallest MTU permits.
func TestUnreachable(t *testing.T) {
	for u, want := range map[Unreachable]struct {
		name   string
		v4, v6 uint8
	}{
		NetUnreachable:  {"net unreachable", 0, 0},
		HostUnreachable: {"host unreachable", 1, 3},
		PortUnreachable: {"port unreachable", 3, 4},
		AdminProhibited: {"administratively prohibited", 13, 1},
	} {
		packet := make([]byte, 2000)
		if m := u.Message(true, packet); m.Type != wire.ICMPv4Unreachable || m.Code != want.v4 || len(m.Body) != 576-28 {
			t.Errorf("%v over IPv4: type %d, code %d, %d bytes, want code %d and 548 bytes", u, m.Type, m.Code, len(m.Body), want.v4)
		}
		if m := u.Message(false, packet); m.Type != wire.ICMPv6Unreachable || m.Code != want.v6 || len(m.Body) != 1280-48 {
			t.Errorf("%v over IPv6: type %d, code %d, %d bytes, want code %d and 1232 bytes", u, m.Type, m.Code, len(m.Body), want.v6)
		}
		if !u.Valid() || u.String() != want.name {
			t.Errorf("%d: valid %v, name %q, want %q", uint8(u), u.Valid(), u, want.name)
		}
	}
	if u := AdminProhibited + 1; u.Valid() || u.String() != "unreachable(4)" {
		t.Errorf("the value after the last: valid %v, name %q", u.Valid(), u)
	}
}
