package accecn

import "minitcp/conn/wire"

// Info holds the counters of a connection in AccECN mode. Otherwise it is zero. The corresponding members of Linux's
// struct tcp_info are in brackets, without the prefix tcpi_.
type Info struct {
	Agreed      bool     // agreed on in the handshake (ecn_mode)
	Failures    Failures // (accecn_fail_mode)
	DeliveredCE uint32   // packets sent that have arrived with CE, by the peer's reports (delivered_ce)
	Delivered   Bytes    // data sent, by the peer's reports (delivered_e0_bytes and so on)
	Received    Bytes    // data received (received_e0_bytes and so on)
}

// Bytes are bytes of data by the codepoint with which they have arrived, modulo 2^32.
type Bytes struct{ ECT0, ECT1, CE uint32 }

func (c *Counters) bytes() Bytes {
	return Bytes{ECT0: c.Bytes[wire.ECT0], ECT1: c.Bytes[wire.ECT1], CE: c.Bytes[wire.CE]}
}

// Info returns the counters and failures. Those of a nil State are zero.
func (s *State) Info() Info {
	if s == nil {
		return Info{}
	}
	return Info{
		Agreed: true, Failures: s.Failures, DeliveredCE: s.Delivered.Packets,
		Delivered: s.Delivered.bytes(), Received: s.Received.bytes(),
	}
}
