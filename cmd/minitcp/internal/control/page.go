//go:build linux

package control

import (
	"embed"
	"net/http"
)

// pageFiles are the files of the page. It loads nothing else.
//
//go:embed page
var pageFiles embed.FS

// servePage serves a file of the page.
func servePage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	http.ServeFileFS(w, r, pageFiles, "page/"+name)
}
