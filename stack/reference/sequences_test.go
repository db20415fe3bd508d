package reference

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
)

// spec describes a segment of the script. Numbers are relative to the initial sequence numbers of the script and of the
// subject.
type spec struct {
	flags    wire.Flags
	seq, ack int64
	len      int
	urgent   uint16
	window   uint16 // 0 means 10000
	ts       uint32 // TSVal; 0 means no option
	mss      uint16
	options  []byte // invalid options in whole words
}

const (
	scriptISS = 3_000_000_000
	hop       = 5 * time.Millisecond  // time between two steps, a round trip
	lull      = 60 * time.Millisecond // longer than a delayed ACK, shorter than a retransmission timeout

	ack = wire.ACK
	syn = wire.SYN
	fin = wire.FIN
	rst = wire.RST
	psh = wire.PSH
	urg = wire.URG
)

// rig is a subject with the numbers of its connection.
type rig struct {
	t       *testing.T
	subject subject
	local   netip.Addr
	port    uint16 // port of the subject
	iss     uint32 // initial sequence number of the subject
	known   bool
	echo    uint32 // last TSVal of the subject
	s, a    int64  // next sequence numbers S of the script and A of the subject
}

// in delivers a segment to the subject.
func (r *rig) in(x spec) {
	h := wire.TCP{
		SrcPort: peerPort, DstPort: r.port, Flags: x.flags, Window: x.window, Urgent: x.urgent,
		Seq: scriptISS + uint32(x.seq),
	}
	if h.Window == 0 {
		h.Window = 10000
	}
	if x.flags&ack != 0 {
		h.Ack = r.iss + uint32(x.ack)
	}
	if x.mss != 0 {
		h.Options.MSS = x.mss
	}
	if x.ts != 0 {
		h.Options.HasTimestamps, h.Options.TSVal, h.Options.TSEcr = true, x.ts, r.echo
	}
	segment := make([]byte, 100, 100+x.len)
	n := wire.PutTCP(segment, &h)
	segment = append(segment[:n], x.options...)
	segment[12] += byte(len(x.options)/4) << 4
	segment = append(segment, make([]byte, x.len)...)
	sum := wire.PseudoHeaderSum(peerAddress, r.local, wire.ProtocolTCP, len(segment))
	binary.BigEndian.PutUint16(segment[16:], ^wire.Fold(wire.Sum(segment, sum)))
	ip := wire.IP{Src: peerAddress, Dst: r.local, Protocol: wire.ProtocolTCP, HopLimit: 64}
	packet := make([]byte, wire.IPv4HeaderLen+len(segment))
	copy(packet[wire.PutIP(packet, &ip, len(segment)):], segment)
	r.subject.deliver(packet)
}

// out returns the segments that the subject has sent, as text: flags, relative sequence and acknowledgment numbers, and
// bytes of data.
func (r *rig) out() []string {
	var list []string
	for _, p := range r.subject.take() {
		var ip wire.IP
		var h wire.TCP
		payload, err := wire.ParseIP(p, &ip)
		if err != nil || ip.Protocol != wire.ProtocolTCP || ip.Dst != peerAddress {
			continue
		}
		data, err := wire.ParseTCP(payload, &h)
		if err != nil {
			r.t.Fatal(err)
		}
		if h.Flags&syn != 0 {
			r.iss, r.known, r.port = h.Seq, true, h.SrcPort
		}
		if h.Options.HasTimestamps {
			r.echo = h.Options.TSVal
		}
		text := fmt.Sprint(h.Flags.Short(), " ", r.relative(h.Seq, r.iss))
		if h.Flags&ack != 0 {
			text += fmt.Sprint(" ack ", int32(h.Ack-scriptISS))
		}
		if len(data) > 0 {
			text += fmt.Sprint(" len ", len(data))
		}
		switch n := len(list); {
		case n > 0 && list[n-1] == text+again:
		case n > 0 && list[n-1] == text:
			list[n-1] += again
		default:
			list = append(list, text)
		}
	}
	return list
}

const again = ", and again"

func (r *rig) relative(seq, iss uint32) any {
	switch {
	case seq == 0:
		return "zero" // the number 0 is absolute
	case r.known:
		return int32(seq - iss)
	}
	return "its own"
}

// step lets a round trip pass and discards the replies.
func (r *rig) step() {
	r.subject.wait(hop)
	r.out()
}

// situation is a state of a connection and the steps that lead to it.
type situation struct {
	name  string
	reach func(r *rig)
}

func (r *rig) passive(x spec) {
	r.subject.listen()
	x.flags = syn
	r.in(x)
	r.step()
	r.s, r.a = 1, 1
}

