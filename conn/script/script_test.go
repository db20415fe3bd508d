package script

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every script in testdata begins with a comment that describes it, and passes.
func TestScripts(t *testing.T) {
	n := 0
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".pkt") {
			return err
		}
		n++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(text), "// ") {
			t.Errorf("%s has no comment at its beginning", path)
		}
		name, _ := filepath.Rel("testdata", path)
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			if r := Run(string(text)); r.Outcome != Passed {
				t.Errorf("%s: %s", path, &r)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 60 {
		t.Errorf("%d scripts, want at least 60", n)
	}
}

// Parse and Run return for every text, and two runs of a script have the same result.
func FuzzParse(f *testing.F) {
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pkt") {
			return err
		}
		text, err := os.ReadFile(path)
		f.Add(string(text))
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if err.Line < 1 || err.Line > 1+strings.Count(text, "\n") || err.Reason == "" {
				t.Errorf("the error has a wrong line or no reason: %v", err)
			}
			return
		}
		first := s.Run()
		if again := s.Run(); again.String() != first.String() {
			t.Errorf("the first run ended with\n%s\nand the second with\n%s", &first, &again)
		}
	})
}
