package conn

import (
	"testing"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/cc"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// hostile is a connection that sends to a peer. The peer stores data correctly and reports it as the test decides. The
// path carries 1.25 MB/s with an RTT of 100 ms. It loses one segment in 200, and those that arrive at a queue of more
// than 100. Segments have 1000 bytes.
type hostile struct {
	*endpoint
	size int64
	say  func(h *hostile, honest reply) []reply // replies of the peer in place of the honest one; nil: the honest one

	got     buffer.RangeSet // data that has arrived at the peer
	allowed seq.Offset      // edge of the window last announced to the connection
	free    Time            // end of the transmissions of the bottleneck
	passed  int             // segments it has got; one in lossEvery is lost
	way     []parcel        // segments and ACKs in the network, in order of arrival
	replies int
	grown   map[int64]int64 // window by the number of bytes acknowledged
}

// reply is an ACK. Its window is in bytes, and age is the age of the timestamp that it echoes.
type reply struct {
	after       time.Duration // later than the truth
	ack         int64
	blocks      []buffer.Range
	window      int
	ece         bool
	tsval, echo uint32
}

// parcel is a segment on its way to the peer, or a reply.
type parcel struct {
	at    Time
	data  buffer.Range
	echo  uint32
	reply *reply
}

const (
	hostileRate   = 1_250_000
	hostileRTT    = 100 * time.Millisecond
	hostileWindow = 1 << 20
	lossEvery     = 200
)

func newHostile(t *testing.T, cfg Config, size int64, say func(*hostile, reply) []reply) *hostile {
	t.Helper()
	cfg.MaxRTO = time.Minute
	h := &hostile{endpoint: newEndpoint(t, cfg), size: size, say: say, grown: map[int64]int64{}, allowed: 1 + 65535}
	h.c = Dial(h.now, &h.cfg, testOpen())
	h.transmit()
	h.way = nil
	h.sleep(hostileRTT)
	options := wire.Options{MSS: 1000, SACKPermitted: cfg.SACK == Enabled, HasWindowScale: true, WindowScale: 8,
		HasTimestamps: cfg.Timestamps == Enabled, TSVal: 1, TSEcr: h.c.clock(h.now.Add(-hostileRTT))}
	if options.HasTimestamps {
		options.MSS += timestampsLen
	}
	flags := syn | ack
	if cfg.ECN == ECNActive {
		flags |= wire.ECE
	}
	h.in(segment{flags: flags, ack: 1, options: options})
	h.transmit()
	h.way = nil
	return h
}

// transmit sends all segments that the connection permits.
func (h *hostile) transmit() {
	h.t.Helper()
	for h.c.Transmit(h.now, 1, &h.last) {
		h.check()
		at := seq.Unwrap(testISS, h.c.snd.una, h.last.TCP.Seq)
		data := between(at, at+seq.Offset(h.last.Len))
		if data.End > h.allowed+1 { // one byte more is a probe
			h.t.Fatalf("bytes %d to %d were sent, offered was up to %d", data.Start, data.End, h.allowed)
		}
		h.free = max(h.free, h.now)
		wait := cc.Rate(hostileRate).Time(int64(h.last.Len))
		if h.last.Len == 0 {
			continue
		}
		if h.passed++; h.passed%lossEvery == 0 || h.free.Sub(h.now) > 100*wait {
			continue
		}
		h.free = h.free.Add(wait)
		h.way = append(h.way, parcel{at: h.free.Add(hostileRTT / 2), data: data, echo: h.last.TCP.Options.TSVal})
	}
}

// arrive passes a segment to the peer, which replies.
func (h *hostile) arrive(p parcel) {
	next := contiguousEnd(h.got, 1)
	again := h.got.Overlap(p.data.Start, p.data.End)
	if p.data.Size() > 0 {
		h.got.Add(p.data.Start, p.data.End)
	}
	r := reply{window: hostileWindow, echo: p.echo, tsval: uint32(time.Duration(h.now) / ms)}
	r.ack = int64(contiguousEnd(h.got, 1))
	if again.Size() > 0 {
		r.blocks = append(r.blocks, again)
	}
	for _, b := range h.got {
		if b.Start > next && len(r.blocks) < 3 && b.Start > seq.Offset(r.ack) {
			r.blocks = append(r.blocks, b)
		}
	}
	replies := []reply{r}
	if h.say != nil {
		replies = h.say(h, r)
	}
	for _, r := range replies {
		p := parcel{at: h.now.Add(hostileRTT/2 + r.after), reply: &r}
		i := len(h.way)
		for i > 0 && h.way[i-1].at > p.at {
			i--
		}
		h.way = append(h.way[:i], append([]parcel{p}, h.way[i:]...)...)
	}
}

func between(start, end seq.Offset) buffer.Range { return buffer.Range{Start: start, End: end} }

// contiguousEnd returns the end of the bytes that s holds from o on without a gap.
func contiguousEnd(s buffer.RangeSet, o seq.Offset) seq.Offset {
	if len(s) > 0 && s[0].Start <= o {
		return s[0].End
	}
	return o
}

// hears passes a reply to the connection.
func (h *hostile) hears(r *reply) {
	h.t.Helper()
	h.replies++
	s := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + uint32(r.ack), Flags: ack, Window: uint16((r.window + 255) >> 8)}}
	if r.ece {
		s.TCP.Flags |= wire.ECE
	}
	o := &s.TCP.Options
	if h.c.timestamps {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, r.tsval, r.echo
	}
	for _, b := range r.blocks {
		if int(o.SACKCount) < 3 {
			o.SACK[o.SACKCount] = wire.SACKBlock{Left: seq.Wire(testISS, b.Start), Right: seq.Wire(testISS, b.End)}
			o.SACKCount++
		}
	}
	old := seq.Offset(r.ack) < h.c.snd.una
	if v := h.c.Receive(h.now, &s); v == VerdictAccepted && !old {
		h.allowed = seq.Offset(r.ack) + seq.Offset(int(s.TCP.Window)<<8)
	}
	h.check()
}

