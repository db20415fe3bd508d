package conntest

import (
	"bytes"
	"time"

	"minitcp/conn"
	"minitcp/conn/netem"
	"minitcp/conn/wire"
)

// send transmits a segment, cut into segments of the MSS if the link does so.
func (p *Pair) send(e *End, out *conn.Outgoing) {
	p.holdsACK(e, out.TCP.Flags)
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

// packet is a packet in flight.
type packet struct {
	at         time.Duration // arrival, as a time since 0
	from, to   *End
	seg        conn.Segment
	note       conn.Note
	damage     bool
	copied     bool            // a copy made by the network
	duplicated bool            // one of several copies
	replaced   bool            // an ACK replaced by a later one
	icmp       *conn.ICMPError // an ICMP message in place of a segment, or nil
}

// transmit passes a packet through the queue and the faults of the link.
func (p *Pair) transmit(k packet) {
	p.Packets++
	e := k.from
	k.to = e.peer
	pure := len(k.seg.Data) == 0 && k.seg.TCP.Flags&(wire.SYN|wire.FIN|wire.RST) == 0
	now := time.Duration(p.Now)
	e.direction.Config = p.Link.emulated()
	fate := p.draw(e, pure)
	way := e.direction.Send(now, 40+k.seg.TCP.Options.Len()+len(k.seg.Data), k.seg.ECN, fate, p.rng)
	lost := p.loss(&k, way.Drop)
	p.traceSent(&k, lost)
	if lost != "" {
		return
	}
	if way.Mark {
		k.seg.ECN = wire.CE
	}
	k.damage = fate.Damage
	for i := range fate.Copies {
		k.at = way.At[i] + p.Link.delay(p.Now)
		k.copied, k.duplicated = i > 0, fate.Copies > 1
		p.schedule(k, pure)
	}
}

// draw returns the fate of a packet of e. A pure packet is an ACK without data.
func (p *Pair) draw(e *End, pure bool) netem.Fate {
	if p.Fate != nil {
		return p.Fate(e)
	}
	f := e.direction.Draw(time.Duration(p.Now), p.rng)
	if pure && p.Link.ACKLoss > 0 && p.rng.Float64() < p.Link.ACKLoss {
		f.Copies = 0
	}
	return f
}

// loss returns the reason for which a packet is lost, or "".
func (p *Pair) loss(k *packet, drop netem.Drop) string {
	switch {
	case drop == netem.DropQueueFull:
		return "lost: queue full"
	case drop == netem.DropCoDel:
		return "lost: CoDel"
	case p.Link.Box.AccECN.drops(k):
		return "lost: AccECN option"
	case p.tooLarge(k):
		return "lost: too large"
	case p.Link.down(p.Now):
		return "lost: outage"
	case p.periodic(k):
		return "lost: periodic"
	case drop == netem.DropLost:
		return "lost"
	}
	return ""
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
	if t := p.Link.ACKThinning; t > 0 && pure {
		k.at += t - k.at%t
		if last := k.from.thinned; last != nil && last.at == k.at {
			last.replaced = true
		}
		k.from.thinned = &k
	}
	p.inFlight.Push(k.at, &k)
}

// nextArrival returns the time of the next arrival.
func (p *Pair) nextArrival() conn.Time {
	if at, ok := p.inFlight.Next(); ok {
		return conn.Time(at)
	}
	return conn.Never
}

// QueueDelay returns the time that a packet that e sent now would wait in its link's queue.
func (p *Pair) QueueDelay(e *End) time.Duration { return e.direction.Wait(time.Duration(p.Now)) }

// deliver delivers the packets that have arrived, in the order of arrival.
func (p *Pair) deliver() {
	for p.nextArrival() <= p.Now {
		k := p.inFlight.Pop()
		if k.from.thinned == k {
			k.from.thinned = nil
		}
		switch {
		case k.icmp != nil:
			p.report(k)
		case k.replaced:
			p.traceArrived(k, "lost: thinned out", conn.VerdictIgnored)
		case k.damage:
			p.traceArrived(k, "damaged", conn.VerdictIgnored)
		default:
			p.receive(k)
		}
		p.rebooting.received(p, k)
	}
}
