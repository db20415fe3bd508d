package script

import "minitcp/conn"

// numbering translates the host's numbers on one connection between the script and the wire.
type numbering struct {
	iss       uint32 // on the wire
	scriptISS uint32 // in the script
	known     bool   // whether scriptISS is set

	// In scripts for Linux, the numbers of segments without SYN count from those of the SYNs, whatever their numbers.
	relative bool
	irs      uint32 // number of the peer's SYN

	stamped     bool // whether the host has sent a timestamp
	stamp       uint32
	scriptStamp uint32 // the same timestamp in the script
	stampedAt   conn.Time
	stamps      [][2]uint32 // pairs of a timestamp in the script and on the wire, for echoes
}

// toScript and fromScript translate numbers of the host in segments with or without SYN.
func (n *numbering) toScript(ours uint32, syn bool) uint32 {
	if n.relative && !syn {
		return ours - n.iss
	}
	return ours - n.iss + n.scriptISS
}

func (n *numbering) fromScript(s uint32, syn bool) uint32 {
	if n.relative && !syn {
		return s + n.iss
	}
	return s - n.scriptISS + n.iss
}

// peerOffset returns the number that the peer's numbers in the script count from.
func (n *numbering) peerOffset(syn bool) uint32 {
	if n.relative && !syn {
		return n.irs
	}
	return 0
}

// learn sets the script's number of the initial sequence number, once.
func (n *numbering) learn(script uint32) {
	if !n.known {
		n.scriptISS, n.known = script, true
	}
}

// learnStamp records the script's number of a timestamp.
func (n *numbering) learnStamp(script, ours uint32, at conn.Time) {
	if !n.stamped {
		n.stamped, n.stamp, n.scriptStamp, n.stampedAt = true, ours, script, at
	}
	for i := range n.stamps {
		if n.stamps[i][0] == script {
			n.stamps[i][1] = ours
			return
		}
	}
	n.stamps = append(n.stamps, [2]uint32{script, ours})
}

// stampFromScript returns the timestamp on the wire for one in the script: a recorded one, or else one at the same
// distance from the first.
func (n *numbering) stampFromScript(s uint32) uint32 {
	for _, p := range n.stamps {
		if p[0] == s {
			return p[1]
		}
	}
	if !n.stamped {
		return s
	}
	return s - n.scriptStamp + n.stamp
}
