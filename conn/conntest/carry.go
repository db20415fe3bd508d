package conntest

import (
	"bytes"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// send transmits a segment, cut into segments of the MSS if the link does so.
func (p *Pair) send(e *End, out *conn.Outgoing) {
	data := bytes.Join(out.Data, nil)
	if size := out.SegmentSize; p.Link.Cut && size > 0 && len(data) > size {
		h := out.TCP
		h.Flags &^= wire.FIN | wire.PSH
		for ; len(data) > size; data = data[size:] {
			p.transmit(packet{from: e, note: out.Note, seg: conn.Segment{TCP: h, Data: data[:size], ECN: out.ECN}})
			h.Seq += uint32(size)
			h.Flags &^= wire.CWR // only on the first segment
		}
		h.Flags = out.TCP.Flags &^ wire.CWR
		p.transmit(packet{from: e, note: out.Note, seg: conn.Segment{TCP: h, Data: data, ECN: out.ECN}})
		return
	}
	p.transmit(packet{from: e, note: out.Note, seg: conn.Segment{TCP: out.TCP, Data: data, SegmentSize: out.SegmentSize, ECN: out.ECN}})
}

// transmit passes a packet through the queue and the loss model of the link.
func (p *Pair) transmit(k packet) {
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
	p.traceSent(&k, d.lost)
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
		k.copied, k.duplicated = i > 0, fate.Copies > 1
		p.schedule(k, pure)
	}
}

// periodic reports whether Link.Periodic loses the packet.
func (p *Pair) periodic(k *packet) bool {
	l := &p.Link.Periodic
	if l.Of == 0 || len(k.seg.Data) == 0 || p.Now < conn.Time(l.At) || p.Now >= conn.Time(l.To) {
		return false
	}
	k.from.periodic++
	return k.from.periodic%l.Of == 0
}

// schedule puts a packet in flight. With ACK thinning, a pure ACK is delayed and replaces an earlier one.
func (p *Pair) schedule(k packet, pure bool) {
	k.order = p.Packets
	if t := conn.Time(p.Link.ACKThinning); t > 0 && pure {
		k.at += t - k.at%t
		if last := k.from.thinned; last != nil && last.at == k.at {
			last.replaced = true
		}
		k.from.thinned = &k
	}
	p.inFlight.push(&k)
}

// deliver delivers the packets that have arrived, in the order of arrival.
func (p *Pair) deliver() {
	for p.inFlight.next() <= p.Now {
		k := p.inFlight.pop()
		if k.from.thinned == k {
			k.from.thinned = nil
		}
		switch {
		case k.replaced:
			p.traceArrived(k, "lost: thinned out", conn.VerdictIgnored)
		case k.damage:
			p.traceArrived(k, "damaged", conn.VerdictIgnored)
		default:
			p.receive(k)
		}
	}
}
