package reference

import (
	"os"
	"strings"
	"testing"
)

// difference is a line of differences.txt.
type difference struct {
	line       string
	mini, gvis string
	seen       bool
}

type differences map[string]*difference

const differencesFile = "differences.txt"

// readDifferences reads the file. A line has four parts separated by bars: the scene, minitcp's reply, gVisor's reply,
// and the reason. Lines that begin with # are comments.
func readDifferences(t *testing.T) differences {
	t.Helper()
	text, err := os.ReadFile(differencesFile)
	if err != nil {
		t.Fatal(err)
	}
	all := make(differences)
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, "|")
		for j := range parts {
			parts[j] = strings.TrimSpace(parts[j])
		}
		if len(parts) != 4 || len(parts[3]) < 10 {
			t.Fatalf("%s:%d: want scene | minitcp | gVisor | reason, got %q", differencesFile, i+1, line)
		}
		if all[parts[0]] != nil {
			t.Fatalf("%s:%d: duplicate scene %q", differencesFile, i+1, parts[0])
		}
		all[parts[0]] = &difference{line: line, mini: parts[1], gvis: parts[2]}
	}
	return all
}

// check compares the replies of both stacks in a scene.
func (d differences) check(t *testing.T, scene, mini, gvis string) {
	t.Helper()
	listed := d[scene]
	switch {
	case listed != nil:
		listed.seen = true
		if mini == gvis {
			t.Errorf("%s: listed, but both reply %q", scene, mini)
		} else if mini != listed.mini || gvis != listed.gvis {
			t.Errorf("the listed difference has changed to\n%s | %s | %s |", scene, mini, gvis)
		}
	case mini != gvis:
		t.Errorf("a difference that is not listed:\n%s | %s | %s |", scene, mini, gvis)
	}
}

// checkStale reports lines about scenes that do not exist.
func (d differences) checkStale(t *testing.T) {
	t.Helper()
	for _, listed := range d {
		if !listed.seen {
			t.Errorf("no such scene: %s", listed.line)
		}
	}
}
