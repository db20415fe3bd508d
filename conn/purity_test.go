package conn

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The core has no goroutine, channel, lock, clock, randomness or system call: by its imports and its syntax.
func TestPurity(t *testing.T) {
	allowed := map[string]bool{
		"net/netip": true, "time": true, "errors": true, "io": true, "math": true, "math/bits": true, "fmt": true,
		"encoding/binary": true, "strconv": true, "strings": true, "slices": true, "cmp": true,
	}
	support := map[string]bool{"bytes": true, "math/rand/v2": true} // for conntest, which draws scenarios from a seed
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			if support[name] && filepath.Dir(path) == "conntest" {
				continue
			}
			if !allowed[name] && !strings.HasPrefix(name+"/", "minitcp/conn/") {
				t.Errorf("%s imports %s", path, name)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt, *ast.SendStmt, *ast.MapType:
				t.Errorf("%s: %T", fset.Position(n.Pos()), n)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && impure(x.Name, n.Sel.Name) {
					t.Errorf("%s: %s.%s", fset.Position(n.Pos()), x.Name, n.Sel.Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || files < 20 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// impure reports whether a name is of a clock, or of randomness without a seed.
func impure(pkg, name string) bool {
	switch pkg {
	case "time":
		switch name {
		case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker":
			return true
		}
	case "rand":
		return name != "New" && name != "NewPCG" && name != "Rand"
	}
	return false
}

// TestTestsHaveNoGoroutines checks the tests of conn and its packages for goroutines. scripts/test does not run them
// under the race detector.
func TestTestsHaveNoGoroutines(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			_, started := n.(*ast.GoStmt)
			s, ok := n.(*ast.SelectorExpr) // of sync.WaitGroup and testing.T
			if started || ok && (s.Sel.Name == "Go" || s.Sel.Name == "Parallel") {
				t.Errorf("%s: a goroutine", fset.Position(n.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil || files < 20 {
		t.Fatalf("%d files, %v", files, err)
	}
}
