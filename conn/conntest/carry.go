package conntest

import (
	"bytes"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// send puts a segment on the link.
func (p *Pair) send(e *End, out *conn.Outgoing) {
	data := bytes.Join(out.Data, nil)
	if size := out.SegmentSize; p.Link.Cut && size > 0 && len(data) > size {
		h := out.TCP
		h.Flags &^= wire.FIN | wire.PSH
		for ; len(data) > size; data = data[size:] {
			p.fly(packet{from: e, note: out.Note, seg: conn.Segment{TCP: h, Data: data[:size], ECN: out.ECN}})
			h.Seq += uint32(size)
			h.Flags &^= wire.CWR // the first says it for all
		}
		h.Flags = out.TCP.Flags &^ wire.CWR
		p.fly(packet{from: e, note: out.Note, seg: conn.Segment{TCP: h, Data: data, ECN: out.ECN}})
		return
	}
	p.fly(packet{from: e, note: out.Note, seg: conn.Segment{TCP: out.TCP, Data: data, SegmentSize: out.SegmentSize, ECN: out.ECN}})
}

// fly decides what becomes of a packet.
func (p *Pair) fly(k packet) {
	p.Packets++
	e := k.from
	k.to = e.peer
	pure := len(k.seg.Data) == 0 && k.seg.TCP.Flags&(wire.SYN|wire.FIN|wire.RST) == 0
	fate := Fate{}
	if p.Fate != nil {
		fate = p.Fate(e)
	} else {
		fate = e.pipe.fate(&p.Link, p.Now, p.rng, pure)
	}
	d := e.pipe.depart(&p.Link, p.Now, 40+k.seg.TCP.Options.Len()+len(k.seg.Data), k.seg.ECN != wire.NotECT)
	switch {
	case d.lost != "":
	case p.Link.down(p.Now):
		d.lost = "lost: outage"
	case p.periodic(&k):
		d.lost = "lost: periodic"
	case fate.Copies == 0:
		d.lost = "lost"
	}
	p.sent(&k, d.lost)
	if d.lost != "" {
		return
	}
	if (fate.Mark || d.mark) && k.seg.ECN != wire.NotECT {
		k.seg.ECN = wire.CE
	}
	k.damage = fate.Damage
	for i := range fate.Copies {
		k.at = d.at.Add(p.Link.delay(p.Now) + fate.Delay)
		if p.Link.Jitter > 0 {
			k.at = k.at.Add(time.Duration(p.rng.Int64N(int64(p.Link.Jitter))))
		}
		k.copied, k.twin = i > 0, fate.Copies > 1
		p.launch(k, pure)
	}
}

// periodic reports whether a packet is one of those that the link loses periodically.
func (p *Pair) periodic(k *packet) bool {
	l := &p.Link.Periodic
	if l.Of == 0 || len(k.seg.Data) == 0 || p.Now < conn.Time(l.At) || p.Now >= conn.Time(l.To) {
		return false
	}
	k.from.counted++
	return k.from.counted%l.Of == 0
}

// launch puts a packet in flight. One that only acknowledges may have to wait, and take another's place.
func (p *Pair) launch(k packet, pure bool) {
	k.order = p.Packets
	if t := conn.Time(p.Link.ACKThinning); t > 0 && pure {
		k.at += t - k.at%t
		if last := k.from.thinned; last != nil && last.at == k.at {
			last.replaced = true
		}
		k.from.thinned = &k
	}
	p.flying.push(&k)
}

// deliver hands over the packets that have arrived, in the order in which they did.
func (p *Pair) deliver() {
	for p.flying.next() <= p.Now {
		k := p.flying.pop()
		if k.from.thinned == k {
			k.from.thinned = nil
		}
		switch {
		case k.replaced:
			p.arrived(k, "lost: thinned out", conn.VerdictIgnored)
		case k.damage:
			p.arrived(k, "damaged", conn.VerdictIgnored)
		default:
			p.receive(k)
		}
	}
}
