package minitcp_test

import (
	"cmp"
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
	"testing"
	"unicode/utf8"
)

// maxCommentLine is the length limit of a line of comment in characters, with a tab as one.
const maxCommentLine = 120

// styleRules are the forms that comments, string literals, function names and Markdown must not have.
var styleRules = []struct {
	name   string
	banned *regexp.Regexp
	except *regexp.Regexp // removed from the text first; nil for none
}{
	{"name the subject", regexp.MustCompile(`(?i)\b(who|whoever|whose turn|nobody|somebody)\b|(Whoever|Nobody|Somebody)`), persons},
	{`"what" is no noun`, regexp.MustCompile(`(// |\. )What [a-z]|\bwhat (is|are|was|were|has|had|have|comes|came|goes|went|must|may|it|they|waits|arrives|arrived)\b`), nil},
	{`write "except for"`, regexp.MustCompile(`\bbut for\b`), nil},
	{`write "must be" or the present tense`, regexp.MustCompile(`\b(is|are) to be\b`), nil},
	{"write the fact", regexp.MustCompile(`(?i)\bnothing is said of\b`), nil},
	{`write "bytes"`, regexp.MustCompile(`(?i)\boctets?\b|Octets?\b`), quoted},
	{"a definition is no question", regexp.MustCompile(`\banswers:|\banswers the question\b`), nil},
	{"packets and fields do not speak", regexp.MustCompile(
		`\b(segment|packet|frame|datagram|header|field|option|bit|flag|ACK|SYN|SYN-ACK|FIN|RST|peer|kernel)s? (says?|tells?|said|told)\b`), quoted},
}

var (
	persons = regexp.MustCompile(`(?i)\b(anyone|attackers?|contributors?|operators?|people|persons?|readers?|reviewers?|users?) who\b`)
	quoted  = regexp.MustCompile(`"[^"]*"|“[^”]*”`)
)

// TestStyle holds the mechanical rules of the style card in CONTRIBUTING.md.
func TestStyle(t *testing.T) {
	for _, f := range styleFindings(t, ".") {
		t.Error(f)
	}
}

func TestStyleRules(t *testing.T) {
	for _, test := range []struct {
		text string
		want int
	}{
		{"window returns the number of bytes that may be in flight.", 0},
		{"The sender retransmits. Users who need less choose another limit.", 0},
		{`RFC 9293 3.4: "the number of octets in the segment".`, 0},
		{"Whoever waits, and who sends, and nobody else.", 3},
		{"what is lost and what arrives", 2},
		{"// What was written arrives. What did not is sent again.", 2},
		{"all but for one is to be sent", 2},
		{"40 octets, one octet", 2},
		{"ecn answers: has it arrived?", 1},
		{"The peer says it, and SYNs tell.", 2},
		{"DeletedBySomebodyElse", 1},
		{strings.Repeat("x", maxCommentLine+1), 0},
	} {
		if got := breaches(test.text); len(got) != test.want {
			t.Errorf("%q: %v, want %d findings", test.text, got, test.want)
		}
	}
}

// finding is a place that breaks a rule.
type finding struct {
	file string
	line int
	rule string
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s: %s", f.file, f.line, f.rule, f.text) }

// styleFindings returns every finding in the files below a directory, in their order.
func styleFindings(t *testing.T, root string) (found []finding) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || path == "style_test.go":
			return nil
		case strings.HasSuffix(path, ".pkt"):
			list, err := scriptFindings(path)
			found = append(found, list...)
			return err
		case strings.Contains(path, "testdata"):
			return nil
		case strings.HasSuffix(path, ".go"):
			list, err := goFindings(path)
			found = append(found, list...)
			return err
		case strings.HasSuffix(path, ".md"), path == filepath.Join("scripts", "test"):
			text, err := os.ReadFile(path)
			found = append(found, textFindings(path, 1, string(text))...)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// goFindings returns the findings in a Go file's comments, string literals and names of functions.
func goFindings(path string) (found []finding, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	for _, group := range file.Comments {
		var lines []string
		for _, c := range group.List {
			lines = append(lines, c.Text)
			at := files.Position(c.Pos())
			if n := at.Column - 1 + utf8.RuneCountInString(c.Text); n > maxCommentLine && !strings.Contains(c.Text, "\n") && !strings.HasPrefix(c.Text, "//go:") {
				found = append(found, finding{path, at.Line, fmt.Sprintf("line of comment with %d characters, want at most %d", n, maxCommentLine), c.Text})
			}
		}
		found = append(found, textFindings(path, files.Position(group.Pos()).Line, strings.Join(lines, "\n"))...)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.FuncDecl:
			found = append(found, textFindings(path, files.Position(n.Name.Pos()).Line, n.Name.Name)...)
		case *ast.BasicLit:
			if n.Kind == token.STRING && strings.Contains(n.Value, " ") {
				found = append(found, textFindings(path, files.Position(n.Pos()).Line, n.Value[1:len(n.Value)-1])...)
			}
		}
		return true
	})
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(a.line, b.line) })
	return found, nil
}

// scriptFindings returns the findings in the comments of a packetdrill script, which begin with "//".
func scriptFindings(path string) (found []finding, err error) {
	text, err := os.ReadFile(path)
	for i, line := range strings.Split(string(text), "\n") {
		_, comment, _ := strings.Cut(line, "//")
		found = append(found, textFindings(path, i+1, comment)...)
		if n := utf8.RuneCountInString(line); comment != "" && n > maxCommentLine {
			found = append(found, finding{path, i + 1, fmt.Sprintf("line of comment with %d characters, want at most %d", n, maxCommentLine), line})
		}
	}
	return found, err
}

// textFindings returns the findings in a text that begins at a line of a file. A quote may extend over several lines.
func textFindings(path string, line int, text string) (found []finding) {
	lines := strings.Split(text, "\n")
	for _, b := range breaches(text) {
		at := strings.Count(text[:b.offset], "\n")
		found = append(found, finding{path, line + at, b.rule, strings.TrimSpace(lines[at])})
	}
	return found
}

// breach is a banned form at an offset of a text.
type breach struct {
	offset int
	rule   string
}

// breaches returns the banned forms in a text.
func breaches(text string) (list []breach) {
	for _, r := range styleRules {
		rest := text
		if r.except != nil {
			rest = r.except.ReplaceAllStringFunc(text, blank)
		}
		for _, at := range r.banned.FindAllStringIndex(rest, -1) {
			list = append(list, breach{at[0], fmt.Sprintf("%q: %s", rest[at[0]:at[1]], r.name)})
		}
	}
	return list
}

// blank replaces everything but line ends, so that offsets stay true.
func blank(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] != '\n' {
			b[i] = ' '
		}
	}
	return string(b)
}