func (r *rig) establish(x spec) {
	r.passive(x)
	x.flags, x.seq, x.ack = ack, 1, 1
	if x.ts != 0 {
		x.ts += 10
	}
	r.in(x)
	r.step()
}

func (r *rig) finish() {
	r.subject.closeWrite()
	r.step()
	r.a++
}

func (r *rig) peerFinishes(acked int64) {
	r.in(spec{flags: fin | ack, seq: r.s, ack: acked})
	r.s++
	r.subject.wait(lull)
	r.step()
}

var (
	closed    = situation{"CLOSED", func(r *rig) {}}
	listening = situation{"LISTEN", func(r *rig) { r.subject.listen() }}
	synSent   = situation{"SYN-SENT", func(r *rig) { r.subject.connect(); r.step(); r.a = 1 }}
	unopened  = []situation{closed, listening}
	openings  = []situation{
		synSent,
		{"SYN-RECEIVED", func(r *rig) { r.passive(spec{mss: 1460}) }},
		{"SYN-RECEIVED (both opened)", func(r *rig) {
			synSent.reach(r)
			r.in(spec{flags: syn, mss: 1460})
			r.step()
			r.s = 1
		}},
	}
	open = []situation{
		{"ESTABLISHED", func(r *rig) { r.establish(spec{mss: 1460}) }},
		{"FIN-WAIT-1", func(r *rig) { r.establish(spec{mss: 1460}); r.finish() }},
		{"FIN-WAIT-2", func(r *rig) {
			r.establish(spec{mss: 1460})
			r.finish()
			r.in(spec{flags: ack, seq: 1, ack: 2})
			r.step()
		}},
		{"CLOSING", func(r *rig) { r.establish(spec{mss: 1460}); r.finish(); r.peerFinishes(1) }},
		{"TIME-WAIT", func(r *rig) { r.establish(spec{mss: 1460}); r.finish(); r.peerFinishes(2) }},
		{"CLOSE-WAIT", func(r *rig) { r.establish(spec{mss: 1460}); r.peerFinishes(1) }},
		{"LAST-ACK", func(r *rig) { r.establish(spec{mss: 1460}); r.peerFinishes(1); r.finish() }},
	}
	stamped = situation{"ESTABLISHED with timestamps", func(r *rig) { r.establish(spec{mss: 1460, ts: 5000}) }}
)

// arrival is a segment that arrives in a situation. Its numbers are relative to the next sequence numbers of both
// sides.
type arrival struct {
	name string
	spec
}

// strays are segments that arrive without a connection.
var strays = []arrival{
	{"SYN", spec{flags: syn}},
	{"SYN with data", spec{flags: syn, len: 10}},
	{"SYN, malformed option", spec{flags: syn, options: []byte{3, 0, 0, 0}}},
	{"SYN, unknown option", spec{flags: syn, options: []byte{77, 4, 1, 2}}},
	{"SYN+ACK", spec{flags: syn | ack, ack: 1}},
	{"ACK", spec{flags: ack, seq: 5, ack: 7}},
	{"data", spec{flags: psh | ack, seq: 5, ack: 7, len: 10}},
	{"data without ACK", spec{flags: psh, seq: 5, len: 10}},
	{"FIN", spec{flags: fin | ack, seq: 5, ack: 7}},
	{"FIN without ACK", spec{flags: fin, seq: 5}},
	{"RST", spec{flags: rst, seq: 5}},
	{"RST+ACK", spec{flags: rst | ack, seq: 5, ack: 7}},
	{"SYN+FIN", spec{flags: syn | fin}},
	{"SYN+RST", spec{flags: syn | rst}},
	{"no flags", spec{seq: 5}},
	{"all flags", spec{flags: fin | syn | rst | psh | ack | urg, ack: 7, urgent: 1}},
}

// early are segments that arrive during the handshake, when A is 1 and S is 0 or 1.
var early = []arrival{
	{"SYN", spec{flags: syn, mss: 1460}},
	{"SYN, another number", spec{flags: syn, seq: 700}},
	{"SYN+ACK", spec{flags: syn | ack, mss: 1460}},
	{"SYN+ACK, ack too old", spec{flags: syn | ack, ack: -1}},
	{"SYN+ACK, ack too new", spec{flags: syn | ack, ack: 1}},
	{"SYN+ACK with data", spec{flags: syn | ack, len: 10}},
	{"ACK", spec{flags: ack}},
	{"ACK, ack too old", spec{flags: ack, ack: -1}},
	{"ACK, ack too new", spec{flags: ack, ack: 1}},
	{"ACK with data", spec{flags: psh | ack, len: 10}},
	{"FIN+ACK", spec{flags: fin | ack}},
	{"RST", spec{flags: rst}},
	{"RST, outside", spec{flags: rst, seq: 1_000_000}},
	{"RST+ACK", spec{flags: rst | ack}},
	{"RST+ACK, ack too new", spec{flags: rst | ack, ack: 1}},
	{"no flags", spec{}},
	{"SYN+FIN", spec{flags: syn | fin}},
}

