package ecn

import (
	"testing"

	"minitcp/conn/wire"
)

// connect performs a client's handshake with a server that replies with f after n SYNs. It returns whether the first
// SYN requested ECN, and the number of failed attempts that is passed on, -1 for none.
func connect(failed uint8, m Mode, n int, f wire.Flags) (requested bool, report int) {
	var h Handshake
	h.After(failed)
	for i := range n {
		requested = h.Offer(syn, m, i) != syn || requested
	}
	h.Received(f, wire.ECT1, m)
	h.Received(f, wire.ECT1, m) // again: counts once
	if h.Arrived() != wire.ECT1 {
		return requested, -2
	}
	if !h.News() {
		return requested, -1
	}
	total, _ := h.Report()
	return requested, int(total)
}

// An attempt fails if the SYN without a request is the one that gets a reply, without ECN. After two in a row, SYNs
// request nothing. Any reply to a request ends the row (RFC 9768 3.1.4.1).
func TestAttempts(t *testing.T) {
	const agrees, refuses = wire.CWR, wire.Flags(0)
	for _, c := range []struct {
		name      string
		failed    uint8
		mode      Mode
		syns      int
		reply     wire.Flags
		requested bool
		report    int
	}{
		{"agreed", 0, Accurate, 1, agrees, true, -1},
		{"agreed later", 0, Accurate, 2, agrees, true, -1},
		{"refused", 0, Accurate, 1, refuses, true, -1},
		{"refused later", 0, Accurate, 2, refuses, true, -1},
		{"lost", 0, Accurate, 3, refuses, true, 1},
		{"lost again", 1, Accurate, 4, refuses, true, 2},
		{"late reply to a request", 0, Accurate, 3, agrees, true, -1},
		{"late reply after a failure", 1, Accurate, 3, agrees, true, 0},
		{"agreed after a failure", 1, Accurate, 1, agrees, true, 0},
		{"refused after a failure", 1, Accurate, 1, refuses, true, 0},
		{"blocked", 2, Accurate, 1, refuses, false, -1},
		{"blocked and lost", 2, Accurate, 3, refuses, false, -1},
		{"classic", 0, Active, 2, refuses, true, 1},
		{"classic blocked", 2, Active, 1, refuses, false, -1},
		{"passive", 1, Passive, 3, refuses, false, -1},
	} {
		if requested, report := connect(c.failed, c.mode, c.syns, synACK|c.reply); requested != c.requested || report != c.report {
			t.Errorf("%s: requested %v, reports %d, want %v, %d", c.name, requested, report, c.requested, c.report)
		}
	}
}

// Report returns the number again without news. That of a connection that does not request ECN is one failure less, so
// that another connection tries again.
func TestAttemptsReport(t *testing.T) {
	for before, want := range map[uint8]uint8{0: 0, 1: 1, 2: 1, 255: 1} {
		var h Handshake
		h.After(before)
		if total, failed := h.Report(); total != want || failed {
			t.Errorf("after %d failures: %d, failed %v, want %d", before, total, failed, want)
		}
	}
	for before := range uint8(maxFailed) {
		var h Handshake
		h.After(before)
		for i := range 3 {
			h.Offer(syn, Accurate, i)
		}
		h.Received(synACK, wire.NotECT, Accurate)
		for _, want := range []bool{true, false, false} {
			if total, failed := h.Report(); total != before+1 || failed != want || h.News() {
				t.Errorf("after %d failures: %d, failed %v, want %d, %v", before, total, failed, before+1, want)
			}
		}
	}
}

// In a simultaneous open, there is no SYN-ACK to a SYN alone.
func TestAttemptsSimultaneous(t *testing.T) {
	var h Handshake
	for i := range 3 {
		h.Offer(syn, Accurate, i)
	}
	h.Received(syn, wire.NotECT, Accurate)
	if h.Received(synACK, wire.NotECT, Accurate); h.News() {
		t.Error("an attempt has failed")
	}
}
