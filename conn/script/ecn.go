package script

import "minitcp/conn/wire"

// codepoint is the ECN field of a segment's IP header in a script.
type codepoint uint8

const (
	ecnAny codepoint = iota // not given: matches any sent segment, and is Not-ECT in an arriving one
	ecnNotECT
	ecnECT0
	ecnECT1
	ecnECT // ECT(0) or ECT(1)
	ecnCE
)

var codepointNames = [...]string{ecnNotECT: "noecn", ecnECT0: "ect0", ecnECT1: "ect1", ecnECT: "ect01", ecnCE: "ce"}

// String returns the prefix of a segment in a script, with a space after it, or "".
func (c codepoint) String() string {
	if c == ecnAny {
		return ""
	}
	return "[" + codepointNames[c] + "] "
}

// codepoint parses an optional name in brackets.
func (p *parser) codepoint() (codepoint, *Error) {
	if !p.took("[") {
		return ecnAny, nil
	}
	t := p.take()
	for c, name := range codepointNames {
		if name != "" && name == t.text {
			return codepoint(c), p.expect("]")
		}
	}
	return ecnAny, errorf(t.line, "the field %q of the IP header", shorten(t.text))
}

// wire returns the codepoint of an arriving segment.
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

// codepointOf returns the codepoint of a sent segment.
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

// matches reports whether c permits a sent segment with the codepoint got.
func (c codepoint) matches(got codepoint) bool {
	return c == ecnAny || c == got || c == ecnECT && (got == ecnECT0 || got == ecnECT1)
}
