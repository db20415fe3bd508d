//go:build linux

package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const text = `# comment
gateway:
  via:
    - socks5://[::1]:1080
    - 10.0.0.0/8=direct
  auto-route: true
  loss: 1%
  api: off
  publish: 8080:80      # no number in base 60
  address: &mine fd77::2/64
  host-address: *mine
  tun: "a: b"
  listen: [80=http, 7=echo]
serve:
  # nothing
run: {mtu: 0x10}
`
	one := func(line int, key, value string) Setting {
		return Setting{Key: key, Line: line, Values: []Value{{value, line}}}
	}
	want := []Section{
		{Name: "gateway", Line: 2, Settings: []Setting{
			{Key: "via", Line: 3, List: true, Values: []Value{{"socks5://[::1]:1080", 4}, {"10.0.0.0/8=direct", 5}}},
			one(6, "auto-route", "true"), one(7, "loss", "1%"), one(8, "api", "off"), one(9, "publish", "8080:80"),
			one(10, "address", "fd77::2/64"), one(11, "host-address", "fd77::2/64"), one(12, "tun", "a: b"),
			{Key: "listen", Line: 13, List: true, Values: []Value{{"80=http", 13}, {"7=echo", 13}}},
		}},
		{Name: "serve", Line: 14},
		{Name: "run", Line: 16, Settings: []Setting{one(16, "mtu", "0x10")}},
	}
	got, err := Parse("f", []byte(text))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string // one for each error
	}{
		{"", []string{"f: is empty; write a section, such as gateway:"}},
		{"# nothing\n", []string{"f: is empty; write a section, such as gateway:"}},
		{"---\n", []string{"f: is empty; write a section, such as gateway:"}},
		{"null\n", []string{"f: is empty; write a section, such as gateway:"}},
		{"gateway\n", []string{"f:1: not a section; "}},
		{"[gateway]\nmtu = 1500\n", []string{"f:1: did not find expected <document start>"}}, // TOML
		{"- gateway\n", []string{"f:1: not a section; "}},
		{"gateway: 5\n", []string{"f:1: gateway: not a section; "}},
		{"gateway:\n  - mtu: 5\n", []string{"f:2: gateway: not a section; "}},
		{"gateway:\n  mtu:\n", []string{"f:2: gateway: mtu: no value; "}},
		{"gateway:\n  mtu: ~\n", []string{"f:2: gateway: mtu: no value; "}},
		{"gateway:\n  via: []\n", []string{"f:2: gateway: via: an empty list; "}},
		{"gateway:\n  via:\n    - a\n    - [b]\n", []string{"f:4: gateway: via: a list in a list; "}},
		{"gateway:\n  via:\n    -\n", []string{"f:3: gateway: via: no value; "}},
		{"gateway:\n  via: {a: b}\n", []string{"f:2: gateway: via: a section, not a value; "}},
		{"gateway:\n  mtu: 1\n  tun: a\n  mtu: 2\n", []string{"f:4: gateway: mtu: given twice, first in line 2; "}},
		{"run:\ngateway:\nrun:\n", []string{"f:3: run: given twice, first in line 1; "}},
		{"gateway:\n  [a]: 1\n", []string{"f:2: gateway: a key is a word"}},
		{"gateway:\n  mtu:\n  tun:\nrun: 7\n", []string{"f:2: gateway: mtu: no", "f:3: gateway: tun: no", "f:4: run: not a"}},
		{"gateway:\n\tmtu: 5\n", []string{"f:2: found character that cannot start any token"}},
		{"gateway:\n  mtu: \"5\n", []string{"f:"}},
		{"run:\n---\nrun:\n", []string{"f:2: a second document; "}},
		{"run: *a\n", []string{"f: unknown anchor 'a' referenced"}},
		{"run:\n  tun: \"a\\0b\"\n", []string{"f:2: run: tun: a zero byte"}},
		{"\x00\x01", []string{"f: control characters are not allowed"}},
	} {
		_, err := Parse("f", []byte(test.text))
		lines := errorLines(err)
		if !slices.EqualFunc(lines, test.want, strings.HasPrefix) {
			t.Errorf("%q: %q, want %q", test.text, lines, test.want)
		}
	}
}

// errorLines returns the texts of joined errors.
func errorLines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if s, err := Read(file("good", "run:\n  mtu: 1400\n")); err != nil || len(s) != 1 || s[0].Settings[0].Values[0].Text != "1400" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, test := range []struct{ file, want string }{
		{filepath.Join(dir, "missing"), "no such file or directory"},
		{dir, "is a directory"},
		{"/dev/null", "is not a regular file"},
		{file("large", strings.Repeat("#", maxSize+1)), "has 1048577 bytes; a configuration has at most 1048576"},
		{file("empty", ""), "is empty"},
		{filepath.Join(file("in", ""), "file"), "not a directory"},
	} {
		_, err := Read(test.file)
		if e, ok := errors.AsType[*Error](err); !ok || e.File != test.file || !strings.HasPrefix(e.Problem, test.want) {
			t.Errorf("%s: %v, want %s", test.file, err, test.want)
		}
	}
}

// FuzzParse checks that every setting of a file has a key and a value, each in a line of the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte("gateway:\n  via: [a, b]\n  mtu: &m 5\nrun: {mtu: *m}\n"))
	f.Add([]byte("a: &a {b: c}\n<<: *a\n"))
	f.Add([]byte("- !!binary x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sections, err := Parse("f", text)
		lines := strings.Count(string(text), "\n") + strings.Count(string(text), "\r") + 1
		for _, s := range sections {
			for _, setting := range s.Settings {
				if len(setting.Values) == 0 || !setting.List && len(setting.Values) != 1 {
					t.Errorf("%+v, %v", setting, err)
				}
				for _, v := range setting.Values {
					if v.Line < 1 || v.Line > lines && !strings.ContainsAny(string(text), "\u0085\u2028\u2029") {
						t.Errorf("line %d of %d", v.Line, lines)
					}
				}
			}
		}
	})
}
