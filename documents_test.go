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

// TestAttacksNamesTests checks that the tests and packet scripts that stack/ATTACKS.md names exist.
func TestAttacksNamesTests(t *testing.T) {
	tests := testFunctions(t)
	named := regexp.MustCompile("`((?:Test[A-Z]|[a-z0-9-]+/)[A-Za-z0-9_./-]+)`").FindAllStringSubmatch(document(t, "stack/ATTACKS.md"), -1)
	if len(named) < 50 {
		t.Errorf("%d tests are named, want at least 50", len(named))
	}
	for _, match := range named {
		name := match[1]
		if script, ok := strings.CutSuffix(name, ".pkt"); ok {
			if _, err := os.Stat(filepath.Join("conn/script/testdata", script+".pkt")); err != nil {
				t.Error(err)
			}
		} else if strings.HasPrefix(name, "Test") && !tests[name] {
			t.Errorf("there is no %s", name)
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
