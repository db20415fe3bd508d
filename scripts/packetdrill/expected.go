package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// expectations maps the names of scripts that are expected to fail to the reasons. A name is the end of a path.
type expectations map[string]string

// readExpectations reads a file with a script and its reason on each line, separated by white space. Empty lines and
// lines that begin with # are ignored.
func readExpectations(name string) (expectations, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e := make(expectations)
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		script, reason, _ := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); reason == "" {
			return nil, fmt.Errorf("%s:%d: %s has no reason", name, n, script)
		}
		if _, twice := e[script]; twice {
			return nil, fmt.Errorf("%s:%d: %s is listed twice", name, n, script)
		}
		e[script] = reason
	}
	return e, lines.Err()
}

// reason returns the reason for which a script is expected to fail, "" if it is expected to pass.
func (e expectations) reason(file string) string {
	for file = filepath.ToSlash(file); ; {
		if r := e[file]; r != "" {
			return r
		}
		_, rest, found := strings.Cut(file, "/")
		if !found {
			return ""
		}
		file = rest
	}
}
