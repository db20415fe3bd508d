package script

import (
	"fmt"
	"strings"
)

type valueKind uint8

const (
	valueNumber   valueKind = iota
	valueNames              // O_RDWR|O_NONBLOCK
	valueString             // "..."
	valueEllipsis           // ...
	valueList               // [1, 2]
	valueStruct             // {fd=3, events=POLLIN}
	valueCall               // htons(80)
)

// value is an argument of a system call.
type value struct {
	kind   valueKind
	number int64
	names  []string
	list   []value  // elements of a list, a struct or a call
	fields []string // names of a struct's elements
}

// maxDepth is the maximum nesting of values.
const maxDepth = 8

// value parses an argument.
func (p *parser) value(depth int) (v value, err *Error) {
	t := p.peek()
	if depth > maxDepth {
		return v, errorf(t.line, "values are nested too deeply")
	}
	switch {
	case t.kind == tokenEllipsis:
		p.take()
		return value{kind: valueEllipsis}, nil
	case t.kind == tokenString:
		p.take()
		return value{kind: valueString, names: []string{t.text}}, nil
	case t.kind == tokenNumber, t.text == "-":
		return p.numberValue()
	case t.kind == tokenWord:
		return p.namesValue(depth)
	case p.took("["):
		v.kind = valueList
		v.list, _, err = p.values("]", depth)
	case p.took("{"):
		v.kind = valueStruct
		v.list, v.fields, err = p.values("}", depth)
	default:
		err = p.unexpected("a value")
	}
	return v, err
}

// numberValue parses a number with an optional sign.
func (p *parser) numberValue() (value, *Error) {
	sign := int64(1)
	if p.took("-") {
		sign = -1
	}
	n, err := p.number(1<<62, "a number")
	return value{kind: valueNumber, number: sign * int64(n)}, err
}

// namesValue parses constants joined by |, or a call such as htons(80).
func (p *parser) namesValue(depth int) (v value, err *Error) {
	v.kind = valueNames
	for {
		t := p.take()
		if t.kind != tokenWord && t.kind != tokenNumber {
			return v, errorf(t.line, "expected a name, found %q", shorten(t.text))
		}
		v.names = append(v.names, t.text)
		if p.took("(") {
			v.kind = valueCall
			v.list, _, err = p.values(")", depth)
			return v, err
		}
		if !p.took("|") {
			return v, nil
		}
	}
}

// values parses the elements of a list up to the token end. fields has the names of elements such as fd=3.
func (p *parser) values(end string, depth int) (list []value, fields []string, err *Error) {
	for !p.took(end) {
		if len(list) > 0 && !p.took(",") {
			return nil, nil, p.unexpected("a comma or " + end)
		}
		field := p.field()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, nil, err
		}
		list, fields = append(list, v), append(fields, field)
	}
	return list, fields, nil
}

// field consumes the name of an element and the = after it, and returns the name. A name such as msg_iov(2)= has a
// length in parentheses, which is ignored. Without a name, it returns "".
func (p *parser) field() string {
	at := p.i + 1
	if p.peek().kind != tokenWord || at >= len(p.tokens) {
		return ""
	}
	if p.tokens[at].text == "(" && at+2 < len(p.tokens) && p.tokens[at+2].text == ")" {
		at += 3
	}
	if at >= len(p.tokens) || p.tokens[at].text != "=" {
		return ""
	}
	name := p.peek().text
	p.i = at + 1
	return name
}

func (v value) String() string {
	switch v.kind {
	case valueNumber:
		return fmt.Sprint(v.number)
	case valueNames:
		return strings.Join(v.names, "|")
	case valueEllipsis:
		return "..."
	}
	return "a value"
}

// is reports whether the value is the single name.
func (v value) is(name string) bool {
	return v.kind == valueNames && len(v.names) == 1 && v.names[0] == name
}

// field returns the named element of a struct.
func (v value) field(name string) (value, bool) {
	for i, f := range v.fields {
		if f == name && v.kind == valueStruct {
			return v.list[i], true
		}
	}
	return value{}, false
}

// single returns n for the number n and for the list [n].
func (v value) single() (int64, bool) {
	if v.kind == valueList && len(v.list) == 1 {
		v = v.list[0]
	}
	return v.number, v.kind == valueNumber
}
