package script

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Option kinds.
const (
	kindEnd           = 0
	kindNOP           = 1
	kindMSS           = 2
	kindWindowScale   = 3
	kindSACKPermitted = 4
	kindSACK          = 5
	kindTimestamps    = 8
	kindAccECN0       = 172
	kindAccECN1       = 174
)

// accECNFields returns the names of the fields of the AccECN options in their order, nil for other kinds.
func accECNFields(kind byte) []string {
	switch kind {
	case kindAccECN0:
		return []string{"e0b", "ceb", "e1b"}
	case kindAccECN1:
		return []string{"e1b", "ceb", "e0b"}
	}
	return nil
}

// option is one TCP option as a script writes it.
type option struct {
	kind    byte
	numbers []uint32 // MSS; shift; edges of SACK blocks; TSval and TSecr; fields of AccECN
	bytes   string   // value of an option of another kind
	raw     bool     // whether bytes is the whole encoding, which may be invalid
}

const maxOptions = 40 // bytes in a header

// options parses a list of options, after its <.
func (p *parser) options() (list []option, anyOptions bool, err *Error) {
	line := p.peek().line
	if p.peek().kind == tokenEllipsis {
		p.take()
		return nil, true, p.expect(">")
	}
	for !p.took(">") {
		if len(list) > 0 && !p.took(",") {
			return nil, false, p.unexpected("a comma between options")
		}
		o, err := p.option()
		if err != nil {
			return nil, false, err
		}
		list = append(list, o)
		if len(encodeOptions(list)) > maxOptions {
			return nil, false, errorf(line, "more than %d bytes of options", maxOptions)
		}
	}
	return list, false, nil
}

// option parses an option.
func (p *parser) option() (option, *Error) {
	t := p.take()
	var err *Error
	number := func(limit uint64, what string) uint32 {
		if err != nil {
			return 0
		}
		var n uint64
		n, err = p.number(limit, what)
		return uint32(n)
	}
	const any32 = 1<<32 - 1
	var o option
	switch t.text {
	case "eol":
		o.kind = kindEnd
	case "nop":
		o.kind = kindNOP
	case "mss":
		o = option{kind: kindMSS, numbers: []uint32{number(65535, "an MSS")}}
	case "wscale":
		o = option{kind: kindWindowScale, numbers: []uint32{number(255, "a shift")}}
	case "sackOK":
		o.kind = kindSACKPermitted
	case "sack":
		o.kind = kindSACK
		for p.peek().kind == tokenNumber && err == nil {
			left := number(any32, "a sequence number")
			if err == nil {
				err = p.expect(":")
			}
			o.numbers = append(o.numbers, left, number(any32, "a sequence number"))
		}
	case "TS":
		o.kind = kindTimestamps
		for _, name := range []string{"val", "ecr"} {
			if err == nil {
				err = p.expect(name)
			}
			o.numbers = append(o.numbers, number(any32, "a timestamp"))
		}
	case "ECN":
		return p.accECN()
	case "FO", "FOEXP":
		return p.fastOpen(t.text == "FOEXP")
	case "option":
		o.kind = byte(number(255, "an option's kind"))
		if err == nil && o.kind <= kindTimestamps && o.kind != 6 && o.kind != 7 {
			return o, errorf(t.line, "option %d must be written by its name", o.kind)
		}
		if err == nil && strings.HasPrefix(p.peek().text, "0x") {
			o.bytes, err = p.bytes()
		}
	case "raw":
		o.raw = true
		o.bytes, err = p.bytes()
	default:
		return o, errorf(t.line, "the TCP option %q", shorten(t.text))
	}
	return o, err
}

// accECN parses the fields of an AccECN option with at least one field. The name of the first one selects the kind.
func (p *parser) accECN() (option, *Error) {
	o := option{kind: kindAccECN0}
	if p.peek().text == "e1b" {
		o.kind = kindAccECN1
	}
	for i, name := range accECNFields(o.kind) {
		if i > 0 && p.peek().text != name {
			break
		}
		if err := p.expect(name); err != nil {
			return o, err
		}
		n, err := p.number(1<<24-1, "a counter of 24 bits")
		if err != nil {
			return o, err
		}
		o.numbers = append(o.numbers, uint32(n))
	}
	return o, nil
}

