package script

import "minitcp/conn"

// numbering translates between the script's numbers for one of our connections and those on the wire.
type numbering struct {
	iss       uint32 // ours
	scriptISS uint32 // what the script calls it
	known     bool   // the script has said

	stamped    bool // a timestamp of ours has been seen
	stamp      uint32
	scriptWord uint32 // what the script calls it
	stampedAt  conn.Time
	stamps     [][2]uint32 // the script's and ours, for echoes
}

func (n *numbering) toScript(ours uint32) uint32 { return ours - n.iss + n.scriptISS }
func (n *numbering) fromScript(s uint32) uint32  { return s - n.scriptISS + n.iss }

// learn takes what the script calls our initial sequence number, if it has not said so before.
func (n *numbering) learn(script uint32) {
	if !n.known {
		n.scriptISS, n.known = script, true
	}
}

// learnStamp takes what the script calls a timestamp of ours.
func (n *numbering) learnStamp(script, ours uint32, at conn.Time) {
	if !n.stamped {
		n.stamped, n.stamp, n.scriptWord, n.stampedAt = true, ours, script, at
	}
	for i := range n.stamps {
		if n.stamps[i][0] == script {
			n.stamps[i][1] = ours
			return
		}
	}
	n.stamps = append(n.stamps, [2]uint32{script, ours})
}

// stampFromScript is the timestamp of ours the script means: one it has named, or else as far from the first as it
// says.
func (n *numbering) stampFromScript(s uint32) uint32 {
	for _, p := range n.stamps {
		if p[0] == s {
			return p[1]
		}
	}
	if !n.stamped {
		return s
	}
	return s - n.scriptWord + n.stamp
}
