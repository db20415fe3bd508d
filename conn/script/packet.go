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

// arrival is a segment from the peer.
type arrival struct{ packet }

// departure is a segment that the host must send.
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

// flagLetters are the letters of the control bits, from the lowest bit.
const flagLetters = "FSRP.UEWA"

// flagsText returns the letters of the bits that are set, with the dot of ACK at the end, or "-" for none.
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

// packet parses a segment, or an ICMP message that arrives.
func (p *parser) packet() (action, *Error) {
	arrives := p.take().text == "<"
	switch t := p.peek(); {
	case t.text == "icmp" || t.text == "icmpv6":
		if !arrives {
			return nil, errorf(t.line, "sent ICMP messages")
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
		return nil, errorf(line, "ect01 in an arriving segment")
	}
	if k.anyOptions {
		return nil, errorf(line, "<...> in an arriving segment")
	}
	if k.length > maxSegment {
		return nil, errorf(line, "an arriving segment has more than %d bytes", maxSegment)
	}
	if !k.hasWindow && !k.flags.Has(wire.RST) {
		return nil, errorf(line, "an arriving segment has no window")
	}
	return &arrival{k}, nil
}

// segment parses a segment after < or >.
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
	} else if k.flags.Has(wire.ACK) && !k.flags.Has(wire.RST) { // a RST's number has no effect
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

// flags parses the letters of the control bits followed by the dot of ACK, or "-" for none.
func (p *parser) flags() (f wire.Flags, err *Error) {
	if p.took("-") {
		return 0, nil
	}
	first := p.peek()
	text := ""
	for at := first.from; p.peek().from == at && p.peek().kind != tokenEnd && p.peek().text != "<"; {
		t := p.take() // "P.6" is a word and a number
		text += t.text
		at = t.to
	}
	if text == "" || !isLetter(text[0]) && text[0] != '.' && !isDigit(text[0]) {
		return 0, errorf(first.line, "expected a segment's flags, found %q", shorten(first.text))
	}
	for _, c := range text {
		bit := strings.IndexRune(flagLetters, c)
		switch {
		case c == '.':
			f |= wire.ACK
		case bit >= 0:
			f |= 1 << bit
		case '0' <= c && c <= '7':
			f |= aceFlags(c - '0')
		default:
			return 0, errorf(first.line, "the flags %q", shorten(text))
		}
	}
	return f, nil
}

// aceFlags returns the flags of a value of the ACE field (RFC 9768 3.2.2).
func aceFlags(n rune) (f wire.Flags) {
	for i, flag := range [...]wire.Flags{wire.ECE, wire.CWR, wire.AE} {
		if n&(1<<i) != 0 {
			f |= flag
		}
	}
	return f
}

// maxSegment is the maximum number of bytes of data in one packet.
const maxSegment = 65535 - wire.IPv4HeaderLen - 60

// sequence parses first:last(length).
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
		err = errorf(line, "%d:%d is not %d bytes", a, b, n)
	}
	return uint32(a), int(n), err
}
