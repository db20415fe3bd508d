// Command rfc9293 writes conn/RFC9293.md: for each requirement of RFC 9293 its meaning, and the tests that show that
// minitcp meets it, or the reason why it does not apply.
//
//	go run ./scripts/rfc9293           writes the file
//	go run ./scripts/rfc9293 -check    fails if it is out of date, or a MUST or SHLD has neither test nor reason
//
// The file labels.txt paraphrases the requirements. Tests name the requirements that they show in a comment of the form
// "Shows: MUST-4, SHLD-3." in the doc comment or the body of a Test or Fuzz function, or in a packetdrill script. A
// test counts for a requirement only if breaking the behaviour makes the test fail.
package main

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed labels.txt
var labelsText string

// labelsFile is the path of labels.txt in errors, from the module's root.
const labelsFile = "scripts/rfc9293/labels.txt"

// tableFile is the path of the written file, from the module's root.
const tableFile = "conn/RFC9293.md"

func main() {
	check := flag.Bool("check", false, "check that the file is complete and up to date, and write nothing")
	flag.Parse()
	if flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(".", *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run reads the module at root and writes its table, or checks that the table is complete and up to date.
func run(root string, check bool) error {
	labels, err := parseLabels(labelsText)
	if err != nil {
		return err
	}
	tests, err := findTests(root)
	if err != nil {
		return err
	}
	if err := connect(labels, tests); err != nil {
		return err
	}
	table := write(labels)
	file := filepath.Join(root, tableFile)
	if !check {
		return os.WriteFile(file, table, 0o644)
	}
	if err := missing(labels); err != nil {
		return err
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, table) {
		return fmt.Errorf("%s is out of date: go run ./scripts/rfc9293", tableFile)
	}
	return nil
}
