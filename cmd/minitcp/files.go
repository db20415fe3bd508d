//go:build linux

package main

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"strings"
)

// fileHandler gives out the files of a directory for GET and HEAD, and takes new ones with PUT. Nothing leads out of
// the directory: neither "..", nor a symbolic link.
type fileHandler struct {
	root  *os.Root
	files http.Handler
	log   *slog.Logger
}

func newFileHandler(dir string, log *slog.Logger) (*fileHandler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &fileHandler{root, http.FileServerFS(root.FS()), log}, nil
}

func (h *fileHandler) close() error { return h.root.Close() }

// ServeHTTP answers one request.
func (h *fileHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.files.ServeHTTP(w, r)
	case http.MethodPut:
		h.put(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		http.Error(w, "only GET, HEAD and PUT are allowed here", http.StatusMethodNotAllowed)
	}
}

// put stores the request's body under its path, replacing a file that is there. The file appears when all of it has
// arrived, or not at all. Its directory must exist.
func (h *fileHandler) put(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if !fs.ValidPath(name) || name == "." {
		http.Error(w, "the path names no file: "+r.URL.Path, http.StatusBadRequest)
		return
	}
	info, err := h.root.Stat(name)
	switch {
	case err == nil && !info.Mode().IsRegular():
		http.Error(w, "there is something other than a file: "+name, http.StatusConflict)
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		http.Error(w, "no access to "+name, http.StatusForbidden) // a link that leads out, say
		return
	}
	size, storeErr := h.store(name, r.Body)
	switch {
	case errors.Is(storeErr, fs.ErrNotExist):
		http.Error(w, "there is no directory for "+name, http.StatusConflict)
	case storeErr != nil:
		h.log.Warn("upload failed", "name", name, "octets", size, "error", storeErr.Error())
		http.Error(w, "the file could not be stored", http.StatusInternalServerError)
	case err == nil:
		h.log.Info("upload stored", "name", name, "octets", size)
		w.WriteHeader(http.StatusNoContent)
	default:
		h.log.Info("upload stored", "name", name, "octets", size)
		w.WriteHeader(http.StatusCreated)
	}
}

// store copies body to a file beside the one named, and renames it when it is complete.
func (h *fileHandler) store(name string, body io.Reader) (size int64, err error) {
	partial := path.Join(path.Dir(name), ".minitcp-"+rand.Text())
	f, err := h.root.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	size, err = io.Copy(f, body)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = h.root.Rename(partial, name)
	}
	if err != nil {
		return size, errors.Join(err, h.root.Remove(partial))
	}
	return size, nil
}
