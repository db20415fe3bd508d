// Package reassembly puts fragmented IP packets together again [RFC 791 3.2, RFC 8200 4.5].
//
// It is pure: the time is an argument, and there is no lock. Its memory is bounded, since any host can send fragments
// of packets that it never completes.
package reassembly

import (
	"net/netip"
	"slices"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

const (
	// MaxPackets is the number of packets under reassembly. The oldest is discarded for a new one.
	MaxPackets = 128
	// MaxPerSource is the number of them from one source: an IPv4 address or an IPv6 prefix of 64 bits.
	MaxPerSource = 32
	// MaxMemory is the number of bytes all fragments held may take. The oldest packets are discarded for new fragments.
	MaxMemory = 4 << 20
	// LeastMemory is the smallest limit of the memory: more than a packet takes.
	LeastMemory = 128 << 10
	// MaxFragments is the number of fragments of one packet: enough for 65,535 bytes over a link with an MTU of 552.
	MaxFragments = 128

	// Timeout4 and Timeout6 limit the time from the arrival of a packet's first fragment to that of its last [RFC 1122
	// 3.3.2 recommends 60 to 120 seconds, Linux uses 30; RFC 8200 4.5].
	Timeout4 = 30 * time.Second
	Timeout6 = 60 * time.Second
)

// overhead is the number of bytes charged for a fragment and for a packet in addition to their data.
const overhead = 64

// maxPacket is the largest length of an IPv4 packet, and of an IPv6 packet without its fixed header.
const maxPacket = 65535

// Counts are the totals of a Reassembler, as nstat names them.
type Counts struct {
	Fragments   uint64 // ReasmReqds: fragments received
	Reassembled uint64 // ReasmOKs: packets completed
	Failed      uint64 // ReasmFails: fragments refused, and packets discarded for a fault or for lack of room
	TimedOut    uint64 // ReasmTimeout: packets discarded because a fragment did not arrive in time
}

// Reassembler holds the fragments of packets that are not complete. Its zero value is ready for use.
type Reassembler struct {
	// Limit takes the place of MaxMemory if it is positive and less. It is at least LeastMemory.
	Limit int

	packets []*packet // oldest first
	memory  int
	counts  Counts
}

type id struct {
	src, dst netip.Addr
	number   uint32
	protocol wire.Protocol // 0 in IPv6, where it is no part of the identification
}

// packet holds the fragments of a packet that have arrived.
type packet struct {
	id        id
	expires   conn.Time
	fragments []fragment // in order, without overlaps
	size      int        // of the fragmentable part; 0: the last fragment has not arrived
	have      int        // bytes of it that have arrived
	memory    int
	header    []byte        // of the first fragment; nil until it arrives
	next      wire.Protocol // that follows the header
	ecn       uint8         // the set of codepoints that the fragments have, one bit each
	bad       bool          // a fragment overlapped another: the rest is discarded as it arrives [RFC 5722 4]
}

type fragment struct {
	offset int
	data   []byte
}

func (f *fragment) end() int { return f.offset + len(f.data) }

// Counts returns the totals.
func (r *Reassembler) Counts() Counts { return r.counts }

// limit returns the number of bytes that all fragments may take.
func (r *Reassembler) limit() int {
	if r.Limit <= 0 {
		return MaxMemory
	}
	return min(max(r.Limit, LeastMemory), MaxMemory)
}

// Memory returns the memory in bytes that the fragments use.
func (r *Reassembler) Memory() int { return r.memory }

// Deadline returns when [Reassembler.Advance] has something to do: [conn.Never] while no packet is under reassembly.
func (r *Reassembler) Deadline() conn.Time {
	deadline := conn.Never
	for _, p := range r.packets {
		deadline = min(deadline, p.expires)
	}
	return deadline
}

// Receive takes the fragment in b, a packet for which [wire.ParseIP] returned [wire.ErrFragment]. It returns the whole
// packet if the fragment completes one, and nil otherwise. It does not retain b.
func (r *Reassembler) Receive(now conn.Time, b []byte) []byte {
	r.counts.Fragments++
	var ip wire.IP
	f, header, data, err := wire.ParseFragment(b, &ip)
	if err != nil || !acceptable(&ip, f, header, data) {
		r.counts.Failed++
		return nil
	}
	p := r.find(now, &ip, f)
	if p.bad {
		r.counts.Failed++
		return nil
	}
	switch r.insert(p, &ip, f, header, data) {
	case inserted:
		r.makeRoom(p)
	case overlapping:
		r.counts.Failed++
		r.memory -= p.memory
		*p = packet{id: p.id, expires: p.expires, memory: overhead, bad: true}
		r.memory += p.memory
	case refused:
		r.counts.Failed++
	}
	if p.size == 0 || p.have != p.size || p.header == nil {
		return nil
	}
	r.remove(p)
	whole := p.join()
	if whole == nil || isFragment(whole) {
		r.counts.Failed++
		return nil
	}
	r.counts.Reassembled++
	return whole
}

// acceptable reports whether a fragment may be part of any packet.
func acceptable(ip *wire.IP, f wire.Fragment, header, data []byte) bool {
	most := maxPacket
	if ip.Is4() {
		most -= len(header)
	} else {
		most -= len(header) - wire.IPv6HeaderLen
	}
	switch {
	case len(data) == 0, f.Offset+len(data) > most:
		return false
	case f.More && len(data)%8 != 0:
		return false
	case f.Offset == 0 && len(data) < transportHeader(ip.Protocol):
		return false // the ports, or the flags, are in another fragment to pass a filter [RFC 1858 3, RFC 7112 5]
	}
	return true
}

// transportHeader returns the shortest header of the protocol in bytes, which the first fragment must hold.
func transportHeader(p wire.Protocol) int {
	if p == wire.ProtocolTCP {
		return 20
	}
	return 8
}

// find returns the packet that the fragment belongs to, and makes one if there is none.
func (r *Reassembler) find(now conn.Time, ip *wire.IP, f wire.Fragment) *packet {
	want := id{src: ip.Src, dst: ip.Dst, number: f.ID}
	timeout := Timeout6
	if ip.Is4() {
		want.protocol, timeout = ip.Protocol, Timeout4
	}
	same := 0 // packets of the same source
	var oldest *packet
	for _, p := range r.packets {
		if p.id == want && p.expires > now {
			return p
		}
		if wire.Source(p.id.src) == wire.Source(ip.Src) {
			same++
			if oldest == nil {
				oldest = p
			}
		}
	}
	switch {
	case same >= MaxPerSource:
		r.discard(oldest)
	case len(r.packets) >= MaxPackets:
		r.discard(r.packets[0])
	}
	p := &packet{id: want, expires: now.Add(timeout), memory: overhead}
	r.memory += p.memory
	r.packets = append(r.packets, p)
	return p
}

type insertion int

const (
	inserted insertion = iota
	duplicate
	refused
	overlapping
)

// insert adds a fragment to p.
func (r *Reassembler) insert(p *packet, ip *wire.IP, f wire.Fragment, header, data []byte) insertion {
	end := f.Offset + len(data)
	at, found := slices.BinarySearchFunc(p.fragments, f.Offset, func(f fragment, offset int) int { return f.offset - offset })
	if found && p.fragments[at].end() == end && (f.More || p.size == end) {
		return duplicate // a network may repeat packets [RFC 8200 4.5]
	}
	switch {
	case found, at > 0 && p.fragments[at-1].end() > f.Offset, at < len(p.fragments) && p.fragments[at].offset < end:
		return overlapping
	case p.size != 0 && (!f.More || end > p.size):
		return overlapping // two last fragments, or bytes behind the last
	case !f.More && len(p.fragments) > 0 && p.fragments[len(p.fragments)-1].end() > end:
		return overlapping
	case len(p.fragments) >= MaxFragments:
		return refused
	}
	p.fragments = slices.Insert(p.fragments, at, fragment{f.Offset, slices.Clone(data)})
	cost := len(data) + overhead
	if !f.More {
		p.size = end
	}
	if f.Offset == 0 {
		p.header, p.next = slices.Clone(header), ip.Protocol
		cost += len(header)
	}
	p.have += len(data)
	p.ecn |= 1 << ip.ECN()
	p.memory += cost
	r.memory += cost
	return inserted
}

// makeRoom discards the oldest packets other than p while too much memory is in use.
func (r *Reassembler) makeRoom(p *packet) {
	for r.memory > r.limit() {
		victim := r.packets[0]
		if victim == p {
			victim = r.packets[1] // there is one: p alone takes less
		}
		r.discard(victim)
	}
}

// discard forgets p, for which there is no room.
func (r *Reassembler) discard(p *packet) {
	if !p.bad {
		r.counts.Failed++
	}
	r.remove(p)
}

func (r *Reassembler) remove(p *packet) {
	at := slices.Index(r.packets, p)
	r.packets = slices.Delete(r.packets, at, at+1)
	r.memory -= p.memory
}

// join returns the whole packet. It is nil if only some of the fragments are marked by routers although the sender has
// not permitted that [RFC 3168 5.3].
func (p *packet) join() []byte {
	const ce, notECT = 1 << wire.CE, 1 << wire.NotECT
	if p.ecn&ce != 0 && p.ecn&notECT != 0 {
		return nil
	}
	whole := make([]byte, 0, len(p.header)+p.size)
	whole = append(whole, p.header...)
	wire.Unfragment(whole, p.next, p.size)
	for _, f := range p.fragments {
		whole = append(whole, f.data...)
	}
	if p.ecn&ce != 0 {
		wire.MarkCE(whole)
	}
	return whole
}

// isFragment reports whether the fragments of a packet held a second fragment header behind the first. No sender
// fragments a packet twice: a second header only hides the ports from filters on the way [RFC 7112 1, RFC 8200 4.1].
func isFragment(whole []byte) bool {
	var ip wire.IP
	_, err := wire.ParseIP(whole, &ip)
	return err == wire.ErrFragment
}

// Advance discards the packets whose time is over. It calls expired with the first fragment of each, or as much of it
// as an ICMP message quotes, if that fragment has arrived [RFC 1122 3.2.2.4, RFC 4443 3.3].
func (r *Reassembler) Advance(now conn.Time, expired func(first []byte)) {
	for i := 0; i < len(r.packets); {
		p := r.packets[i]
		if p.expires > now {
			i++
			continue
		}
		r.remove(p)
		if p.bad {
			continue
		}
		r.counts.TimedOut++
		r.counts.Failed++
		if p.header != nil {
			expired(p.quote())
		}
	}
}

// quote returns the first fragment as it arrived, cut to 1,232 bytes.
func (p *packet) quote() []byte {
	data := p.fragments[0].data
	f := wire.Fragment{ID: p.id.number, More: true}
	b := slices.Clone(p.header)
	if p.id.src.Is4() {
		wire.PutFragmentIPv4(b, f, len(data))
	} else {
		wire.Unfragment(b, wire.ProtocolFragment, len(data)+8)
		b = append(b, make([]byte, 8)...)
		wire.PutFragmentIPv6(b[len(b)-8:], f, p.next)
	}
	b = append(b, data...)
	return b[:min(len(b), 1232)]
}

// Check returns an error-like description of the first invariant that does not hold, or "". It is for tests.
func (r *Reassembler) Check() string {
	memory := 0
	sources := make(map[netip.Addr]int)
	for _, p := range r.packets {
		have, last, cost := 0, 0, overhead+len(p.header)
		for _, f := range p.fragments {
			if f.offset < last {
				return "fragments overlap"
			}
			last = f.end()
			have += len(f.data)
			cost += len(f.data) + overhead
		}
		if have != p.have || cost != p.memory {
			return "a packet's counts are wrong"
		}
		if p.size != 0 && last > p.size {
			return "a packet has bytes behind its end"
		}
		memory += p.memory
		sources[wire.Source(p.id.src)]++
		if sources[wire.Source(p.id.src)] > MaxPerSource {
			return "a source has too many packets"
		}
	}
	switch {
	case memory != r.memory:
		return "the memory in use is counted wrongly"
	case memory > r.limit():
		return "too much memory is in use"
	case len(r.packets) > MaxPackets:
		return "there are too many packets"
	}
	return ""
}
