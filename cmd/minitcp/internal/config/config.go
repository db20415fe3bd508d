//go:build linux

// Package config reads configuration files: YAML with a section for each command, whose keys are the names of flags.
//
// Values keep the text that they have in the file, because a flag parses text: 1%, 40ms and off need no quotes.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Section is the part of a file for one command.
type Section struct {
	Name     string
	Line     int
	Settings []Setting // in the order of the file, each key once
}

// Setting is a key with its value.
type Setting struct {
	Key    string
	Line   int
	List   bool // the value is a list
	Values []Value
}

// Value is a value, or one of a list.
type Value struct {
	Text string
	Line int
}

// Error is a problem of a file.
type Error struct {
	File    string
	Line    int // 0 if it is not known
	Problem string
}

// Error returns the file, the line and the problem.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

// maxSize is the size limit of a file in bytes.
const maxSize = 1 << 20

// Read reads a regular file, and parses it. It does not open other files: a pipe can be read only once, while the
// program may start again with other privileges.
func Read(file string) ([]Section, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, &Error{File: file, Problem: reason(err)}
	case info.IsDir():
		return nil, &Error{File: file, Problem: "is a directory; name a file"}
	case !info.Mode().IsRegular():
		return nil, &Error{File: file, Problem: "is not a regular file"}
	case info.Size() > maxSize:
		return nil, &Error{File: file, Problem: fmt.Sprintf("has %d bytes; a configuration has at most %d", info.Size(), maxSize)}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &Error{File: file, Problem: reason(err)}
	}
	return Parse(file, text)
}

// reason returns the text of an error of a file without the file's name.
func reason(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// Parse parses the text of a file. Its errors are of type [*Error], or several of them joined.
func Parse(file string, text []byte) ([]Section, error) {
	p := &parser{file: file}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, another yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, &Error{File: file, Problem: "is empty; write a section, such as gateway:"}
	}
	if err == nil {
		if err = decoder.Decode(&another); err == nil {
			return nil, &Error{file, another.Line, "a second document; a configuration has one"}
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, syntaxError(file, err)
	}
	sections := p.document(document.Content[0])
	return sections, errors.Join(p.errs...)
}

// yamlLine is the beginning of an error of package yaml.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxError returns an error of package yaml as an Error.
func syntaxError(file string, err error) error {
	e := &Error{File: file, Problem: err.Error()}
	if m := yamlLine.FindStringSubmatch(e.Problem); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Problem = e.Problem[len(m[0]):]
	}
	return e
}

// parser collects the errors of a file.
type parser struct {
	file string
	errs []error
}

func (p *parser) failf(line int, format string, args ...any) {
	p.errs = append(p.errs, &Error{p.file, line, fmt.Sprintf(format, args...)})
}

// document returns the sections of a document.
func (p *parser) document(n *yaml.Node) (sections []Section) {
	n = target(n)
	if isNull(n) {
		p.failf(0, "is empty; write a section, such as gateway:")
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.failf(n.Line, "not a section; write the name of a command and a colon, such as gateway:, and its flags below")
		return nil
	}
	p.pairs(n, "", func(key, value *yaml.Node) {
		sections = append(sections, Section{Name: key.Value, Line: key.Line, Settings: p.section(key.Value, value)})
	})
	return sections
}

// section returns the settings of a section. A section without any is null.
func (p *parser) section(name string, n *yaml.Node) (settings []Setting) {
	n = target(n)
	switch {
	case isNull(n):
		return nil
	case n.Kind != yaml.MappingNode:
		p.failf(n.Line, "%s: not a section; write KEY: VALUE on a line for each flag", name)
		return nil
	}
	p.pairs(n, name+": ", func(key, value *yaml.Node) {
		s := Setting{Key: key.Value, Line: key.Line}
		if s.Values, s.List = p.values(name+": "+key.Value, value); s.Values != nil {
			settings = append(settings, s)
		}
	})
	return settings
}

// pairs calls f for the keys of a mapping, except for those that occurred before.
func (p *parser) pairs(n *yaml.Node, prefix string, f func(key, value *yaml.Node)) {
	first := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		line, repeated := first[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			p.failf(key.Line, "%sa key is a word", prefix)
		case repeated:
			p.failf(key.Line, "%s%s: given twice, first in line %d; remove one", prefix, key.Value, line)
		default:
			first[key.Value] = key.Line
			f(key, n.Content[i+1])
		}
	}
}

// values returns the values of a key, nil if they are none.
func (p *parser) values(key string, n *yaml.Node) (values []Value, list bool) {
	items := []*yaml.Node{n}
	if list = target(n).Kind == yaml.SequenceNode; list {
		items = target(n).Content
	}
	for _, item := range items {
		if v, ok := p.value(key, item); ok {
			values = append(values, v)
		}
	}
	if len(items) == 0 {
		p.failf(n.Line, "%s: an empty list; remove the key, or give it a value", key)
	}
	return values, list
}

// value returns the value of a scalar.
func (p *parser) value(key string, n *yaml.Node) (Value, bool) {
	line := n.Line
	n = target(n)
	switch {
	case isNull(n):
		p.failf(line, "%s: no value; remove the key, or give it one", key)
	case n.Kind == yaml.SequenceNode:
		p.failf(line, "%s: a list in a list; write one list", key)
	case n.Kind != yaml.ScalarNode:
		p.failf(line, "%s: a section, not a value; quote a value with a colon and a space", key)
	case strings.ContainsRune(n.Value, 0):
		p.failf(line, "%s: a zero byte in the value", key)
	default:
		return Value{n.Value, line}, true
	}
	return Value{}, false
}

// target returns the node that an alias stands for, and n itself if it is none.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
