package conn

import (
	"minitcp/conn/accecn"
	"minitcp/conn/cookie"
	"minitcp/conn/wire"
)

// SYNCookie builds the SYN-ACK for a SYN to a listener that keeps nothing of it: its sequence number and its timestamp
// hold the options of the SYN (RFC 4987 3.6). It returns false if a cookie cannot hold them, since the peer's MSS is
// below 536. The ISS in o has no effect.
//
// Deviation: the sequence number does not follow a clock (MUST-8), as on every system with SYN cookies. A listener
// therefore uses them only while it has too many handshakes.
func SYNCookie(now Time, cfg *Config, o Open, syn *wire.TCP, keys *cookie.Keys, e *cookie.Ends, out *Outgoing) bool {
	var h Handshake
	h.init(now, cfg, o, syn)
	path := h.path()
	if path.PeerMSS() < cookie.MinMSS {
		return false
	}
	if !h.timestamps && !h.ecn.Accurate() {
		h.ecn.Declined() // no room for ECN
	}
	h.synAck(now, out)
	iss, stamp := keys.Make(e, cookie.Options{
		MSS: path.PeerMSS(), Scaled: h.scaled, Scale: h.sendScale, SACK: h.sack, Timestamps: h.timestamps, ECN: h.ecn.Agreed() && !h.ecn.Accurate(),
	})
	out.TCP.Seq = iss
	if h.timestamps {
		out.TCP.Options.TSVal = cookie.Stamp(out.TCP.Options.TSVal, stamp)
	}
	return true
}

// HandshakeFromCookie returns the Handshake that s completes, if s has the ACK of a SYN-ACK from [SYNCookie]. e.IRS
// must be s.TCP.Seq-1. The driver passes s to the Handshake; it must drop a Handshake that s does not make ready.
//
// The Handshake has no round-trip time: TSEcr holds options and not a time, and is set to 0.
func HandshakeFromCookie(now Time, cfg *Config, o Open, s *Segment, keys *cookie.Keys, e *cookie.Ends) (*Handshake, bool) {
	var echo *uint32
	if s.TCP.Options.HasTimestamps {
		echo = &s.TCP.Options.TSEcr
	}
	options, ok := keys.Open(e, s.TCP.Ack-1, echo)
	if !ok {
		return nil, false
	}
	syn := options.SYN(e.IRS, s.TCP.Options.TSVal)
	if !options.ECN && accecn.Field(s.TCP.Flags) >= 2 {
		syn.Flags |= wire.AE // the ACK of a peer that has requested AccECN, and of no other (RFC 9768 5.1)
	}
	s.TCP.Options.TSEcr = 0
	o.ISS = s.TCP.Ack - 1
	h := new(Handshake)
	h.init(now, cfg, o, &syn)
	h.ecn.Offer(wire.SYN|wire.ACK, h.cfg.ECN, 0)
	h.synAckDue, h.sent, h.sentAt = false, true, Never
	h.deadline = now.Add(h.synAckTimeout())
	return h, true
}
