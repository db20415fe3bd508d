package conn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// The limits of the number of records visited, for any SACK blocks.
const (
	visitsPerACK = 64 // on average, Transmit included
	// maxVisits is for a single ACK with the Transmits after it: each record changes its state at most twice.
	maxVisits = 2 * scoreboard.MaxRecords
)

// costly is a connection with 8 MB in flight to a peer that chooses its SACK blocks.
type costly struct {
	*endpoint
	mss   int64
	rng   *rand.Rand
	acks  int
	total uint64
	most  uint64          // for one ACK
	large int             // records, the most at once
	ends  map[uint32]bool // of segments that were small when first sent
	echo  uint32          // TSEcr of the ACKs, if timestamps are in use
}

func newCostly(t *testing.T, mss uint16, timestamps Feature, algorithm CongestionControl) *costly {
	t.Helper()
	// All segments have the size of the peer's MSS, also after many timeouts.
	cfg := Config{MTUProbing: MTUProbingOff, MaxRTO: time.Minute, Timestamps: timestamps, SendBuffer: 16 << 20, MaxSendBuffer: 16 << 20, Pacing: Disabled, CongestionControl: algorithm}
	c := &costly{endpoint: newEndpoint(t, cfg), mss: int64(mss), rng: rand.New(rand.NewPCG(1, 1)), ends: map[uint32]bool{}}
	c.c = Dial(c.now, &c.cfg, testOpen())
	c.transmit()
	c.c.Receive(c.now, &Segment{TCP: wire.TCP{Seq: testIRS, Ack: testISS + 1, Flags: syn | ack, Window: 65535,
		Options: wire.Options{MSS: mss, SACKPermitted: true, HasWindowScale: true, WindowScale: 14,
			HasTimestamps: timestamps != Disabled, TSVal: 1, TSEcr: c.last.TCP.Options.TSVal}}})
	if c.c.timestamps {
		c.mss -= 12
	}
	data := make([]byte, 16<<20)
	var sent [20]seq.Offset // SND.NXT in each of the last 20 ms
	for i := 0; i < 4000 && c.inFlight() < 8<<20; i++ {
		c.c.Write(c.now, data)
		c.c.Advance(c.now)
		c.transmit()
		sent[i%len(sent)] = c.c.snd.nxt
		c.now, c.echo = c.now.Add(ms), c.last.TCP.Options.TSVal
		c.give(max(int64(sent[(i+1)%len(sent)]), int64(c.c.snd.una)))
	}
	c.c.Write(c.now, data)
	c.transmit()
	if n := c.inFlight(); n < 8<<20 {
		t.Fatalf("%d bytes in flight", n)
	}
	c.now = c.now.Add(25 * ms)
	c.acks, c.total, c.most = 0, 0, 0
	return c
}

func (c *costly) inFlight() int64 { return int64(c.c.snd.nxt - c.c.snd.una) }

// transmit sends GSO packets. No retransmission has a smaller segment than the original.
func (c *costly) transmit() {
	c.t.Helper()
	for c.c.Transmit(c.now, gsoLimit, &c.last) {
		n, end := int64(c.last.Len), c.last.TCP.Seq+uint32(c.last.Len)
		if n%c.mss == 0 {
			continue
		}
		if c.last.Note == NoteNone || c.last.Note == NoteTailProbe {
			c.ends[end] = true
		} else if !c.ends[end] {
			c.t.Fatalf("%d bytes at %d are sent again", n, c.last.TCP.Seq-testISS)
		}
	}
}

// give receives an ACK, with the Transmits that follow, and counts the records it makes the sender look at.
func (c *costly) give(number int64, blocks ...int64) {
	c.t.Helper()
	s := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + uint32(number), Flags: ack, Window: 65535}}
	for i := 0; i < len(blocks); i += 2 {
		s.TCP.Options.SACK[i/2] = wire.SACKBlock{Left: testISS + uint32(blocks[i]), Right: testISS + uint32(blocks[i+1])}
		s.TCP.Options.SACKCount++
	}
	if c.c.timestamps {
		s.TCP.Options.HasTimestamps, s.TCP.Options.TSVal, s.TCP.Options.TSEcr = true, 1, c.echo
	}
	before := c.c.active.sent.Visits()
	c.c.Receive(c.now, &s)
	c.transmit()
	n := c.c.active.sent.Visits() - before
	c.acks++
	c.total += n
	c.most = max(c.most, n)
	c.large = max(c.large, c.c.active.sent.Len())
	c.now = c.now.Add(10 * time.Microsecond)
	if c.c.Deadline() <= c.now {
		c.c.Advance(c.now)
		c.transmit()
	}
}

// forget gives ACK i of a peer that discards all SACKed data every 1,000 ACKs, which the sender learns by a timeout.
func (c *costly) forget(una, i int64) {
	if i%1000 == 999 {
		c.now = c.c.active.timer.retransmit
		c.c.Advance(c.now)
		c.transmit()
	}
	c.give(una, blocks(una+(8*(i%1000))*c.mss, c.mss, 2*c.mss)...)
}

