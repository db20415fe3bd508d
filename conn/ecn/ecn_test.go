package ecn

import (
	"testing"

	"minitcp/conn/accecn"
	"minitcp/conn/wire"
)

const (
	syn    = wire.SYN
	synACK = wire.SYN | wire.ACK
)

// field returns the flags with AE, CWR and ECE as the bits of n.
func field(f wire.Flags, n uint32) wire.Flags { return f | accecn.FieldFlags(n) }

// mode returns the feedback that a Handshake has agreed on.
func mode(h *Handshake) string {
	switch {
	case h.Accurate():
		return "AccECN"
	case h.MustEcho():
		return "classic"
	}
	return "none"
}

// A client that has requested AccECN enters the mode that the SYN-ACK selects (RFC 9768 table 2, 3.1.3).
func TestClient(t *testing.T) {
	want := [8]string{"none", "classic", "AccECN", "AccECN", "AccECN", "AccECN", "AccECN", "none"}
	for n := range uint32(8) {
		var h Handshake
		if f := h.Offer(syn, Accurate, 0); f != field(syn, 7) {
			t.Fatalf("the SYN has %v", f)
		}
		h.Received(field(synACK, n), wire.NotECT, Accurate)
		if got := mode(&h); got != want[n] || h.Agreed() != (want[n] != "none") {
			t.Errorf("SYN-ACK with %03b: %s, ECT %v, want %s", n, got, h.Agreed(), want[n])
		}
	}
}

// A server enters the mode that the SYN requests, as far as its own permits, and its SYN-ACK agrees to it (RFC 9768
// table 2, 3.1.3).
func TestServer(t *testing.T) {
	for m, want := range map[Mode][8]string{
		Passive:        {"none", "AccECN", "AccECN", "classic", "AccECN", "AccECN", "AccECN", "AccECN"},
		Active:         {"none", "AccECN", "AccECN", "classic", "AccECN", "AccECN", "AccECN", "AccECN"},
		Accurate:       {"none", "AccECN", "AccECN", "classic", "AccECN", "AccECN", "AccECN", "AccECN"},
		ClassicPassive: {3: "classic", 7: "classic"},
		ClassicActive:  {3: "classic", 7: "classic"},
		Disabled:       {},
	} {
		for n := range uint32(8) {
			for e := range wire.ECN(4) {
				var h Handshake
				h.Received(field(syn, n), e, m)
				f := h.Offer(synACK, m, 0)
				answer := map[string]wire.Flags{"": synACK, "none": synACK, "classic": synACK | wire.ECE, "AccECN": synACK | accecn.Reflect(e)}[want[n]]
				if want[n] == "" {
					want[n] = "none"
				}
				if got := mode(&h); got != want[n] || f != answer || h.Agreed() != (want[n] != "none") {
					t.Errorf("%v, SYN with %03b and %v: %s, %v, want %s, %v", m, n, e, got, f, want[n], answer)
				}
			}
		}
	}
}

// The modes request ECN as Linux's values of tcp_ecn do, twice for AccECN and once for classic ECN (RFC 9768
// 3.1.4.1, RFC 3168 6.1.1.1).
func TestRequests(t *testing.T) {
	for m, want := range map[Mode][3]uint32{Passive: {}, Disabled: {}, ClassicPassive: {}, Active: {3, 0, 0}, ClassicActive: {3, 0, 0}, Accurate: {7, 7, 0}} {
		var h Handshake
		for attempt := range 3 {
			if f := h.Offer(syn, m, attempt); f != field(syn, want[attempt]) {
				t.Errorf("%v: SYN %d has %v, want %03b", m, attempt, f, want[attempt])
			}
		}
	}
}

// The first SYN decides. A later one of another kind changes only whether ECT may be sent, and SYNs with requests of
// both kinds are in conflict (RFC 9768 3.1.5).
func TestLaterSYNs(t *testing.T) {
	for _, c := range []struct {
		first, second    uint32
		mode             string
		answer           wire.Flags
		agreed, conflict bool
	}{
		{7, 7, "AccECN", synACK | accecn.Reflect(wire.CE), true, false},
		{7, 0, "AccECN", synACK | accecn.Reflect(wire.CE), false, false},
		{0, 7, "none", synACK, false, false},
		{0, 3, "none", synACK, false, false},
		{3, 0, "classic", synACK, false, false},
		{3, 3, "classic", synACK | wire.ECE, true, false},
		{7, 3, "AccECN", synACK | accecn.Reflect(wire.CE), true, true},
		{3, 7, "classic", synACK | wire.ECE, true, true},
	} {
		var h Handshake
		h.Received(field(syn, c.first), wire.NotECT, Passive)
		h.Offer(synACK, Passive, 0)
		h.Received(field(syn, c.second), wire.CE, Passive)
		f := h.Offer(synACK, Passive, 1)
		if mode(&h) != c.mode || f != c.answer || h.Agreed() != c.agreed || h.Conflict() != c.conflict {
			t.Errorf("%03b, then %03b: %s, %v, ECT %v, conflict %v; want %+v", c.first, c.second, mode(&h), f, h.Agreed(), h.Conflict(), c)
		}
	}
}

