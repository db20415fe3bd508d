package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTable checks that the table in the repository is complete and up to date.
func TestTable(t *testing.T) {
	if err := run("../..", true); err != nil {
		t.Error(err)
	}
}

// allLabels returns a labels file in which every requirement is waived, except those in instead, with their lines.
func allLabels(instead map[string]string) string {
	var b strings.Builder
	for _, k := range kinds {
		for n := range k.last {
			name := k.name + "-" + strconv.Itoa(n+1)
			if lines, ok := instead[name]; ok {
				b.WriteString(lines)
				continue
			}
			b.WriteString(name + " 3.1  Demands something.\n\twaived: A reason.\n")
		}
	}
	return b.String()
}

func TestParseLabels(t *testing.T) {
	for name, c := range map[string]struct {
		instead map[string]string
		want    string
	}{
		"complete":        {nil, ""},
		"proven":          {map[string]string{"MUST-3": "MUST-3 3.1  x\n\tproven: conn.TestX: this and that\n"}, ""},
		"one missing":     {map[string]string{"MUST-3": ""}, "MUST-3 is missing"},
		"last missing":    {map[string]string{"REC-1": ""}, "REC-1 is missing"},
		"one too many":    {map[string]string{"REC-1": "REC-1 3.1  x\nREC-2 3.1  x\n"}, "no REC-2"},
		"twice":           {map[string]string{"MUST-3": "MUST-3 3.1  x\nMUST-3 3.1  x\n"}, "MUST-4 is missing"},
		"no section":      {map[string]string{"MUST-3": "MUST-3 Demands something.\n"}, "neither a requirement"},
		"waived twice":    {map[string]string{"MUST-3": "MUST-3 3.1  x\n\twaived: a\n\twaived: b\n"}, "waived twice"},
		"proof of what":   {map[string]string{"MUST-3": "MUST-3 3.1  x\n\tproven: conn.TestX\n"}, "neither waived nor proven"},
		"something else":  {map[string]string{"MUST-3": "MUST-3 3.1  x\n\tnote: conn.TestX\n"}, "neither waived nor proven"},
		"about nothing":   {map[string]string{"MUST-1": "\twaived: a\n"}, "neither a requirement"},
		"comment, spaces": {map[string]string{"MUST-1": "# x\n\nMUST-1 3.1  x\n"}, ""},
	} {
		_, err := parseLabels(allLabels(c.instead))
		wantError(t, name, err, c.want)
	}
}

func wantError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: error %v, want one with %q", name, err, want)
	}
}

// TestFindTests checks the Shows lists that are found in a module's tests, and those that are errors.
func TestFindTests(t *testing.T) {
	const marker = "Sho" + "ws: "
	header := "package p_test\n\nimport \"testing\"\n\n"
	script := "0 `x`\n"
	for name, c := range map[string]struct {
		files   map[string]string
		want    string // in the error
		missing string // in missing's error
		shown   string // MUST-1's column
	}{
		"doc comment": {files: map[string]string{"a/a_test.go": header + "// It works.\n//\n// " + marker + "MUST-1.\nfunc TestA(t *testing.T) {}\n"},
			shown: "[p.TestA](../a/a_test.go)"},
		"body": {files: map[string]string{"a_test.go": header + "func FuzzA(f *testing.F) {\n\tf.Add(1) // " + marker + "MUST-1, MAY-2\n}\n"},
			shown: "[p.FuzzA](../a_test.go)"},
		"script": {files: map[string]string{"s/opening/passive.pkt": "// " + marker + "MUST-1.\n" + script},
			shown: "[opening/passive](../s/opening/passive.pkt)"},
		"script, other comment": {files: map[string]string{"s/x.pkt": script + "/* " + marker + "MUST-1 */\n"},
			shown: "[s/x](../s/x.pkt)"},
		"no such requirement":         {files: map[string]string{"a_test.go": header + "// " + marker + "MUST-70.\nfunc TestA(t *testing.T) {}\n"}, want: "p.TestA shows MUST-70"},
		"no such in a script":         {files: map[string]string{"a.pkt": "# " + marker + "SHLD-32\n"}, want: "a.pkt shows SHLD-32"},
		"not a requirement":           {files: map[string]string{"a_test.go": header + "// " + marker + "everything.\nfunc TestA(t *testing.T) {}\n"}, want: "must be followed by requirements"},
		"more on the line":            {files: map[string]string{"a.pkt": "# " + marker + "MUST-1 and MUST-2\n"}, want: "must be followed by requirements"},
		"not in a test":               {files: map[string]string{"a_test.go": header + "// " + marker + "MUST-1.\nfunc helper() {}\n"}, want: "in a test's comment or body"},
		"waived and shown":            {files: map[string]string{"a.pkt": "# " + marker + "MUST-2\n"}, want: "MUST-2 is waived, and a.pkt shows it"},
		"does not parse":              {files: map[string]string{"a_test.go": "nonsense"}, want: "expected 'package'"},
		"missing":                     {files: map[string]string{"a.pkt": script}, missing: "with a reason: MUST-1"},
		"hidden folders do not count": {files: map[string]string{".git/a.pkt": "# " + marker + "MUST-1\n"}, missing: "with a reason: MUST-1"},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		labels, err := parseLabels(allLabels(map[string]string{"MUST-1": "MUST-1 3.1  Something.\n", "MAY-2": "MAY-2 3.1  x\n"}))
		if err != nil {
			t.Fatal(err)
		}
		tests, err := findTests(root)
		if err == nil {
			err = connect(labels, tests)
		}
		wantError(t, name, err, c.want)
		if c.want != "" {
			continue
		}
		wantError(t, name, missing(labels), c.missing)
		if row := "| MUST-1 | 3.1 | Something. | " + c.shown + " |"; c.shown != "" && !strings.Contains(string(write(labels)), row) {
			t.Errorf("%s: no row %q in\n%.2000s", name, row, write(labels))
		}
	}
}

// TestProofNamesATest checks that a proof must name a test that shows the requirement.
func TestProofNamesATest(t *testing.T) {
	for _, c := range []struct{ test, want string }{{"conn.TestX", ""}, {"conn.TestY", "proven by conn.TestY"}} {
		labels, err := parseLabels(allLabels(map[string]string{"MUST-1": "MUST-1 3.1  x\n\tproven: " + c.test + ": something\n"}))
		if err != nil {
			t.Fatal(err)
		}
		err = connect(labels, []*test{{name: "conn.TestX", file: "conn/x_test.go", shows: []string{"MUST-1"}}})
		wantError(t, c.test, err, c.want)
	}
}

// TestRunChecksItsFile checks that run accepts the file that it has written until the labels change.
func TestRunChecksItsFile(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "conn"), 0o755); err != nil {
		t.Fatal(err)
	}
	old := labelsText
	t.Cleanup(func() { labelsText = old })
	labelsText = allLabels(nil)
	if err := run(root, true); err == nil {
		t.Error("a missing file counts as up to date")
	}
	if err := run(root, false); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true); err != nil {
		t.Error(err)
	}
	labelsText = allLabels(map[string]string{"MUST-1": "MUST-1 3.1  Changed.\n\twaived: x\n"})
	if err := run(root, true); err == nil || !strings.Contains(err.Error(), "out of date") {
		t.Errorf("changed: %v", err)
	}
}
