package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// test is a Test or Fuzz function, or a script, that shows requirements.
type test struct {
	name  string // conn.TestX, or a script's path from the module's root
	file  string // path from the module's root
	shows []string
}

var (
	showsComment = regexp.MustCompile(`Shows:\s`)
	// showsList matches the whole list, which may end in a full stop, up to the end of the line.
	showsList = regexp.MustCompile(`(?m)Shows:[ \t]+(` + labelName + `(?:,[ \t]*` + labelName + `)*)\.?[ \t]*(?:\*/)?[ \t]*$`)
	comma     = regexp.MustCompile(`,[ \t]*`)
)

// labelsIn returns the requirements in the Shows lists of a comment.
func labelsIn(comment string) ([]string, error) {
	var names []string
	lists := showsList.FindAllStringSubmatch(comment, -1)
	if len(lists) != len(showsComment.FindAllString(comment, -1)) {
		return nil, fmt.Errorf(`"Shows:" must be followed by requirements with commas between them, and by nothing else on the line: %q`, comment)
	}
	for _, m := range lists {
		names = append(names, comma.Split(m[1], -1)...)
	}
	return names, nil
}

// findTests reads all tests and scripts of the module at root, in the order of their paths.
func findTests(root string) ([]*test, error) {
	var tests []*test
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		name = filepath.ToSlash(name)
		switch {
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != ".":
			return fs.SkipDir
		case d.IsDir():
			return nil
		case strings.HasSuffix(name, "_test.go"):
			found, err := inGo(path, name)
			tests = append(tests, found...)
			return err
		case strings.HasSuffix(name, ".pkt"):
			found, err := inScript(path, name)
			tests = append(tests, found...)
			return err
		}
		return nil
	})
	return tests, err
}

// inGo returns the functions in a Go file that show requirements.
func inGo(path, name string) ([]*test, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var tests []*test
	for _, group := range file.Comments {
		labels, err := labelsIn(group.Text())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fset.Position(group.Pos()), err)
		}
		if len(labels) == 0 {
			continue
		}
		f := around(file, group)
		if f == nil {
			return nil, fmt.Errorf("%s: a Shows list must be in a test's comment or body", fset.Position(group.Pos()))
		}
		full := strings.TrimSuffix(file.Name.Name, "_test") + "." + f.Name.Name
		if n := len(tests); n == 0 || tests[n-1].name != full {
			tests = append(tests, &test{name: full, file: name})
		}
		t := tests[len(tests)-1]
		for _, l := range labels {
			if !slices.Contains(t.shows, l) {
				t.shows = append(t.shows, l)
			}
		}
	}
	return tests, nil
}

// around returns the test whose doc comment or body contains the comment, or nil.
func around(file *ast.File, comment *ast.CommentGroup) *ast.FuncDecl {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		if f.Doc == comment || f.Pos() <= comment.Pos() && comment.End() <= f.End() {
			return f
		}
	}
	return nil
}

// inScript returns the script as a test if it shows requirements.
func inScript(path, name string) ([]*test, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	labels, err := labelsIn(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(labels) == 0 {
		return nil, nil
	}
	slices.Sort(labels)
	return []*test{{name: name, file: name, shows: slices.Compact(labels)}}, nil
}
