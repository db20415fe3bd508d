//go:build linux

package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// fileHandler serves the regular files of a directory for GET and HEAD, and stores uploads with PUT if uploads is not
// nil. It hides names that begin with a dot. Neither ".." nor a symbolic link leads out of the directory.
type fileHandler struct {
	root    *os.Root
	files   http.Handler
	escapes error     // os.Root's error for a path that leads out of the root
	uploads *uploader // nil if the directory is read-only
}

func newFileHandler(dir string, uploads uploadFlags, log *slog.Logger) (*fileHandler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	h := &fileHandler{root: root}
	_, err = root.Lstat("..") // package os does not export this error
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		h.escapes = e.Err
	}
	h.files = http.FileServerFS(visibleFiles{h})
	if uploads.allowed {
		h.uploads = &uploader{root, int64(uploads.limit) * megabyte, log}
	}
	return h, nil
}

func (h *fileHandler) close() error { return h.root.Close() }

// ServeHTTP serves one request.
func (h *fileHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		h.files.ServeHTTP(w, r)
	case r.Method == http.MethodPut && h.uploads != nil:
		h.uploads.put(w, r)
	case h.uploads != nil:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		http.Error(w, "method not allowed; use GET, HEAD or PUT", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed; use GET or HEAD", http.StatusMethodNotAllowed)
	}
}

// isHidden reports whether an element of a slash-separated path begins with a dot.
func isHidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != "." {
			return true
		}
	}
	return false
}

// isBadName reports whether an error of os.Root is that of a name that no file can have: with a NUL byte, or too long.
func isBadName(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENAMETOOLONG)
}

// visibleFiles is the fs.FS that package http serves.
type visibleFiles struct{ h *fileHandler }

// Open opens a regular file or a directory. It opens no other type: a FIFO would block the calling thread, and opening
// a device may have side effects. For a path that leads out of the directory it returns fs.ErrPermission.
func (v visibleFiles) Open(name string) (fs.File, error) {
	fail := func(err error) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: err} }
	if isHidden(name) {
		return fail(fs.ErrNotExist)
	}
	info, err := v.h.root.Stat(name)
	if err != nil {
		return fail(v.h.cause(err))
	}
	if !isServed(info) {
		return fail(fs.ErrPermission)
	}
	// The name may have become a FIFO since Stat. O_NONBLOCK keeps open from waiting for its writer.
	f, err := v.h.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return fail(v.h.cause(err))
	}
	if info, err = f.Stat(); err == nil && !isServed(info) {
		err = fs.ErrPermission
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	return visibleFile{f}, nil
}

// cause converts an error of os.Root to one for which package http has a status.
func (h *fileHandler) cause(err error) error {
	switch {
	case errors.Is(err, h.escapes), errors.Is(err, syscall.ELOOP):
		return fs.ErrPermission
	case errors.Is(err, syscall.ENOTDIR), isBadName(err):
		return fs.ErrNotExist
	}
	return err
}

// isServed reports whether a file is of a type that is served.
func isServed(info fs.FileInfo) bool { return info.Mode().IsRegular() || info.IsDir() }

// visibleFile is an open file or directory. ReadDir of a directory leaves out hidden names.
type visibleFile struct{ *os.File }

// ReadDir returns the visible entries among the next n.
func (f visibleFile) ReadDir(n int) ([]fs.DirEntry, error) {
	list, err := f.File.ReadDir(n)
	visible := list[:0]
	for _, entry := range list {
		if !isHidden(entry.Name()) {
			visible = append(visible, entry)
		}
	}
	return visible, err
}
