package conn

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// Golden is for tests outside of the package.
var Golden = golden

// golden compares got with the file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range gotLines {
		if i >= len(wantLines) || gotLines[i] != wantLines[i] {
			was := "nothing"
			if i < len(wantLines) {
				was = wantLines[i]
			}
			t.Fatalf("%s:%d: is now\n%s\nand was\n%s\nIf that is right, review it and run with -update.", file, i+1, gotLines[i], was)
		}
	}
	t.Fatalf("%s has more lines than there are now", file)
}
