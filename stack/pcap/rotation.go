package pcap

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
)

// rotation is the file that is being written, and those before it. It counts the octets of the one.
type rotation struct {
	path  string
	files int
	file  *os.File
	size  int64
}

// name is what the i-th file is called, counted from the one that is being written.
func (r *rotation) name(i int) string {
	if i == 0 {
		return r.path
	}
	return r.path + "." + strconv.Itoa(i)
}

func (r *rotation) create() (err error) {
	r.size = 0
	r.file, err = createPrivate(r.path)
	return err
}

// clear removes what had the names of older files: it belongs to another capture.
func (r *rotation) clear() error {
	for i := 1; i < r.files; i++ {
		if err := os.Remove(r.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// next closes the file, moves each to the next name, over the oldest, and begins another.
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

// Write writes to the file at hand.
func (r *rotation) Write(b []byte) (int, error) {
	n, err := r.file.Write(b)
	r.size += int64(n)
	return n, err
}

// close does nothing when the file is closed.
func (r *rotation) close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}
