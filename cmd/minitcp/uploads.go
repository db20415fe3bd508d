//go:build linux

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// uploadFlags holds the flags of uploads.
type uploadFlags struct {
	allowed bool
	limit   int // in MB
}

const (
	defaultUploadLimit = 1000
	maxUploadLimit     = 1_000_000

	// uploadPause is the longest pause between two bytes of an upload, uploadTime the longest time for the whole upload.
	uploadPause = 30 * time.Second
	uploadTime  = time.Hour
)

func (f *uploadFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.allowed, "upload", false, "let clients of files:DIR create and replace files with PUT")
	flags.IntVar(&f.limit, "upload-limit", defaultUploadLimit, "with --upload, the size of the largest upload in `MB`")
}

// check returns an error for flags that contradict each other or listen.
func (f *uploadFlags) check(listen *listenList) error {
	switch {
	case f.allowed && listen.first(filesService) == 0:
		return usagef("--upload: no directory to store uploads in; give one with --listen PORT=files:DIR")
	case !f.allowed && f.limit != defaultUploadLimit:
		return usagef("--upload-limit %d: has no effect without --upload; give both", f.limit)
	case f.limit < 1 || f.limit > maxUploadLimit:
		return usagef("--upload-limit %d: out of range; choose from 1 to %d MB", f.limit, maxUploadLimit)
	}
	return nil
}

// uploader stores the bodies of PUT requests below a directory.
type uploader struct {
	root  *os.Root
	limit int64 // bytes
	log   *slog.Logger
}

// refusal is an error with the status and the text of the HTTP response.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// put stores the request's body under its path and replaces a regular file of that name. The file appears when the
// whole body has arrived, or not at all. Its directory must exist.
func (u *uploader) put(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	replaced, err := u.check(name, r.ContentLength)
	var size int64
	if err == nil {
		size, err = u.store(name, &uploadBody{
			body:    http.MaxBytesReader(w, r.Body, u.limit),
			control: http.NewResponseController(w),
			end:     time.Now().Add(uploadTime),
		})
	}
	if err != nil {
		response := u.refuse(name, err)
		u.log.Warn("upload failed", "name", name, "bytes", size, "error", err.Error())
		w.Header().Set("Connection", "close") // because the rest of the body is not read
		http.Error(w, response.text, response.status)
		return
	}
	u.log.Info("upload stored", "name", name, "bytes", size)
	if replaced {
		w.WriteHeader(http.StatusNoContent)
	} else {
		w.WriteHeader(http.StatusCreated)
	}
}

// check reports whether the upload replaces a file. It returns an error if the upload cannot be stored.
func (u *uploader) check(name string, length int64) (replaces bool, err error) {
	if !fs.ValidPath(name) || name == "." {
		return false, badPath(name)
	}
	if isHidden(name) {
		return false, &refusal{http.StatusForbidden, "a name that begins with a dot is not allowed: " + name}
	}
	if length > u.limit {
		return false, u.tooLarge()
	}
	// An upload neither follows nor replaces a symbolic link, because a link may lead to a hidden name.
	for i, c := range name + "/" {
		if c != '/' {
			continue
		}
		info, err := u.root.Lstat(name[:i])
		switch {
		case errors.Is(err, fs.ErrNotExist) && i == len(name):
			return false, nil
		case isBadName(err):
			return false, badPath(name)
		case err != nil:
			return false, err
		case info.Mode().Type() == fs.ModeSymlink:
			return false, &refusal{http.StatusForbidden, "an upload does not follow the symbolic link " + name[:i]}
		case i == len(name) && !info.Mode().IsRegular():
			return false, &refusal{http.StatusConflict, "not a regular file: " + name}
		}
	}
	return true, nil
}

// refuse returns the response to an upload that failed with err.
func (u *uploader) refuse(name string, err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return u.tooLarge()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &refusal{http.StatusConflict, "there is no directory for " + name}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{http.StatusRequestTimeout, fmt.Sprintf("no data for %v, or not complete within %v", uploadPause, uploadTime)}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &refusal{http.StatusInsufficientStorage, "the disk is full"}
	}
	return &refusal{http.StatusInternalServerError, "the file could not be stored"}
}

// badPath returns the response to an upload to a path that no file can have.
func badPath(name string) *refusal {
	return &refusal{http.StatusBadRequest, fmt.Sprintf("the path does not name a file: %q", "/"+name)}
}

func (u *uploader) tooLarge() *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the upload is larger than %d bytes", u.limit)}
}

// store copies body to a hidden file in the same directory, and renames the file when it is complete.
func (u *uploader) store(name string, body io.Reader) (size int64, err error) {
	partial := path.Join(path.Dir(name), ".minitcp-"+rand.Text())
	f, err := u.root.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	size, err = io.Copy(f, body)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = u.root.Rename(partial, name)
	}
	if err != nil {
		return size, errors.Join(err, u.root.Remove(partial))
	}
	return size, nil
}

// uploadBody reads a request's body with a deadline: uploadPause for each read, and end for all of them.
type uploadBody struct {
	body    io.Reader
	control *http.ResponseController
	end     time.Time
}

// Read reads with the earlier of the two deadlines.
func (b *uploadBody) Read(p []byte) (int, error) {
	deadline := time.Now().Add(uploadPause)
	if b.end.Before(deadline) {
		deadline = b.end
	}
	if err := b.control.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	if err == io.EOF { // the next request has its own deadline
		if err := b.control.SetReadDeadline(time.Time{}); err != nil {
			return n, err
		}
	}
	return n, err
}
