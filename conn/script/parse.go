package script

import (
	"strconv"
	"strings"
	"time"
)

// Script is a parsed script. Everything in it is supported.
type Script struct {
	settings settings
	events   []event
	assigned scriptVariables // names of variables
}

// event is an action with its time.
type event struct {
	line int
	text string // source text, with single spaces
	at   timing
	do   action
}

// action is an *arrival, *departure, *icmpArrival, *call, *assertion or *reconfiguration, or nil for a shell command
// without effect.
type action interface{}

// parser reads the tokens of a script.
type parser struct {
	src    string
	tokens []token
	i      int
}

// Parse parses a script. The error is at the first construct that is invalid or not supported.
func Parse(src string) (*Script, *Error) { return ParseFor(src, Host{}) }

// ParseFor parses a script for a host.
func ParseFor(src string, host Host) (*Script, *Error) {
	tokens, lexError := lex(src)
	p := &parser{src: src, tokens: tokens}
	s := &Script{settings: defaultSettings()}
	s.settings.anyPush = host.AnyPush
	if host.Linux {
		s.settings.linux()
	}
	err := p.items(s)
	if lexError != nil && (err == nil || p.peek().kind == tokenEnd) {
		return nil, lexError // the tokens before it are valid
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// items parses the whole script.
func (p *parser) items(s *Script) *Error {
	for p.peek().kind != tokenEnd {
		if err := p.item(s); err != nil {
			return err
		}
	}
	return nil
}

// item parses an option, a shell command or an event.
func (p *parser) item(s *Script) *Error {
	begun := len(s.events) > 0
	switch t := p.peek(); {
	case t.kind == tokenOption && !begun:
		return s.settings.option(p.take())
	case t.kind == tokenShell:
		changes, err := s.settings.shell(p.take(), begun)
		if err == nil && begun && len(changes) > 0 {
			err = errorf(t.line, "a parameter that changes at no time")
		}
		return err
	}
	e, err := p.event(s)
	if err == nil {
		s.events = append(s.events, e)
	}
	return err
}

// event parses an event with its time.
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
		e.do, err = p.reconfiguration(&s.settings)
	case t.kind == tokenCode:
		e.do, err = parseAssertion(p.take(), &s.assigned)
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

// reconfiguration parses a shell command at a time.
func (p *parser) reconfiguration(s *settings) (action, *Error) {
	changes, err := s.shell(p.take(), true)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	return &reconfiguration{changes}, nil
}

// check returns an error if the kind of time does not fit the kind of event.
func (e *event) check() *Error {
	_, leaves := e.do.(*departure)
	_, call := e.do.(*call)
	switch {
	case e.at.kind == timeAny && !leaves, e.at.ranged && !leaves:
		return errorf(e.line, "only a sent segment can have any time or a range")
	case e.at.blocks && !call:
		return errorf(e.line, "only a system call can block")
	case (e.at.ranged || e.at.blocks) && e.at.to < e.at.from:
		return errorf(e.line, "the range ends before it begins")
	}
	return nil
}

// peek returns the next token without consuming it.
func (p *parser) peek() token { return p.tokens[p.i] }

// take consumes the next token and returns it.
func (p *parser) take() token {
	t := p.tokens[p.i]
	if t.kind != tokenEnd {
		p.i++
	}
	return t
}

// took consumes the next token if it equals text, and reports whether it did.
func (p *parser) took(text string) bool {
	t := p.peek()
	if t.text != text || t.kind == tokenString || t.kind == tokenEnd {
		return false
	}
	p.take()
	return true
}

// expect consumes the next token, which must equal text.
func (p *parser) expect(text string) *Error {
	if !p.took(text) {
		return p.unexpected(strconv.Quote(text))
	}
	return nil
}

// unexpected returns the error for a token other than the wanted one.
func (p *parser) unexpected(wanted string) *Error {
	t := p.peek()
	if t.kind == tokenEnd {
		return errorf(t.line, "expected %s, found the end of the script", wanted)
	}
	return errorf(t.line, "expected %s, found %q", wanted, shorten(t.text))
}

// number parses an unsigned number of at most limit.
func (p *parser) number(limit uint64, what string) (uint64, *Error) {
	t := p.peek()
	n, ok := parseNumber(t.text)
	if t.kind != tokenNumber || !ok || n > limit {
		return 0, p.unexpected(what)
	}
	p.take()
	return n, nil
}

// parseNumber parses a decimal number, or a hexadecimal one after 0x.
func parseNumber(s string) (uint64, bool) {
	base := 10
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = digits, 16
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}

// shorten returns s on one line with at most 60 bytes.
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
	timeRelative          // relative to the event before
	timeAny
)

// timing is the time of an event, or the range in which it may happen.
type timing struct {
	kind     timeKind
	from, to time.Duration
	ranged   bool // any time between from and to
	blocks   bool // a call that returns at to
}

// timing parses the time of an event.
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
		return t, errorf(p.peek().line, "a range from an absolute to a relative time")
	}
	t.to, err = p.time()
	return t, err
}

// maxTime is the largest time in seconds, far above all timers of TCP.
const maxTime = 1e7

// time parses a time in seconds.
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
