package script

import (
	"fmt"
	"strings"
)

// Error says what in a script is not understood or not supported, and where.
type Error struct {
	Line   int // from 1
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

func errorf(line int, format string, args ...any) *Error {
	return &Error{Line: line, Reason: fmt.Sprintf(format, args...)}
}

type tokenKind uint8

const (
	tokenEnd         tokenKind = iota
	tokenWord                  // a name
	tokenNumber                // 12, 0.5, .5, 0x1f
	tokenString                // "..."
	tokenShell                 // `...`
	tokenCode                  // %{ ... }%
	tokenOption                // --name or --name=value
	tokenEllipsis              // ...
	tokenPunctuation           // one octet
)

// token is a piece of a script: what is between from and to.
type token struct {
	kind     tokenKind
	text     string // without the quotes
	line     int
	from, to int
}

// maxScript is more than anybody writes.
const maxScript = 1 << 20

// lexer cuts a script into tokens.
type lexer struct {
	src  string
	at   int
	line int
}

// lex returns the tokens of src, or those before the first that is none, with a tokenEnd after them.
func lex(src string) ([]token, *Error) {
	if len(src) > maxScript {
		return []token{{line: 1}}, errorf(1, "the script has more than %d octets", maxScript)
	}
	l := lexer{src: src, line: 1}
	var tokens []token
	for {
		t, err := l.next()
		if err != nil {
			return append(tokens, token{line: err.Line}), err
		}
		tokens = append(tokens, t)
		if t.kind == tokenEnd {
			return tokens, nil
		}
	}
}

func (l *lexer) next() (token, *Error) {
	if err := l.skipSpace(); err != nil {
		return token{}, err
	}
	t := token{line: l.line, from: l.at}
	rest := l.src[l.at:]
	n := 1
	switch {
	case rest == "":
		n = 0
	case rest[0] == '`' || rest[0] == '"':
		end := strings.Index(rest[1:], rest[:1])
		if end < 0 {
			return t, errorf(l.line, "a %s without its end", rest[:1])
		}
		t.kind, n, t.text = tokenString, end+2, rest[1:end+1]
		if rest[0] == '`' {
			t.kind = tokenShell
		}
	case strings.HasPrefix(rest, "%{"):
		end := strings.Index(rest, "}%")
		if end < 0 {
			return t, errorf(l.line, "a %%{ without its }%%")
		}
		t.kind, n, t.text = tokenCode, end+2, rest[2:end]
	case strings.HasPrefix(rest, "..."):
		t.kind, n = tokenEllipsis, 3
	case strings.HasPrefix(rest, "--") && len(rest) > 2 && isLetter(rest[2]):
		t.kind, n = tokenOption, spanOf(rest, func(c byte) bool { return c > ' ' })
	case isLetter(rest[0]):
		t.kind, n = tokenWord, spanOf(rest, isNameOctet)
	case isDigit(rest[0]), rest[0] == '.' && len(rest) > 1 && isDigit(rest[1]):
		t.kind, n = tokenNumber, numberLen(rest)
	default:
		t.kind = tokenPunctuation
	}
	if t.text == "" {
		t.text = rest[:n]
	}
	if t.kind == tokenCode && n == 4 || (t.kind == tokenString || t.kind == tokenShell) && n == 2 {
		t.text = ""
	}
	l.advance(n)
	t.to = l.at
	return t, nil
}

// advance moves over n octets and counts their lines.
func (l *lexer) advance(n int) {
	for i := range n {
		if l.src[l.at+i] == '\n' {
			l.line++
		}
	}
	l.at += n
}

// skipSpace moves over white space and comments.
func (l *lexer) skipSpace() *Error {
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch {
		case rest[0] <= ' ':
			l.advance(1)
		case strings.HasPrefix(rest, "//"), rest[0] == '#':
			l.advance(spanOf(rest, func(c byte) bool { return c != '\n' }))
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return errorf(l.line, "a /* without its */")
			}
			l.advance(end + 4)
		default:
			return nil
		}
	}
	return nil
}

// numberLen is the length of the number s begins with. Of "0...1" it is the 0.
func numberLen(s string) int {
	if strings.HasPrefix(s, "0x") {
		return 2 + spanOf(s[2:], isNameOctet)
	}
	n := spanOf(s, isDigit)
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		n++
		n += spanOf(s[n:], isDigit)
	}
	return n
}

func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isLetter(c byte) bool    { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isNameOctet(c byte) bool { return isLetter(c) || isDigit(c) }

// spanOf is how many octets at the beginning of s are as in says.
func spanOf(s string, in func(byte) bool) int {
	for i := range len(s) {
		if !in(s[i]) {
			return i
		}
	}
	return len(s)
}