// run transfers all data and returns the time it took. The window must never grow by more than the bytes acknowledged
// (RFC 3465), in whatever form they are acknowledged.
func (h *hostile) run(limit time.Duration) time.Duration {
	h.t.Helper()
	start, written := h.now, int64(0)
	data := make([]byte, 1<<16)
	for h.c.snd.una <= seq.Offset(h.size) {
		for written < h.size {
			n, _ := h.c.Write(h.now, data[:min(int64(len(data)), h.size-written)])
			if written += int64(n); n == 0 {
				break
			}
		}
		h.transmit()
		next := h.c.Deadline()
		if len(h.way) > 0 {
			next = min(next, h.way[0].at)
		}
		if h.now = max(h.now, next); h.now.Sub(start) > limit || h.c.State() != Established {
			h.t.Fatalf("%v after %v, at byte %d of %d: %+v", h.c.State(), h.now.Sub(start), h.c.snd.una, h.size, h.c.Info(h.now))
		}
		if len(h.way) > 0 && h.way[0].at <= h.now {
			p := h.way[0]
			h.way = h.way[1:]
			if p.reply == nil {
				h.arrive(p)
				continue
			}
			h.hears(p.reply)
		} else {
			h.c.Advance(h.now)
			h.check()
		}
		w, una := h.c.active.cc.Window(), int64(h.c.snd.una)-1
		if bound := cc.InitialWindow(1000) + max(una, h.c.active.sent.Delivered()); w > bound {
			h.t.Fatalf("the window is %d after %d bytes: more than %d", w, una, bound)
		}
		if una > 0 {
			h.grown[una] = max(h.grown[una], w)
		}
	}
	return h.now.Sub(start)
}

// under runs a transfer of 1 MB with every congestion control, first with an honest peer and then with another.
func under(t *testing.T, cfg Config, say func(*hostile, reply) []reply, compare func(t *testing.T, honest, other *hostile, h, o time.Duration)) {
	t.Helper()
	for _, control := range []CongestionControl{CUBIC, Reno, BBR} {
		t.Run(control.String(), func(t *testing.T) {
			cfg.CongestionControl = control
			honest := newHostile(t, cfg, 1_000_000, nil)
			took := honest.run(time.Minute)
			other := newHostile(t, cfg, 1_000_000, say)
			compare(t, honest, other, took, other.run(10*time.Minute))
		})
	}
}

// most returns the largest window there was.
func (h *hostile) most() (most int64) {
	for _, w := range h.grown {
		most = max(most, w)
	}
	return most
}

// noLarger expects that at no number of bytes acknowledged the window was larger than with an honest peer, except for
// differences caused by the times at which the pacer is called.
func noLarger(t *testing.T, honest, other *hostile) {
	t.Helper()
	if honest.c.algorithm == BBR { // whose cycle depends on the instant: run's bound and its largest window must do
		if a, b := honest.most(), other.most(); b > a+a/4 {
			t.Errorf("the window is %d, with an honest peer %d", b, a)
		}
		return
	}
	for una, w := range honest.grown {
		if o := other.grown[una]; o > w+w/20+1000 {
			t.Fatalf("after %d bytes the window is %d, with an honest peer %d", una, o, w)
		}
	}
}

