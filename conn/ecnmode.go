package conn

import "minitcp/conn/ecn"

// ECNMode selects whether routers may mark packets instead of dropping them (RFC 3168 6.1.1).
type ECNMode = ecn.Mode

// The modes of package ecn.
const (
	ECNPassive  = ecn.Passive  // agrees if the peer requests ECN; the default, as on Linux
	ECNActive   = ecn.Active   // also requests ECN
	ECNDisabled = ecn.Disabled // neither requests ECN nor agrees to it
)
