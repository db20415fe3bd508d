//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/testenv"
)

// Every command and topic has a manual page with all its flags, and nothing else has one.
func TestManPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man", "man1")
	if r := call("man", dir); r != (result{}) {
		t.Fatalf("%+v; want status 0 and no output", r)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages := make(map[string]bool)
	for _, e := range left {
		pages[e.Name()] = true
	}
	root := newRootCommand()
	for _, c := range append(root.Commands(), root) {
		if c.Hidden {
			continue
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		if !pages[name] {
			t.Errorf("there is no page %s", name)
			continue
		}
		delete(pages, name)
		text := readFile(t, filepath.Join(dir, name))
		if summary := c.Name() + " - " + c.Short; !strings.Contains(strings.ReplaceAll(text, `\-`, "-"), summary) {
			t.Errorf("%s has no line %s", name, summary)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if option := `\fB--` + f.Name + `\fP`; f.Name != "help" && strings.Contains(text, option) == f.Hidden {
				t.Errorf("%s has %s: %v, want %v", name, option, f.Hidden, !f.Hidden)
			}
		})
		if strings.Contains(text, ".PP\n\\fB-") {
			t.Errorf("%s has an option without indentation", name)
		}
	}
	if len(pages) > 0 {
		t.Errorf("there are other pages: %v", pages)
	}
}

// The command man prints no warning about the pages.
func TestManWarnings(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		testenv.NotTested(t, "man of Debian's package man-db")
	}
	dir := t.TempDir()
	if r := call("man", dir); r != (result{}) {
		t.Fatalf("%+v; want status 0 and no output", r)
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "*.1"))
	for _, page := range pages {
		cmd := exec.Command("man", "--warnings", "-l", page)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MANPAGER=cat")
		r := finish(t, cmd)
		if r.status != 0 || r.errOut != "" || !strings.Contains(r.out, "DESCRIPTION") {
			t.Errorf("%s: status %d; it wrote %s", page, r.status, r.errOut)
		}
	}
}

func TestToMarkdown(t *testing.T) {
	const text = "a_b *c* [d] <e> `f` \\g\n\n  --x_y  text\n"
	const want = "a\\_b \\*c\\* \\[d\\] \\<e> \\`f\\` \\\\g\n\n    --x_y  text\n"
	if got := toMarkdown(text); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