// The SYN-ACK has the flags twice. After one without, the server sends no ECT, and stays in AccECN mode (RFC 9768
// 3.2.3.2.2, 3.1.5). A client that has sent a SYN without sends ECT (3.1.4.1).
func TestFallback(t *testing.T) {
	var h Handshake
	h.Received(field(syn, 7), wire.NotECT, Passive)
	for attempt, want := range []wire.Flags{synACK | wire.CWR, synACK | wire.CWR, synACK} {
		if f := h.Offer(synACK, Passive, attempt); f != want {
			t.Errorf("SYN-ACK %d has %v, want %v", attempt, f, want)
		}
	}
	if h.Agreed() || !h.Accurate() {
		t.Errorf("server: ECT %v, AccECN %v", h.Agreed(), h.Accurate())
	}
	var c Handshake
	for attempt := range 3 {
		c.Offer(syn, Accurate, attempt)
	}
	c.Received(field(synACK, 2), wire.NotECT, Accurate)
	if !c.Agreed() || !c.Accurate() {
		t.Errorf("client: ECT %v, AccECN %v", c.Agreed(), c.Accurate())
	}
}

// In a simultaneous open, each end replies as a server if it has requested AccECN (RFC 9768 3.1.2), and does not agree
// to AccECN otherwise.
func TestSimultaneousOpen(t *testing.T) {
	for _, c := range []struct {
		mode   Mode
		peer   uint32
		want   string
		answer wire.Flags
	}{
		{Accurate, 7, "AccECN", synACK | wire.CWR},
		{Accurate, 3, "classic", synACK | wire.ECE},
		{Accurate, 0, "none", synACK},
		{Active, 7, "classic", synACK | wire.ECE},
		{Passive, 7, "none", synACK},
	} {
		var h Handshake
		h.Offer(syn, c.mode, 0)
		h.Received(field(syn, c.peer), wire.NotECT, c.mode)
		f := h.Offer(synACK, c.mode, 0)
		h.Received(field(synACK, map[string]uint32{"AccECN": 2, "classic": 1}[c.want]), wire.NotECT, c.mode)
		if got := mode(&h); f != c.answer || c.want != "none" && got != c.want || h.Agreed() != (c.want != "none") {
			t.Errorf("%v, peer %03b: %s, %v, ECT %v, want %s, %v", c.mode, c.peer, got, f, h.Agreed(), c.want, c.answer)
		}
	}
}

// A host whose last SYN was without ECN replies with AccECN in a simultaneous open if it has requested that before, and
// sends no ECT.
func TestSimultaneousOpenAfterFallback(t *testing.T) {
	var h Handshake
	for attempt := range 3 {
		h.Offer(syn, Accurate, attempt)
	}
	h.Received(field(syn, 7), wire.NotECT, Accurate)
	if f := h.Offer(synACK, Accurate, 0); f != synACK|wire.CWR || !h.Accurate() || h.Agreed() {
		t.Errorf("%v, AccECN %v, ECT %v", f, h.Accurate(), h.Agreed())
	}
}

// Text is parsed and printed by the same names.
func TestModeText(t *testing.T) {
	for m := Passive; m <= ClassicActive; m++ {
		text, _ := m.MarshalText()
		var back Mode
		if err := back.UnmarshalText(text); err != nil || back != m {
			t.Errorf("%s: %v, %v", text, back, err)
		}
	}
	var m Mode
	if m.UnmarshalText([]byte("AccECN")) == nil {
		t.Error("AccECN is a mode")
	}
}

// FuzzHandshake sends and receives any SYNs and SYN-ACKs. ECT is never sent without an agreement of both ends, and the
// kind of feedback never changes after the first SYN or SYN-ACK.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte{3, 0x17, 0x02, 0x81})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		var h Handshake
		m := Mode(b[0] % uint8(len(modeNames)))
		heard, wasAccurate, attempt := false, false, 0
		for _, x := range b[1:] {
			kind := syn
			if x&8 != 0 {
				kind = synACK
			}
			if x&0x80 != 0 {
				h.Offer(kind, m, attempt)
				attempt++
			} else {
				h.Received(field(kind, uint32(x&7)), wire.ECN(x>>4&3), m)
				if heard && h.Accurate() != wasAccurate {
					t.Fatal("the kind of feedback has changed")
				}
				heard, wasAccurate = true, h.Accurate()
			}
			switch {
			case h.Agreed() && (h.received == 0 || h.received == plain || m == Disabled):
				t.Fatalf("%+v: ECT without an agreement", h)
			case h.Accurate() && (m == Disabled || m == ClassicPassive || m == ClassicActive):
				t.Fatalf("%v: AccECN", m)
			case h.Accurate() && h.MustEcho():
				t.Fatalf("%+v: both kinds", h)
			}
		}
	})
}
