package minitcp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"minitcp/conn"
	"minitcp/stack"
)

// TestDocumentsNameTests checks that the tests and packet scripts that documents name exist.
func TestDocumentsNameTests(t *testing.T) {
	tests := testFunctions(t)
	for file, least := range map[string]int{"stack/ATTACKS.md": 50, "conn/RFC8899.md": 30, "conn/RFC7413.md": 60, "conn/RFC9768.md": 60, "conn/RFCs.md": 50} {
		named := regexp.MustCompile("`((?:Test[A-Z]|Fuzz[A-Z]|[a-z0-9-]+/)[A-Za-z0-9_./-]+)`").FindAllStringSubmatch(document(t, file), -1)
		if len(named) < least {
			t.Errorf("%s names %d tests, want at least %d", file, len(named), least)
		}
		for _, match := range named {
			name := match[1]
			if script, ok := strings.CutSuffix(name, ".pkt"); ok {
				if _, err := os.Stat(filepath.Join("conn/script/testdata", script+".pkt")); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			} else if (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz")) && !tests[name] {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
	}
}

// TestAttacksNamesFields checks that stack/ATTACKS.md has a row for every exported field of both Configs.
func TestAttacksNamesFields(t *testing.T) {
	text := document(t, "stack/ATTACKS.md")
	for _, config := range []struct {
		heading string
		value   any
	}{{"### stack.Config", stack.Config{}}, {"### conn.Config", conn.Config{}}} {
		_, section, _ := strings.Cut(text, config.heading)
		section, _, _ = strings.Cut(section, "###")
		for field := range reflect.TypeOf(config.value).Fields() {
			if field.IsExported() && field.Name != "Conn" && !strings.Contains(section, "`"+field.Name+"`") {
				t.Errorf("%s has no row for %s", config.heading, field.Name)
			}
		}
	}
}

// document returns the text of a file.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// testFunctions returns the names of all test functions of the module.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				names[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
