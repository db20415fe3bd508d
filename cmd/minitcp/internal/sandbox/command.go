//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The exit statuses of shells for a command that does not run [POSIX.1-2024, XCU 2.8.2].
const (
	StatusNotExecutable = 126
	StatusNotFound      = 127
	statusSignal        = 128 // plus the number of the signal
)

// CommandError is the error of a command that cannot be run.
type CommandError struct {
	Command string
	Status  int // StatusNotExecutable or StatusNotFound
	Err     error
}

// Error returns the problem in one line.
func (e *CommandError) Error() string { return fmt.Sprintf("%s: %v", e.Command, e.Err) }

// Unwrap returns the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// FindCommand returns the file of a command, as a shell finds it. The error is of type [*CommandError].
func FindCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil || errors.Is(err, exec.ErrDot) { // the user has chosen to have the directory in PATH
		return path, nil
	}
	e := &CommandError{Command: name, Status: StatusNotFound, Err: errors.New("command not found")}
	switch {
	case strings.Contains(name, "/") && !errors.Is(err, fs.ErrNotExist):
		e.Status, e.Err = StatusNotExecutable, cause(err)
	case strings.Contains(name, "/"):
		e.Err = cause(err)
	case inPath(name):
		e.Status, e.Err = StatusNotExecutable, syscall.EACCES
	}
	return "", e
}

// cause returns the error of the system call below err.
func cause(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	if e := errors.Unwrap(err); e != nil {
		return e
	}
	return err
}

// inPath reports whether a directory of PATH has a file of that name.
func inPath(name string) bool {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// exitStatus returns the exit status that stands for the end of a process.
func exitStatus(w syscall.WaitStatus) int {
	if w.Signaled() {
		return statusSignal + int(w.Signal())
	}
	return w.ExitStatus()
}
