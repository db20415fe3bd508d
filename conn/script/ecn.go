package script

import "minitcp/conn/wire"

// codepoint is what a script says of the ECN field of a segment's IP header.
type codepoint uint8

const (
	ecnUnsaid codepoint = iota // of a segment that leaves it may be any, one that arrives is Not-ECT
	ecnNotECT
	ecnECT0
	ecnECT1
	ecnECT // one or the other
	ecnCE
)

var codepointNames = [...]string{ecnNotECT: "noecn", ecnECT0: "ect0", ecnECT1: "ect1", ecnECT: "ect01", ecnCE: "ce"}

// String is the prefix as a script has it, with a space after it, or "".
func (c codepoint) String() string {
	if c == ecnUnsaid {
		return ""
	}
	return "[" + codepointNames[c] + "] "
}

// codepoint takes a name between brackets, if there is one.
func (p *parser) codepoint() (codepoint, *Error) {
	if !p.took("[") {
		return ecnUnsaid, nil
	}
	t := p.take()
	for c, name := range codepointNames {
		if name != "" && name == t.text {
			return codepoint(c), p.expect("]")
		}
	}
	return ecnUnsaid, errorf(t.line, "the field %q of the IP header", shorten(t.text))
}

// wire is the codepoint a segment arrives with.
func (c codepoint) wire() wire.ECN {
	switch c {
	case ecnECT0:
		return wire.ECT0
	case ecnECT1:
		return wire.ECT1
	case ecnCE:
		return wire.CE
	}
	return wire.NotECT
}

// codepointOf is the codepoint of a segment that left.
func codepointOf(e wire.ECN) codepoint {
	switch e {
	case wire.ECT0:
		return ecnECT0
	case wire.ECT1:
		return ecnECT1
	case wire.CE:
		return ecnCE
	}
	return ecnNotECT
}

// matches reports whether a segment may leave with got.
func (c codepoint) matches(got codepoint) bool {
	return c == ecnUnsaid || c == got || c == ecnECT && (got == ecnECT0 || got == ecnECT1)
}