// blocks returns four SACK blocks of size bytes each, one every step bytes from start on.
func blocks(start, size, step int64) (b []int64) {
	for i := range int64(4) {
		b = append(b, start+i*step, start+i*step+size)
	}
	return b
}

// hostileReports are ways to choose SACK blocks that make a sender look at many records. The arguments of give are
// SND.UNA and the number of the ACK.
var hostileReports = []struct {
	name string
	give func(c *costly, una, i int64)
}{
	{"every other byte", func(c *costly, una, i int64) { c.give(una, blocks(una+1000+8*i, 1, 2)...) }},
	{"every other segment", func(c *costly, una, i int64) { c.give(una, blocks(una+(1+8*i)*c.mss, c.mss, 2*c.mss)...) }},
	{"backwards", func(c *costly, una, i int64) {
		n := c.inFlight() / c.mss
		c.give(una, blocks(una+(n-2-8*(i%(n/8)))*c.mss, c.mss, -2*c.mss)...)
	}},
	{"random", func(c *costly, una, i int64) {
		var b []int64
		for range 4 {
			at := una + c.rng.Int64N(c.inFlight()/c.mss)*c.mss
			b = append(b, at, at+c.mss)
		}
		c.give(una, b...)
	}},
	{"overlapping", func(c *costly, una, i int64) {
		var b []int64
		for n := range int64(4) {
			at := una + c.rng.Int64N(c.inFlight()/c.mss)*c.mss/2
			b = append(b, at, at+(2*n+1)*c.mss)
		}
		c.give(una, b...)
	}},
	{"D-SACKs", func(c *costly, una, i int64) {
		b := blocks(una+(1+8*i)*c.mss, c.mss, 2*c.mss)
		c.give(una, append([]int64{b[0], b[1]}, b[:6]...)...)
	}},
	{"acknowledges on", func(c *costly, una, i int64) {
		c.give(una+c.mss, blocks(una+(3+8*i)*c.mss, c.mss, 2*c.mss)...)
	}},
	{"forgets", func(c *costly, una, i int64) { c.forget(una, i) }},
	{"forgets with all undos spent", func(c *costly, una, i int64) {
		c.c.active.undo.undone, c.c.active.undo.window = maxUndos, c.c.snd.max
		c.forget(una, i)
	}},
}

// For any reports of a peer with 8 MB in flight, the number of records that an ACK visits is limited, and so is the
// number of records (CVE-2018-5390, CVE-2019-11477, CVE-2019-11478).
func TestHostileSACKCost(t *testing.T) {
	const acks = 6000
	for _, algorithm := range []CongestionControl{CUBIC, BBR} {
		for _, mss := range []uint16{88, 1460} {
			for _, p := range hostileReports {
				t.Run(fmt.Sprintf("%v, %s of %d", algorithm, p.name, mss), func(t *testing.T) {
					c := newCostly(t, mss, Disabled, algorithm)
					sent := c.c.active.sent.Len()
					for i := range int64(acks) {
						p.give(c, int64(c.c.snd.una), i)
					}
					c.give(int64(c.c.snd.nxt)) // all at once
					mean := float64(c.total) / float64(c.acks)
					if testing.Verbose() {
						t.Logf("%.1f visits for an ACK, at most %d; at most %d records, %d at first", mean, c.most, c.large, sent)
					}
					if mean > visitsPerACK || c.most > maxVisits || c.large > scoreboard.MaxRecords+sent {
						t.Errorf("%.1f visits for an ACK, at most %d; at most %d records, %d at first", mean, c.most, c.large, sent)
					}
				})
			}
		}
	}
}

// A peer that proves each episode of recovery spurious at once, by the echo of a timestamp from before it, makes the
// sender mark and restore thousands of losses only a few times for each window of data.
func TestHostileUndoCost(t *testing.T) {
	const acks = 6000
	c := newCostly(t, 88, Enabled, CUBIC)
	for i := range int64(2000) { // holes
		una := int64(c.c.snd.una)
		c.give(una, blocks(una+(1+6*i)*c.mss, c.mss, 2*c.mss)[:6]...)
	}
	before, undone := c.c.active.sent.Visits(), c.c.stats.Spurious
	for range acks {
		c.now = c.now.Add(c.c.reorderWindow())
		c.give(int64(max(c.c.snd.una, c.c.active.undo.First())) + c.mss)
	}
	mean, n := float64(c.c.active.sent.Visits()-before)/acks, c.c.stats.Spurious-undone
	if testing.Verbose() {
		t.Logf("%d episodes undone, %.1f visits for an ACK", n, mean)
	}
	if mean > visitsPerACK || n == 0 {
		t.Errorf("%d episodes undone, %.1f visits for an ACK", n, mean)
	}
}
