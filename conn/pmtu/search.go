package pmtu

import (
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// Search is the search for the largest packet that the path carries. Packets of Path.MTU arrive, as far as is known. A
// probe is a packet with data that is larger (RFC 4821 5.2).
//
// The states of RFC 8899 5.2 are: Disabled without a Search; Base while the size is that of Fall or of the mode Always
// and no probe has arrived; Searching while size is not 0; Search Complete while it is 0; Error at the smallest size.
type Search struct {
	next       clock.Time // time from which a probe may be sent
	start, end seq.Offset // data of the probe in flight; end is 0 while there is none
	threshold  int64      // slow start threshold before a black hole was suspected; 0: it has not been reduced since
	high       int        // largest size that is not known to be too large
	size       int        // of the next probe, or of that in flight; 0: the search is complete
	timeouts   uint32     // in a row before the last Fall
	fails      uint8      // probes of this size that were lost
	source     Source
	ready      bool // the next Transmit may send a probe
	news       bool // Report has something to return

	counts, reported Counts
}

// Counts are the events of a Search.
type Counts struct {
	Probes     uint32 // sent
	Failed     uint32 // probes that were lost
	BlackHoles uint32 // suspected
}

const (
	// base4 is the size that works on almost all paths. For IPv6 it is the smallest MTU of a link (RFC 8899 5.1.2).
	base4 = 1200
	// least4 is the size that every IPv4 host takes [RFC 1122 3.3.3]. IPv6 has none below base.
	least4 = 576
	// maxProbes is the number of lost probes by which a size is too large.
	//
	// Deviation: RFC 8899 5.1.2 recommends 3. Loss that has another cause mostly affects other segments too, and such a
	// probe does not count (RFC 4821 7.6.3).
	maxProbes = 2
	// RaiseAfter is the time after which larger packets are tried again [RFC 1191 6.3, RFC 8201 4, RFC 8899 5.1.1].
	RaiseAfter = 10 * time.Minute
	// retryAfter is the time to the next probe after one whose loss proves nothing.
	retryAfter = time.Second
	// precision is the divisor of the size by which the search may end too low: 1.6 %. Each step closer costs two lost
	// packets.
	precision = 64
)

// common are the usual MTUs: of IPv6's smallest link, of mobile networks, WireGuard and other tunnels, PPPoE, Ethernet,
// and jumbo frames. They are tried before sizes between them.
var common = [...]int{1280, 1360, 1400, 1420, 1440, 1460, 1480, 1492, 1500, 8896, 9000, 9001}

// begin returns the Search, and begins it if there is none.
func (p *Path) begin() *Search {
	if p.search == nil {
		p.search = &Search{next: clock.Never, high: p.local()}
	}
	return p.search
}

// top returns the size of the largest packet that both ends take.
func (p *Path) top() int { return int(min(p.localMSS, p.peerMSS)) + p.headers() }

// know completes the search: mtu is the path's, as far as is known.
func (p *Path) know(now clock.Time, from Source) {
	s := p.begin()
	s.high, s.size, s.fails, s.end, s.ready = p.MTU(), 0, 0, 0, false
	s.source, s.news = from, true
	s.next = now.Add(RaiseAfter)
}

// Known is the knowledge of earlier connections about the path to a host. The zero Known is none.
type Known struct {
	MTU  uint16 // packets of this size arrive, larger ones perhaps do not; 0: not known
	High uint16 // larger ones do not arrive; at most MTU: the search is complete
}

// Start chooses the size of the first packets of a connection.
func (p *Path) Start(now clock.Time, mode Mode, known Known) {
	base := p.base()
	high, size := p.local(), p.local()
	switch {
	case known.MTU != 0 && int(known.MTU) < p.MTU():
		p.setMTU(max(int(known.MTU), minMTU(p.is6)))
		p.know(now, Cache)
		p.search.news = false
		if int(known.High) < high {
			high = int(known.High)
			size = between(p.MTU(), high)
		}
		if size == 0 || mode == Off {
			return
		}
	case mode == Always && p.MTU() > base:
		p.setMTU(base)
		p.begin().source = Base
	default:
		return
	}
	s := p.search
	s.high, s.size, s.next = high, size, now
}

// base returns the size to which packets fall first.
func (p *Path) base() int {
	if p.is6 {
		return minMTU6
	}
	return base4
}

// least returns the smallest size to which packets fall without an ICMP message.
func (p *Path) least() int {
	if p.is6 {
		return minMTU6
	}
	return least4
}

// below returns the size that follows when segments of mss bytes do not arrive, 0 if there is none.
func (p *Path) below(mss int) int {
	present := min(p.MTU(), p.top(), mss+p.headers())
	for _, size := range [...]int{p.base(), p.least()} {
		if size < present {
			return size
		}
	}
	return 0
}

// CanFall reports whether Fall has a size below that of segments of mss bytes.
func (p *Path) CanFall(mss int) bool { return p.below(mss) != 0 }

// TimeoutsBeforeFall returns the number of timeouts in a row that the last Fall was called for, 0 after an ACK.
func (p *Path) TimeoutsBeforeFall() uint32 {
	if p.search == nil {
		return 0
	}
	return p.search.timeouts
}

// Fall lowers the size of packets, because segments of mss bytes do not arrive. It returns false if there is no smaller
// size. Timeouts is the number of timeouts in a row, threshold the slow start threshold before them. The first probe
// has the size before the first Fall: nothing may have arrived for another reason.
func (p *Path) Fall(now clock.Time, mss int, timeouts uint32, threshold int64) bool {
	size := p.below(mss)
	if size == 0 {
		return false
	}
	s := p.begin()
	if s.source != BlackHole {
		s.threshold = threshold
	}
	if s.source != BlackHole || s.size != s.high { // otherwise the first probe of the last Fall has not been sent
		s.high = min(p.MTU(), p.top())
	}
	p.setMTU(size)
	s.source, s.timeouts = BlackHole, timeouts
	s.size, s.fails, s.end, s.ready, s.next = s.high, maxProbes-1, 0, false, now
	s.counts.BlackHoles++
	s.news = true
	return true
}

// Rise undoes Fall: the segments were only late. It reports whether the size has changed.
func (p *Path) Rise(now clock.Time) bool {
	s := p.search
	if s == nil || s.source != BlackHole || s.high <= p.MTU() {
		return false
	}
	p.setMTU(s.high)
	s.threshold = 0
	p.know(now, Device)
	return true
}

// Searching reports whether there is a Search. All connections whose packets have the device's size have none.
func (p *Path) Searching() bool { return p.search != nil }

// Due returns the size of the packet to try now, 0 for none. After RaiseAfter it is the largest packet that both ends
// take.
func (p *Path) Due(now clock.Time) int {
	s := p.search
	if s == nil || s.end != 0 || now < s.next {
		return 0
	}
	if s.size == 0 {
		s.high, s.size = p.top(), p.top()
	}
	if s.size = min(s.size, p.top()); s.size <= p.MTU() {
		s.size, s.next = 0, clock.Never // there is no larger size
	}
	return s.size
}

// Raise makes packets as large as both ends take, without a probe.
func (p *Path) Raise() {
	p.setMTU(p.top())
	p.fragment = false
	s := p.begin()
	s.source, s.size, s.next, s.news = Device, 0, clock.Never, true
}

// SetReady sets whether the next Transmit may send a probe.
func (p *Path) SetReady(ready bool) { p.search.ready = ready }

// Ready reports whether the next Transmit may send a probe.
func (p *Path) Ready() bool { return p.search != nil && p.search.ready }

// ProbeMSS returns the number of bytes of options and data in the next probe.
func (p *Path) ProbeMSS() int { return p.search.size - p.headers() }

// Probed records that the probe has been sent with the data [start, end).
func (p *Path) Probed(start, end seq.Offset) {
	s := p.search
	s.start, s.end, s.ready = start, end, false
	s.counts.Probes++
	s.news = true
}

// IsProbe reports whether the probe in flight has the byte at o.
func (p *Path) IsProbe(o seq.Offset) bool {
	s := p.search
	return s != nil && s.start <= o && o < s.end
}

// Acknowledged must be called for every new SND.UNA while Searching is true. It reports whether the probe has arrived,
// so that packets become larger.
func (p *Path) Acknowledged(now clock.Time, una seq.Offset) bool {
	s := p.search
	if s == nil {
		return false
	}
	if s.timeouts = 0; s.end == 0 || una < s.end {
		return false
	}
	p.setMTU(s.size)
	p.fragment = false
	s.high = max(s.high, s.size)
	s.end, s.source, s.threshold, s.news = 0, Probe, 0, true
	p.choose(now)
	return true
}

// Failed records the loss of the probe. If it confirms that there is a black hole, the result is the slow start
// threshold from before: the losses were no sign of congestion.
func (p *Path) Failed(now clock.Time) (threshold int64, confirmed bool) {
	s := p.search
	s.end, s.ready, s.next, s.news = 0, false, now, true
	s.counts.Failed++
	if s.fails++; s.fails < maxProbes {
		return 0, false
	}
	threshold, s.threshold = s.threshold, 0
	s.high = s.size - 1
	p.choose(now)
	return threshold, threshold != 0
}

// Inconclusive records that the probe was lost together with other segments, or that losses prevent one.
func (p *Path) Inconclusive(now clock.Time) {
	s := p.search
	if s == nil {
		return
	}
	if s.ready = false; s.end != 0 {
		s.end, s.next = 0, now.Add(retryAfter)
	}
}

// TooBig takes an ICMP message that quotes the byte at o, and reports whether the packet was the probe. Its MTU, which
// is at least the present one, or 0, is that of the next probe (RFC 8899 4.6.2).
func (p *Path) TooBig(now clock.Time, o seq.Offset, mtu int) bool {
	if !p.IsProbe(o) || mtu != 0 && mtu < p.MTU() || mtu >= p.search.size {
		return false
	}
	s := p.search
	s.end, s.next, s.news = 0, now, true
	s.counts.Failed++
	s.high = s.size - 1
	if mtu != 0 {
		s.high = mtu
	}
	p.choose(now)
	if mtu > p.MTU() {
		s.size = s.high
	}
	return true
}

// choose chooses the size of the next probe, or ends the search.
func (p *Path) choose(now clock.Time) {
	s := p.search
	s.fails = 0
	if s.size = between(p.MTU(), min(s.high, p.top())); s.size != 0 {
		s.next = now
		return
	}
	if s.next = now.Add(RaiseAfter); p.MTU() >= p.top() {
		s.next = clock.Never
	}
}

// between returns the size to try when packets of low bytes arrive and those of more than high do not, 0 if the search
// is complete: the middle one of the common sizes, and then of all sizes.
func between(low, high int) int {
	first, end := 0, 0
	for end < len(common) && common[end] <= high {
		if end++; common[end-1] <= low {
			first = end
		}
	}
	switch {
	case first < end:
		return common[(first+end)/2]
	case high > low && high-low > low/precision:
		return low + (high-low+1)/2
	}
	return 0
}

// Source returns the origin of MTU.
func (p *Path) Source() Source {
	if p.search == nil {
		return Device
	}
	return p.search.source
}

// Counts returns the totals of the connection.
func (p *Path) Counts() Counts {
	if p.search == nil {
		return Counts{}
	}
	return p.search.counts
}

// News reports whether Report has something to return.
func (p *Path) News() bool { return p.search != nil && p.search.news }

// Report returns the events since the last call, and the present knowledge of the path: none if packets have the size
// that both ends take.
func (p *Path) Report() (events Counts, known Known) {
	s := p.search
	if s == nil {
		return Counts{}, Known{}
	}
	s.news = false
	now, before := s.counts, s.reported
	s.reported = now
	events = Counts{now.Probes - before.Probes, now.Failed - before.Failed, now.BlackHoles - before.BlackHoles}
	if p.MTU() < p.top() {
		known.MTU = uint16(p.MTU())
		if s.size != 0 {
			known.High = uint16(s.high)
		}
	}
	return events, known
}