// bytes parses an even number of hexadecimal digits after 0x.
func (p *parser) bytes() (string, *Error) {
	digits, ok := strings.CutPrefix(p.peek().text, "0x")
	if !ok || len(digits)%2 != 0 || len(digits) > 2*maxOptions || p.peek().kind != tokenNumber {
		return "", p.unexpected("bytes, such as 0x0aff")
	}
	var b []byte
	for i := 0; i < len(digits); i += 2 {
		n, err := strconv.ParseUint(digits[i:i+2], 16, 8)
		if err != nil {
			return "", p.unexpected("bytes, such as 0x0aff")
		}
		b = append(b, byte(n))
	}
	p.take()
	return string(b), nil
}

// encodeOptions returns the encoded options without padding.
func encodeOptions(list []option) []byte {
	var b []byte
	for i := range list {
		o := &list[i]
		switch {
		case o.raw:
			b = append(b, o.bytes...)
			continue
		case o.kind == kindEnd, o.kind == kindNOP:
			b = append(b, o.kind)
			continue
		}
		start := len(b)
		b = append(b, o.kind, 0)
		switch o.kind {
		case kindMSS:
			b = binary.BigEndian.AppendUint16(b, uint16(o.numbers[0]))
		case kindWindowScale:
			b = append(b, byte(o.numbers[0]))
		case kindSACK, kindTimestamps:
			for _, n := range o.numbers {
				b = binary.BigEndian.AppendUint32(b, n)
			}
		case kindAccECN0, kindAccECN1:
			for _, n := range o.numbers {
				b = append(b, byte(n>>16), byte(n>>8), byte(n))
			}
			b = append(b, o.bytes...)
		default:
			b = append(b, o.bytes...)
		}
		b[start+1] = byte(len(b) - start)
	}
	return b
}

// decodeOptions parses the options of a sent header. An invalid rest is returned as a raw option, which matches
// nothing.
func decodeOptions(b []byte) []option {
	var list []option
	for len(b) > 0 {
		o := option{kind: b[0]}
		if o.kind == kindEnd || o.kind == kindNOP {
			list = append(list, o)
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return append(list, option{raw: true, bytes: string(b)})
		}
		value := b[2:b[1]]
		b = b[b[1]:]
		switch {
		case o.kind == kindMSS && len(value) == 2:
			o.numbers = []uint32{uint32(binary.BigEndian.Uint16(value))}
		case o.kind == kindWindowScale && len(value) == 1:
			o.numbers = []uint32{uint32(value[0])}
		case o.kind == kindSACK && len(value)%8 == 0, o.kind == kindTimestamps && len(value) == 8:
			for ; len(value) > 0; value = value[4:] {
				o.numbers = append(o.numbers, binary.BigEndian.Uint32(value))
			}
		case accECNFields(o.kind) != nil && slices.Contains([]int{3, 6, 9}, len(value)):
			for ; len(value) > 0; value = value[3:] {
				o.numbers = append(o.numbers, uint32(value[0])<<16|uint32(value[1])<<8|uint32(value[2]))
			}
		default:
			o.bytes = string(value)
		}
		list = append(list, o)
	}
	return list
}

func (o option) String() string {
	switch {
	case o.raw:
		return fmt.Sprintf("raw 0x%x", o.bytes)
	case o.kind == kindEnd:
		return "eol"
	case o.kind == kindNOP:
		return "nop"
	case o.kind == kindMSS && len(o.numbers) == 1:
		return fmt.Sprintf("mss %d", o.numbers[0])
	case o.kind == kindWindowScale && len(o.numbers) == 1:
		return fmt.Sprintf("wscale %d", o.numbers[0])
	case o.kind == kindSACKPermitted && o.bytes == "":
		return "sackOK"
	case o.kind == kindSACK && o.bytes == "":
		s := "sack"
		for i := 0; i+1 < len(o.numbers); i += 2 {
			s += fmt.Sprintf(" %d:%d", o.numbers[i], o.numbers[i+1])
		}
		return s
	case o.kind == kindFastOpen:
		return strings.TrimSuffix(fmt.Sprintf("FO %x", o.bytes), " ")
	case o.kind == kindTimestamps && len(o.numbers) == 2:
		return fmt.Sprintf("TS val %d ecr %d", o.numbers[0], o.numbers[1])
	case accECNFields(o.kind) != nil && len(o.numbers) > 0:
		s := "ECN"
		for i, n := range o.numbers {
			s += fmt.Sprintf(" %s %d", accECNFields(o.kind)[i], n)
		}
		return s
	}
	return fmt.Sprintf("option %d 0x%x", o.kind, o.bytes)
}

// formatOptions returns the list in the syntax of a script, with a space before it, or "" for no options.
func formatOptions(list []option) string {
	if len(list) == 0 {
		return ""
	}
	var parts []string
	for _, o := range list {
		parts = append(parts, o.String())
	}
	return " <" + strings.Join(parts, ",") + ">"
}
