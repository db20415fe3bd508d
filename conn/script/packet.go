package script

import (
	"fmt"
	"strings"

	"minitcp/conn/wire"
)

// packet is a TCP segment as a script writes it.
type packet struct {
	flags      wire.Flags
	seq        uint32
	length     int
	ack        uint32
	window     uint16
	urgent     uint16
	hasWindow  bool
	ecn        codepoint
	anyOptions bool
	options    []option
}

// arrival is a segment the peer sends.
type arrival struct{ packet }

// departure is a segment we must send.
type departure struct{ packet }

func (p *packet) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s %d:%d(%d)", p.ecn, flagsText(p.flags), p.seq, p.seq+uint32(p.length), p.length)
	if p.flags.Has(wire.ACK) || p.ack != 0 {
		fmt.Fprintf(&b, " ack %d", p.ack)
	}
	if p.hasWindow {
		fmt.Fprintf(&b, " win %d", p.window)
	}
	if p.flags.Has(wire.URG) || p.urgent != 0 {
		fmt.Fprintf(&b, " urg %d", p.urgent)
	}
	if p.anyOptions {
		b.WriteString(" <...>")
	}
	b.WriteString(formatOptions(p.options))
	return b.String()
}

// flagLetters are those of the control bits, from the lowest.
const flagLetters = "FSRP.UEW"

// flagsText is the letters of the bits that are set, the dot at the end, or - for none.
func flagsText(f wire.Flags) string {
	var b []byte
	for i := range len(flagLetters) {
		if f&(1<<i) != 0 && flagLetters[i] != '.' {
			b = append(b, flagLetters[i])
		}
	}
	if f.Has(wire.ACK) {
		b = append(b, '.')
	}
	if b == nil {
		return "-"
	}
	return string(b)
}

// packet takes a segment, or an ICMP message that arrives.
func (p *parser) packet() (action, *Error) {
	arrives := p.take().text == "<"
	switch t := p.peek(); {
	case t.text == "icmp" || t.text == "icmpv6":
		if !arrives {
			return nil, errorf(t.line, "an ICMP message that leaves")
		}
		return p.icmp()
	case t.text == "(":
		return nil, errorf(t.line, "fields of the IP header")
	case t.kind == tokenNumber:
		return nil, errorf(t.line, "ports of a segment")
	case t.kind == tokenWord && t.text == strings.ToLower(t.text):
		return nil, errorf(t.line, "a packet of %q", shorten(t.text))
	}
	k, err := p.segment()
	if err != nil {
		return nil, err
	}
	if !arrives {
		return &departure{k}, nil
	}
	line := p.tokens[p.i-1].line
	if k.ecn == ecnECT {
		return nil, errorf(line, "a segment that arrives with one or the other ECT")
	}
	if k.anyOptions {
		return nil, errorf(line, "a segment that arrives with any options")
	}
	if k.length > maxSegment {
		return nil, errorf(line, "a segment that arrives with more than %d octets", maxSegment)
	}
	if !k.hasWindow && !k.flags.Has(wire.RST) {
		return nil, errorf(line, "a segment that arrives without a window")
	}
	return &arrival{k}, nil
}

// segment takes what comes after < or >.
func (p *parser) segment() (k packet, err *Error) {
	if k.ecn, err = p.codepoint(); err != nil {
		return k, err
	}
	if k.flags, err = p.flags(); err != nil {
		return k, err
	}
	if k.seq, k.length, err = p.sequence(); err != nil {
		return k, err
	}
	var n uint64
	if p.took("ack") {
		if n, err = p.number(1<<32-1, "a sequence number"); err != nil {
			return k, err
		}
		k.ack = uint32(n)
	} else if k.flags.Has(wire.ACK) {
		return k, p.unexpected(`"ack"`)
	}
	if p.took("win") {
		if n, err = p.number(65535, "a window"); err != nil {
			return k, err
		}
		k.window, k.hasWindow = uint16(n), true
	}
	if p.took("urg") {
		if n, err = p.number(65535, "an urgent pointer"); err != nil {
			return k, err
		}
		k.urgent = uint16(n)
	}
	if p.took("<") {
		k.options, k.anyOptions, err = p.options()
	}
	return k, err
}

// flags takes the letters of the control bits, and the dot for ACK after them, or - for none.
func (p *parser) flags() (f wire.Flags, err *Error) {
	if p.took("-") {
		return 0, nil
	}
	taken := 0
	if t := p.peek(); t.kind == tokenWord {
		for _, c := range t.text {
			bit := strings.IndexRune(flagLetters, c)
			if bit < 0 {
				return 0, errorf(t.line, "the flags %q", shorten(t.text))
			}
			f |= 1 << bit
		}
		p.take()
		taken++
	}
	if p.took(".") {
		f |= wire.ACK
		taken++
		// What follows the dot without a space belongs to it: ".E".
		if t := p.peek(); t.kind == tokenWord && t.from == p.tokens[p.i-1].to {
			return 0, errorf(t.line, "flags after the dot")
		}
	}
	if taken == 0 {
		return 0, p.unexpected("a segment's flags")
	}
	return f, nil
}

// maxSegment is the most data in one packet.
const maxSegment = 65535 - wire.IPv4HeaderLen - 60

// sequence takes first:last(length).
func (p *parser) sequence() (first uint32, length int, err *Error) {
	line := p.peek().line
	a, err := p.number(1<<32-1, "a sequence number")
	if err == nil {
		err = p.expect(":")
	}
	var b, n uint64
	if err == nil {
		b, err = p.number(1<<32-1, "a sequence number")
	}
	if err == nil {
		err = p.expect("(")
	}
	if err == nil {
		n, err = p.number(maxWrite, "a length")
	}
	if err == nil {
		err = p.expect(")")
	}
	if err == nil && uint32(a+n) != uint32(b) {
		err = errorf(line, "%d:%d is not %d octets", a, b, n)
	}
	return uint32(a), int(n), err
}
