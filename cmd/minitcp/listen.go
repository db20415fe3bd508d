//go:build linux

package main

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
)

// listenList is the value of --listen, which may be repeated. The first use replaces the defaults.
type listenList struct {
	list  []listenSpec
	given bool
}

// listenSpec is a port and the service on it.
type listenSpec struct {
	port    uint16
	service string // a key of streams, httpService or filesService
	dir     string // of filesService
}

func (s listenSpec) String() string {
	text := strconv.Itoa(int(s.port)) + "=" + s.service
	if s.service == filesService {
		text += ":" + s.dir
	}
	return text
}

func newListenList() listenList {
	return listenList{list: []listenSpec{{7, "echo", ""}, {9, "discard", ""}, {13, "daytime", ""}, {19, "chargen", ""}, {80, "http", ""}}}
}

// Set adds PORT=SERVICE, or several separated by commas.
func (l *listenList) Set(s string) error {
	for _, text := range splitListen(s) {
		spec, err := parseListen(text)
		if err != nil {
			return err
		}
		if !l.given {
			l.list, l.given = nil, true
		}
		if slices.ContainsFunc(l.list, func(other listenSpec) bool { return other.port == spec.port }) {
			return usagef("port %d is used by another --listen; give each service its own port", spec.port)
		}
		l.list = append(l.list, spec)
	}
	return nil
}

// splitListen splits s at each comma that is followed by a port and =. A directory's name may contain other commas.
func splitListen(s string) []string {
	var list []string
	for i, part := range strings.Split(s, ",") {
		port, _, ok := strings.Cut(part, "=")
		if _, err := strconv.ParseUint(port, 10, 64); i > 0 && (!ok || err != nil) && strings.Contains(list[len(list)-1], filesService+":") {
			list[len(list)-1] += "," + part
		} else {
			list = append(list, part)
		}
	}
	return list
}

// String returns the list, separated by commas.
func (l *listenList) String() string {
	var list []string
	for _, s := range l.list {
		list = append(list, s.String())
	}
	return strings.Join(list, ",")
}

// Type returns the word for the value in the help text.
func (l *listenList) Type() string { return "PORT=SERVICE" }

// first returns the lowest port of a service, 0 if it has none.
func (l *listenList) first(service string) uint16 {
	var found []listenSpec
	for _, s := range l.list {
		if s.service == service {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return 0
	}
	return slices.MinFunc(found, func(a, b listenSpec) int { return cmp.Compare(a.port, b.port) }).port
}

func parseListen(s string) (listenSpec, error) {
	portText, service, ok := strings.Cut(s, "=")
	if !ok {
		return listenSpec{}, usagef("not PORT=SERVICE, such as 7=echo or 8080=files:/srv")
	}
	port, err := parsePort(portText)
	if err != nil {
		return listenSpec{}, err
	}
	name, dir, hasDir := strings.Cut(service, ":")
	if name == filesService {
		return filesSpec(port, dir)
	}
	if _, ok := streams[name]; (!ok && name != httpService) || hasDir {
		return listenSpec{}, usagef("no such service: %q; choose echo, discard, daytime, chargen, http or files:DIR", service)
	}
	return listenSpec{port: port, service: name}, nil
}

func filesSpec(port uint16, dir string) (listenSpec, error) {
	if dir == "" {
		return listenSpec{}, usagef("missing directory; for instance: %d=files:/srv", port)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return listenSpec{}, usagef("%q is not a directory; name the directory to serve", dir)
	}
	return listenSpec{port, filesService, dir}, nil
}

// parsePort parses a port number.
func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 {
		return 0, usagef("%q is not a port; choose one from 1 to 65535", s)
	}
	return uint16(port), nil
}