// noSlower expects a transfer to take hardly longer than with an honest peer.
func noSlower(t *testing.T, honest, other time.Duration) {
	t.Helper()
	if other > honest+honest/4 {
		t.Errorf("it took %v, with an honest peer %v", other, honest)
	}
}

// A peer that acknowledges each segment in twenty pieces makes the window grow no faster: bytes count, not ACKs (RFC
// 3465, RFC 5681 3.1).
func TestACKDivision(t *testing.T) {
	divide := func(h *hostile, r reply) (all []reply) {
		for a := max(r.ack-1000, 1) + 50; a < r.ack; a += 50 {
			piece := r
			piece.ack, piece.blocks = a, nil
			all = append(all, piece)
		}
		return append(all, r)
	}
	under(t, Config{Pacing: Disabled}, divide, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
		if other.replies < 10*honest.replies {
			t.Errorf("the test is wrong: %d ACKs for %d", other.replies, honest.replies)
		}
		noLarger(t, honest, other)
		noSlower(t, h, o)
	})
}

// A peer that acknowledges data in flight gains no more than the growth by those bytes.
func TestOptimisticACKs(t *testing.T) {
	ahead := func(h *hostile, r reply) []reply {
		r.ack, r.blocks = int64(h.c.snd.max), nil
		h.got.Add(1, h.c.snd.max)
		return []reply{r}
	}
	under(t, Config{}, ahead, func(t *testing.T, honest, other *hostile, h, o time.Duration) { noSlower(t, h, o) })
}

// ACKs of data that was never sent have no effect, and the number of replies to them is limited (RFC 5961 5.2).
func TestACKsOfWhatWasNeverSent(t *testing.T) {
	future := func(h *hostile, r reply) []reply {
		bad := r
		bad.ack, bad.window = int64(h.c.snd.max)+1_000_000, 100
		worse := r
		worse.ack = r.ack + 1<<31 - 1
		return []reply{bad, r, worse}
	}
	under(t, Config{}, future, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
		noLarger(t, honest, other)
		noSlower(t, h, o)
		c := other.c.stats
		if answers := c.SegmentsSent - c.DataSegmentsSent; answers > 10*uint64(1+o/(5*time.Second))+5 {
			t.Errorf("%d answers to them", answers)
		}
	})
}

// SACK blocks outside the window, upside down, and across its edges: the true ones beside them count.
func TestSACKsOutsideTheWindow(t *testing.T) {
	n := 0
	absurd := func(h *hostile, r reply) []reply {
		una, top := seq.Offset(r.ack), seq.Offset(h.size)+1
		all := []buffer.Range{between(top, top+5000), between(top-500, top+500), between(una+2000, una+1000),
			between(una-1<<30, una-1<<29), between(top+1<<30, top+1<<31-1), between(una+1500, una+1500)}
		n++
		r.blocks = append(r.blocks[:len(r.blocks):len(r.blocks)], all[n%len(all)])
		return []reply{r}
	}
	under(t, Config{}, absurd, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
		if a, b := honest.c.stats.Retransmitted, other.c.stats.Retransmitted; b > a+a/4+5 {
			t.Errorf("%d segments sent again, with an honest peer %d", b, a)
		}
		noSlower(t, h, o)
	})
}

// A peer that repeatedly discards data it has reported receives all of it, after timeouts if necessary (RFC 2018 8).
func TestRenegingAgainAndAgain(t *testing.T) {
	forgotten := 0
	forget := func(h *hostile, r reply) []reply {
		if len(h.got) > 1 && h.got[1].Size() > 3000 {
			h.got = h.got[:1]
			forgotten++
		}
		return []reply{r}
	}
	under(t, Config{}, forget, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
		if forgotten == 0 || o > h+2*time.Minute {
			t.Errorf("it took %v, with an honest peer %v; it has forgotten %d times", o, h, forgotten)
		}
	})
}

// D-SACKs for data that was sent once prove nothing about lost data: no reduction is undone, and losses are found
// within two round trips nevertheless.
func TestDSACKsOfWhatWasSentOnce(t *testing.T) {
	twice := func(h *hostile, r reply) []reply {
		first := seq.Offset(max(r.ack-1000, 1))
		if r.ack > 1000 && !h.c.active.undo.Contains(first, seq.Offset(r.ack)) && len(r.blocks) < 3 {
			r.blocks = append([]buffer.Range{between(first, seq.Offset(r.ack))}, r.blocks...)
		}
		return []reply{r}
	}
	under(t, Config{Timestamps: Disabled}, twice, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
		if s := other.c.stats; s.Spurious > honest.c.stats.Spurious || s.Duplicates < 100 {
			t.Errorf("%d episodes were undone after %d reports, with an honest peer %d", s.Spurious, s.Duplicates, honest.c.stats.Spurious)
		}
		if o > 2*h {
			t.Errorf("it took %v, with an honest peer %v", o, h)
		}
	})
}

