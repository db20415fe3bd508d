package conntest

import (
	"time"

	"minitcp/conn"
)

// Narrow is a period in which the path carries no packets larger than MTU bytes. They are lost.
type Narrow struct {
	From, To time.Duration
	MTU      int
	// Reports makes a router send an ICMP message about each of them, which arrives as an ACK would.
	Reports bool
	Of      string // name of the end whose packets are lost, or "" for both
}

// tooLarge reports whether a Narrow loses the packet. The size of a GSO packet is that of its segments.
func (p *Pair) tooLarge(k *packet) bool {
	for i := range p.Link.Narrows {
		n := &p.Link.Narrows[i]
		if !of(n.Of, k.from) || p.Now < conn.Time(n.From) || p.Now >= conn.Time(n.To) || packetSize(k) <= n.MTU {
			continue
		}
		if n.Reports {
			x := conn.ICMPError{Kind: conn.ICMPTooBig, MTU: n.MTU, Seq: k.seg.TCP.Seq}
			p.inFlight.Push(time.Duration(p.Now)+2*p.Link.delay(p.Now), &packet{from: k.from, to: k.from, icmp: &x})
		}
		return true
	}
	return false
}

// packetSize returns the size of an IP packet in bytes.
func packetSize(k *packet) int {
	data := len(k.seg.Data)
	if size := k.seg.SegmentSize; size > 0 {
		data = min(data, size)
	}
	return k.from.Open.IPHeader + 20 + k.seg.TCP.Options.Len() + data
}

// report delivers an ICMP message to the end whose packet it quotes.
func (p *Pair) report(k *packet) {
	e := p.current(k.to)
	if e.Foreign != nil {
		e.Foreign.ReceiveTooBig(p.Now, k.icmp.MTU, k.icmp.Seq)
		p.Flush(e)
		return
	}
	if e.Conn == nil || e.over || e.TimeWait != nil {
		return
	}
	e.Monitor.Called()
	e.Conn.ReceiveICMP(p.Now, *k.icmp)
	p.Flush(e)
}
