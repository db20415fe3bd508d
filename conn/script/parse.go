package script

import (
	"strconv"
	"strings"
	"time"
)

// Script is a script that has been understood: everything in it is supported.
type Script struct {
	settings settings
	events   []event
}

// event is one thing that happens, or must happen.
type event struct {
	line int
	text string // as written
	at   timing
	do   action
}

// action is an *arrival, a *departure, an *icmpArrival, a *call, an *assertion, or nil: a shell command without effect.
type action interface{}

// parser goes through the tokens of a script.
type parser struct {
	src    string
	tokens []token
	i      int
}

// Parse reads a script. The error is about the first thing that is not supported, whether it is beyond this package or
// beyond anybody.
func Parse(src string) (*Script, *Error) {
	tokens, lexError := lex(src)
	p := &parser{src: src, tokens: tokens}
	s, err := p.script()
	if lexError != nil && (err == nil || p.peek().kind == tokenEnd) {
		return nil, lexError // all before it was understood
	}
	return s, err
}

func (p *parser) script() (*Script, *Error) {
	s := &Script{settings: defaultSettings()}
	for p.peek().kind != tokenEnd {
		if err := p.item(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// item reads an option, a shell command or an event.
func (p *parser) item(s *Script) *Error {
	begun := len(s.events) > 0
	switch t := p.peek(); {
	case t.kind == tokenOption && !begun:
		return s.settings.option(p.take())
	case t.kind == tokenShell:
		return s.settings.shell(p.take(), begun)
	}
	e, err := p.event(s)
	if err == nil {
		s.events = append(s.events, e)
	}
	return err
}

func (p *parser) event(s *Script) (event, *Error) {
	first := p.peek()
	e := event{line: first.line}
	at, err := p.timing()
	if err != nil {
		return e, err
	}
	e.at = at
	switch t := p.peek(); {
	case t.kind == tokenShell:
		err = s.settings.shell(p.take(), true)
	case t.kind == tokenCode:
		e.do, err = parseAssertion(p.take())
	case t.text == "<" || t.text == ">":
		e.do, err = p.packet()
	case t.kind == tokenWord:
		e.do, err = p.call()
	default:
		err = p.unexpected("a segment, a system call or an assertion")
	}
	if err != nil {
		return e, err
	}
	e.text = strings.Join(strings.Fields(p.src[first.from:p.tokens[p.i-1].to]), " ")
	return e, e.check()
}

// check is about times that make sense for one kind of event only.
func (e *event) check() *Error {
	_, leaves := e.do.(*departure)
	_, call := e.do.(*call)
	switch {
	case e.at.kind == timeAny && !leaves, e.at.ranged && !leaves:
		return errorf(e.line, "only a segment that leaves may do so at any time")
	case e.at.blocks && !call:
		return errorf(e.line, "only a system call can block")
	case (e.at.ranged || e.at.blocks) && e.at.to < e.at.from:
		return errorf(e.line, "the time runs backwards")
	}
	return nil
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) take() token {
	t := p.tokens[p.i]
	if t.kind != tokenEnd {
		p.i++
	}
	return t
}

// took takes the next token if it is text.
func (p *parser) took(text string) bool {
	t := p.peek()
	if t.text != text || t.kind == tokenString || t.kind == tokenEnd {
		return false
	}
	p.take()
	return true
}

func (p *parser) expect(text string) *Error {
	if !p.took(text) {
		return p.unexpected(strconv.Quote(text))
	}
	return nil
}

func (p *parser) unexpected(wanted string) *Error {
	t := p.peek()
	if t.kind == tokenEnd {
		return errorf(t.line, "the script ends where %s should be", wanted)
	}
	return errorf(t.line, "%q where %s should be", shorten(t.text), wanted)
}

// number takes an unsigned number of at most limit.
func (p *parser) number(limit uint64, what string) (uint64, *Error) {
	t := p.peek()
	n, ok := parseNumber(t.text)
	if t.kind != tokenNumber || !ok || n > limit {
		return 0, p.unexpected(what)
	}
	p.take()
	return n, nil
}

// parseNumber reads a decimal number, or a hexadecimal one after 0x.
func parseNumber(s string) (uint64, bool) {
	base := 10
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = digits, 16
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}

// shorten makes of a text what fits into a message.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}

type timeKind uint8

const (
	timeAbsolute timeKind = iota
	timeRelative          // to the event before
	timeAny
)

// timing says when an event happens, or may.
type timing struct {
	kind     timeKind
	from, to time.Duration
	ranged   bool // any time from from until to
	blocks   bool // a call that returns at to
}

func (p *parser) timing() (timing, *Error) {
	if p.took("*") {
		return timing{kind: timeAny}, nil
	}
	t := timing{}
	if p.took("+") {
		t.kind = timeRelative
	}
	var err *Error
	if t.from, err = p.time(); err != nil {
		return t, err
	}
	switch {
	case p.took("~"):
		t.ranged = true
	case p.peek().kind == tokenEllipsis:
		p.take()
		t.blocks = true
	default:
		return t, nil
	}
	if p.took("+") && t.kind != timeRelative {
		return t, errorf(p.peek().line, "a time from absolute to relative")
	}
	t.to, err = p.time()
	return t, err
}

// maxTime is far longer than any timer of TCP.
const maxTime = 1e7

func (p *parser) time() (time.Duration, *Error) {
	t := p.peek()
	if t.kind != tokenNumber || strings.HasPrefix(t.text, "0x") {
		return 0, p.unexpected("a time")
	}
	whole, fraction, _ := strings.Cut(t.text, ".")
	seconds, err := strconv.ParseUint("0"+whole, 10, 32)
	if err != nil || seconds > maxTime {
		return 0, p.unexpected("a time")
	}
	ns, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return 0, p.unexpected("a time")
	}
	p.take()
	return time.Duration(seconds)*time.Second + time.Duration(ns), nil
}
