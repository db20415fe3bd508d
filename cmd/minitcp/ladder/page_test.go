package ladder

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// TestPage compares a page with the one in testdata. After a change, run go test -update and look at it in a browser.
func TestPage(t *testing.T) {
	got := draw(t, Options{Page: "Ladders", PeerName: "kernel"}, func(l *Ladder) {
		for _, d := range drawings {
			if d.name == "lesson" || d.name == "repair" || d.name == "reset" {
				d.draw(l)
			}
		}
	})
	path := filepath.Join("testdata", "page.html")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page differs from %s", path)
	}
}

var (
	pictures = regexp.MustCompile(`(?s)<svg.*?</svg>`)
	viewBox  = regexp.MustCompile(`viewBox="0 0 1000 (\d+)"`)
)

// TestPictures checks that each drawing is a page with complete pictures, whose elements are inside, and which have the
// labels of the drawing as text.
func TestPictures(t *testing.T) {
	for _, d := range drawings {
		opt := d.opt
		opt.Page = "<Ladder>"
		got := draw(t, opt, d.draw)
		if !strings.HasPrefix(got, "<!DOCTYPE html>") || !strings.HasSuffix(got, "</html>\n") || !strings.Contains(got, "<title>&lt;Ladder&gt;</title>") {
			t.Errorf("%s: not a complete page", d.name)
		}
		list := pictures.FindAllString(got, -1)
		if len(list) == 0 {
			t.Errorf("%s: no picture", d.name)
		}
		texts := ""
		for _, svg := range list {
			height, err := strconv.Atoi(viewBox.FindStringSubmatch(svg)[1])
			if err != nil {
				t.Fatal(err)
			}
			texts += checkPicture(t, d.name, svg, height)
		}
		for _, label := range regexp.MustCompile(`(?:SYN|ACK|FIN|RST)[A-Z,]* seq [0-9]+`).FindAllString(draw(t, d.opt, d.draw), -1) {
			if !strings.Contains(texts, label) {
				t.Errorf("%s: no picture has %q", d.name, label)
			}
		}
	}
}

// checkPicture checks the elements of a picture, and returns its text.
func checkPicture(t *testing.T, name, svg string, height int) (text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return text
		}
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, svg)
		}
		switch e := token.(type) {
		case xml.CharData:
			text += string(e)
		case xml.StartElement:
			for _, a := range e.Attr {
				limit := map[string]int{"x": pictureWidth, "y": height, "width": pictureWidth}[a.Name.Local]
				if n, err := strconv.Atoi(a.Value); limit > 0 && (err != nil || n < 0 || n > limit) {
					t.Errorf("%s: %s=%q, want 0 to %d", name, a.Name.Local, a.Value, limit)
				}
			}
		}
	}
}

// A long drawing is divided into several pictures.
func TestLongPage(t *testing.T) {
	got := draw(t, Options{Page: "x"}, func(l *Ladder) {
		a := newActor(l, server4, client4)
		for i := range 1200 {
			a.out(ms, wire.ACK, i, 1, 0, conn.Established, noted("<&>"))
		}
	})
	list := pictures.FindAllString(got, -1)
	if len(list) != 3 {
		t.Errorf("%d pictures, want 3", len(list))
	}
	for _, svg := range list {
		checkPicture(t, "long", svg, maxHeight+rowHeight)
	}
	if strings.Contains(got, "<&>") || strings.Count(got, "&lt;&amp;&gt;") != 1200 {
		t.Error("a note is not escaped")
	}
}
