package conn

import "minitcp/conn/ecn"

// ECNMode selects whether routers may mark packets instead of dropping them (RFC 3168 6.1.1, RFC 9768 3.1).
type ECNMode = ecn.Mode

// The modes of package ecn.
const (
	ECNPassive        = ecn.Passive        // agrees to what the peer requests; the default, as on Linux 7.0
	ECNActive         = ecn.Active         // also requests classic ECN
	ECNDisabled       = ecn.Disabled       // neither requests ECN nor agrees to it
	ECNAccurate       = ecn.Accurate       // as ECNPassive, and requests AccECN
	ECNClassicPassive = ecn.ClassicPassive // as ECNPassive, without AccECN
	ECNClassicActive  = ecn.ClassicActive  // as ECNActive, without AccECN
)