// late are segments that arrive on an open connection.
var late = []arrival{
	{"ACK", spec{flags: ack}},
	{"ACK, old", spec{flags: ack, ack: -1}},
	{"ACK, too new", spec{flags: ack, ack: 100}},
	{"ACK, left of the window", spec{flags: ack, seq: -1}},
	{"ACK, right of the window", spec{flags: ack, seq: 10_000_000}},
	{"data", spec{flags: psh | ack, len: 10}},
	{"data, ack too new", spec{flags: psh | ack, ack: 100, len: 10}},
	{"data, ack far too old", spec{flags: psh | ack, ack: -1_000_000, len: 10}},
	{"data, early", spec{flags: psh | ack, seq: 10, len: 10}},
	{"data, right of the window", spec{flags: psh | ack, seq: 10_000_000, len: 10}},
	{"data without ACK", spec{flags: psh, len: 10}},
	{"urgent data", spec{flags: psh | ack | urg, len: 10, urgent: 10}},
	{"FIN", spec{flags: fin | ack}},
	{"FIN with data", spec{flags: fin | psh | ack, len: 10}},
	{"FIN, early", spec{flags: fin | ack, seq: 10}},
	{"SYN", spec{flags: syn}},
	{"SYN, the old one", spec{flags: syn, seq: -1}},
	{"SYN, right of the window", spec{flags: syn, seq: 10_000_000}},
	{"SYN+ACK", spec{flags: syn | ack}},
	{"SYN+FIN", spec{flags: syn | fin}},
	{"RST", spec{flags: rst}},
	{"RST, inside the window", spec{flags: rst, seq: 10}},
	{"RST, right of the window", spec{flags: rst, seq: 10_000_000}},
	{"RST, left of the window", spec{flags: rst, seq: -1}},
	{"no flags", spec{}},
	{"all flags", spec{flags: fin | syn | rst | psh | ack | urg, urgent: 1}},
	{"malformed option", spec{flags: psh | ack, len: 10, options: []byte{8, 0, 0, 0}}},
	{"unknown option", spec{flags: psh | ack, len: 10, options: []byte{77, 4, 1, 2}}},
}

// stampedLate are segments that arrive on an open connection with timestamps, when the last TSVal was 5010.
var stampedLate = []arrival{
	{"data, later timestamp", spec{flags: psh | ack, len: 10, ts: 5020}},
	{"data, the same timestamp", spec{flags: psh | ack, len: 10, ts: 5010}},
	{"data, earlier timestamp", spec{flags: psh | ack, len: 10, ts: 4000}},
	{"data, no timestamp", spec{flags: psh | ack, len: 10}},
	{"ACK, earlier timestamp", spec{flags: ack, ts: 4000}},
	{"RST, earlier timestamp", spec{flags: rst, ts: 4000}},
}

// scene is an arrival in a situation.
type scene struct {
	situation
	arrival
}

func (s scene) String() string { return s.situation.name + ": " + s.arrival.name }

func scenes() []scene {
	var list []scene
	add := func(situations []situation, arrivals []arrival) {
		for _, s := range situations {
			for _, a := range arrivals {
				list = append(list, scene{s, a})
			}
		}
	}
	add(unopened, strays)
	add(openings, early)
	add(open, late)
	add([]situation{stamped}, stampedLate)
	return list
}

// play returns the reply of the subject, "-" for none.
func (s scene) play(r *rig) string {
	r.port = subjectPort
	s.reach(r)
	r.step()
	x := s.spec
	x.seq += r.s
	x.ack += r.a
	r.in(x)
	r.subject.wait(lull)
	if out := r.out(); len(out) > 0 {
		return strings.Join(out, "; ")
	}
	return "-"
}

func (s scene) playMini(t *testing.T) (answer string) {
	synctest.Test(t, func(t *testing.T) {
		answer = s.play(&rig{t: t, subject: newMiniSubject(t), local: miniAddresses[0].Addr()})
	})
	return answer
}

func (s scene) playGvis(t *testing.T) string {
	return s.play(&rig{t: t, subject: newGvisSubject(t), local: gvisAddresses[0].Addr()})
}

// Both stacks reply in the same way to the same segments in the same states, except for the differences in
// differences.txt.
func TestSequences(t *testing.T) {
	listed := readDifferences(t)
	for _, s := range scenes() {
		mini, gvis := s.playMini(t), s.playGvis(t)
		listed.check(t, s.String(), mini, gvis)
	}
	listed.checkStale(t)
}