// Some timestamps run backwards, jump or echo values that were never sent. Such ACKs count as lost, and the timeout
// stays within its limits.
func TestTimestampsThatJump(t *testing.T) {
	n := 0
	for name, jump := range map[string]func(r *reply){
		"backwards":         func(r *reply) { r.tsval -= 5000 },
		"echo of nothing":   func(r *reply) { r.echo = 0 },
		"echo of the past":  func(r *reply) { r.echo -= 900 },
		"echo of long ago":  func(r *reply) { r.echo -= 1 << 30 },
		"echo of to come":   func(r *reply) { r.echo += 10_000 },
		"echo of far ahead": func(r *reply) { r.echo += 1<<31 - 1 },
	} {
		t.Run(name, func(t *testing.T) {
			n = 0
			say := func(h *hostile, r reply) []reply {
				if n++; n%3 == 0 {
					jump(&r)
				}
				return []reply{r}
			}
			under(t, Config{}, say, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
				if o > time.Minute+3*h { // the round trips that the peer claims make timeouts longer
					t.Errorf("it took %v, with an honest peer %v", o, h)
				}
				if i := other.c.Info(other.now); i.RTO > 5*time.Second || i.MinRTT < hostileRTT {
					t.Errorf("the timeout is %v, the shortest round trip %v", i.RTO, i.MinRTT)
				}
			})
		})
	}
}

// Windows shrink to nothing and open again. Data beyond them is never sent, and all data arrives.
func TestWindowsThatShrink(t *testing.T) {
	n := 0
	for name, shrink := range map[string]func(h *hostile, r reply) []reply{
		"to zero and back": func(h *hostile, r reply) []reply {
			if n++; n%7 != 0 {
				return []reply{r}
			}
			closed, open := r, r
			closed.window, open.after = 0, 30*time.Millisecond
			open.tsval += 30
			return []reply{closed, open}
		},
		"to a segment and back": func(h *hostile, r reply) []reply {
			n++
			r.window = []int{1024, 256, hostileWindow, 8192}[n%4]
			return []reply{r}
		},
		"and only probes find out": func(h *hostile, r reply) []reply {
			if time.Duration(h.now)%time.Second >= 500*ms {
				r.window = 0
			}
			return []reply{r}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n = 0
			under(t, Config{}, shrink, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
				if o > 30*h {
					t.Errorf("it took %v, with an honest peer %v", o, h)
				}
			})
		})
	}
}

// A peer that sets ECE on every ACK reduces the window once in a round trip. It gets at least one segment per timeout,
// and nothing is retransmitted (RFC 3168 6.1.2).
func TestMarksWithoutEnd(t *testing.T) {
	flood := func(h *hostile, r reply) []reply {
		r.ece = true
		return []reply{r}
	}
	under(t, Config{ECN: ECNActive}, flood, func(t *testing.T, honest, other *hostile, h, o time.Duration) {
		s, reductions := other.c.stats, other.c.reductions
		if rounds := uint32(o/hostileRTT) + 1; reductions == 0 || reductions > rounds {
			t.Errorf("%d reductions in %d round trips", reductions, rounds)
		}
		if s.Retransmitted > 2*1000/lossEvery || other.most() > honest.most() {
			t.Errorf("%d sent again, window %d, with an honest peer %d", s.Retransmitted, other.most(), honest.most())
		}
	})
}

// Duplicate ACKs that no segment has caused let out no more than there is in flight (RFC 5681, security
// considerations).
func TestDuplicateACKsWithoutEnd(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno} {
		h := newHostile(t, Config{SACK: Disabled, Timestamps: Disabled, Pacing: Disabled, CongestionControl: control, SendBuffer: 1 << 20}, 0, nil)
		h.write(repeat(10_000))
		h.transmit()
		for range 1000 {
			h.hears(&reply{ack: 1, window: hostileWindow})
		}
		before := h.c.snd.max
		h.write(repeat(500_000))
		h.transmit()
		if n := h.c.snd.max - before; n > 10_000 {
			t.Errorf("%v: %d bytes leave at once for ACKs of nothing", control, n)
		}
	}
}
