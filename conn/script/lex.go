package script

import (
	"fmt"
	"strings"
)

// Error is a syntax error or an unsupported construct in a script.
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
	tokenPunctuation           // one byte
)

// token is the text of a script from offset from to offset to.
type token struct {
	kind     tokenKind
	text     string // without the quotes
	line     int
	from, to int
}

// maxScript is the maximum size of a script in bytes.
const maxScript = 1 << 20

// lexer splits a script into tokens.
type lexer struct {
	src  string
	at   int
	line int
}

// lex returns the tokens of src followed by a tokenEnd. On an error they are the tokens before it.
func lex(src string) ([]token, *Error) {
	if len(src) > maxScript {
		return []token{{line: 1}}, errorf(1, "the script has more than %d bytes", maxScript)
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

// next returns the next token.
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
			return t, errorf(l.line, "a %s is not closed", rest[:1])
		}
		t.kind, n, t.text = tokenString, end+2, rest[1:end+1]
		if rest[0] == '`' {
			t.kind = tokenShell
		}
	case strings.HasPrefix(rest, "%{"):
		end := strings.Index(rest, "}%")
		if end < 0 {
			return t, errorf(l.line, "%%{ without }%%")
		}
		t.kind, n, t.text = tokenCode, end+2, rest[2:end]
	case strings.HasPrefix(rest, "..."):
		t.kind, n = tokenEllipsis, 3
	case strings.HasPrefix(rest, "--") && len(rest) > 2 && isLetter(rest[2]):
		t.kind, n = tokenOption, spanOf(rest, func(c byte) bool { return c > ' ' })
	case isLetter(rest[0]):
		t.kind, n = tokenWord, spanOf(rest, isNameByte)
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

// advance skips n bytes and counts the line ends in them.
func (l *lexer) advance(n int) {
	for i := range n {
		if l.src[l.at+i] == '\n' {
			l.line++
		}
	}
	l.at += n
}

// skipSpace skips white space and comments.
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
				return errorf(l.line, "/* without */")
			}
			l.advance(end + 4)
		default:
			return nil
		}
	}
	return nil
}

// numberLen returns the length of the number at the beginning of s. In "0...1" the number is 0.
func numberLen(s string) int {
	if strings.HasPrefix(s, "0x") {
		return 2 + spanOf(s[2:], isNameByte)
	}
	n := spanOf(s, isDigit)
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		n++
		n += spanOf(s[n:], isDigit)
	}
	return n
}

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isLetter(c byte) bool   { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) }

// spanOf returns the length of the longest prefix of s whose bytes all satisfy in.
func spanOf(s string, in func(byte) bool) int {
	for i := range len(s) {
		if !in(s[i]) {
			return i
		}
	}
	return len(s)
}
