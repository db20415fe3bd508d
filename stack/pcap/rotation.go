package pcap

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
)

// rotation is the current file with its size in bytes, and the files before it.
type rotation struct {
	path  string
	files int
	file  *os.File
	size  int64
}

// name returns the name of the i-th file, counted from the current one.
func (r *rotation) name(i int) string {
	if i == 0 {
		return r.path
	}
	return r.path + "." + strconv.Itoa(i)
}

// create creates the current file.
func (r *rotation) create() (err error) {
	r.size = 0
	r.file, err = createPrivate(r.path)
	return err
}

// clear removes existing files with the names of older files, which belong to another capture.
func (r *rotation) clear() error {
	for i := 1; i < r.files; i++ {
		if err := os.Remove(r.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// next closes the current file, renames each file to the next name, replaces the oldest, and creates a new current
// file.
func (r *rotation) next() error {
	if err := r.close(); err != nil {
		return err
	}
	for i := r.files - 1; i > 0; i-- {
		if err := os.Rename(r.name(i-1), r.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return r.create()
}

// Write writes to the current file.
func (r *rotation) Write(b []byte) (int, error) {
	n, err := r.file.Write(b)
	r.size += int64(n)
	return n, err
}

// close closes the current file. It does nothing if the file is closed.
func (r *rotation) close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}
