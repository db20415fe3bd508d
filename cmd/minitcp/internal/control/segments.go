//go:build linux

package control

import (
	"strings"
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// segment is a segment of a connection, in JSON. Numbers count from the initial sequence numbers.
type segment struct {
	Time     micros     `json:"t_us"` // since the connection began
	Outgoing bool       `json:"out"`
	Seq      int64      `json:"seq"` // -1: not known
	Ack      int64      `json:"ack"` // -1: none
	Len      int        `json:"len_bytes"`
	Window   int64      `json:"window_bytes"`
	Flags    string     `json:"flags"`
	Note     string     `json:"note,omitempty"`
	Again    bool       `json:"again,omitempty"` // a retransmission of this end
	Dropped  bool       `json:"dropped,omitempty"`
	Segments int        `json:"segments"`
	SACK     [][2]int64 `json:"sack,omitempty"`
}

// recorder keeps the segments of one connection since the last tick.
type recorder struct {
	ends Ends

	mu     sync.Mutex
	list   []stack.TraceEvent
	spare  []stack.TraceEvent
	missed int // segments that are not in list
}

// maxRecorded is the number of segments between two ticks that are kept.
const maxRecorded = 4096

// record implements the Segment of an Observer. It never waits: while take has the lock, a segment is left out.
func (r *recorder) record(v *stack.TraceEvent) {
	if v.Local != r.ends.Local || v.Remote != r.ends.Remote || !r.mu.TryLock() {
		return
	}
	defer r.mu.Unlock()
	if len(r.list) == maxRecorded {
		r.missed++
		return
	}
	r.list = append(r.list, *v)
}

// take returns the segments since the last call, valid until the next one, and the number of those left out.
func (r *recorder) take() (list []stack.TraceEvent, missed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, missed = r.list, r.missed
	r.list, r.spare, r.missed = r.spare[:0], list, 0
	return list, missed
}

// connectionSource makes the ticks of the page of one connection.
type connectionSource struct {
	monitor  *Monitor
	ends     Ends
	recorder recorder
	stop     func()
	last     stack.ConnInfo
	known    bool // last is set
}

// connectionTick is a tick of a connection's page, in JSON.
type connectionTick struct {
	Tick       int         `json:"tick"`
	Connection *Connection `json:"connection"` // null: it does not exist
	Finished   *Finished   `json:"finished,omitempty"`
	Limits     *limits     `json:"limits,omitempty"` // since the tick before
	Segments   []segment   `json:"segments"`
	Missed     int         `json:"missed"` // segments that are not in Segments
}

func newConnectionSource(m *Monitor, e Ends) *connectionSource {
	s := &connectionSource{monitor: m, ends: e}
	s.recorder.ends = e
	s.stop = m.stack.Observe(stack.Observer{Segment: s.recorder.record})
	return s
}

func (s *connectionSource) interval() time.Duration { return 100 * time.Millisecond }
func (s *connectionSource) close()                  { s.stop() }

func (s *connectionSource) tick(number int) any {
	t := connectionTick{Tick: number, Segments: []segment{}}
	c, ok := s.monitor.stack.Connection(s.ends.Local, s.ends.Remote)
	if ok {
		d := describe(&c)
		t.Connection = &d
		if s.known && c.Began == s.last.Began {
			l := limitsOf(&s.last.Info, &c.Info, c.Age-s.last.Age)
			t.Limits = &l
		}
		s.last, s.known = c, true
	} else {
		t.Finished = s.monitor.finished.find(s.ends)
	}
	list, missed := s.recorder.take()
	kept := thin(list)
	t.Missed = missed + len(list) - len(kept)
	for i := range kept {
		t.Segments = append(t.Segments, s.encode(&kept[i]))
	}
	return t
}

// maxSegments is the number of segments in a tick.
const maxSegments = 200

// thin returns about maxSegments of the segments at most: the remarkable ones, and some of the others at equal
// distances.
func thin(list []stack.TraceEvent) []stack.TraceEvent {
	if len(list) <= maxSegments {
		return list
	}
	every := (len(list) + maxSegments/2 - 1) / (maxSegments / 2)
	kept := list[:0]
	for i, v := range list {
		remarkable := v.Note != "" || v.TCP.Flags&(wire.SYN|wire.FIN|wire.RST) != 0
		if i%every == 0 || remarkable && len(kept) < maxSegments {
			kept = append(kept, v)
		}
	}
	return kept
}

// encode returns the JSON form of a segment.
func (s *connectionSource) encode(v *stack.TraceEvent) segment {
	i := &s.last.Info
	d := segment{
		Time:     micros((v.Time - s.last.Began) / time.Microsecond),
		Outgoing: v.Outgoing,
		Seq:      v.RelativeSeq,
		Ack:      v.RelativeAck,
		Len:      v.Len,
		Window:   windowOf(v, i),
		Flags:    v.TCP.Flags.String(),
		Note:     v.Note,
		Again:    v.Outgoing && strings.Contains(v.Note, "retransmission"),
		Dropped:  v.Dropped,
		Segments: v.Segments,
	}
	if v.RelativeAck >= 0 {
		first := v.TCP.Ack - uint32(v.RelativeAck)
		for _, b := range v.TCP.Options.SACK[:v.TCP.Options.SACKCount] {
			d.SACK = append(d.SACK, [2]int64{int64(b.Left - first), int64(b.Right - first)})
		}
	}
	return d
}

// windowOf returns the window of a segment in bytes.
func windowOf(v *stack.TraceEvent, i *conn.Info) int64 {
	switch {
	case v.TCP.Flags.Has(wire.SYN):
		return int64(v.TCP.Window)
	case v.Outgoing:
		return int64(v.TCP.Window) << i.ReceiveScale
	}
	return int64(v.TCP.Window) << i.SendScale
}

// find returns the latest end of a connection between two addresses, or nil.
func (f *finished) find(e Ends) *Finished {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := f.list.count; n > 0 && f.list.count-n < maxFinished; n-- {
		if v := &f.ring[(n-1)%maxFinished]; v.Local == e.Local && v.Remote == e.Remote {
			d := v.describe(n)
			return &d
		}
	}
	return nil
}
