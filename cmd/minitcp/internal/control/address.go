//go:build linux

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrInUse is the cause of the error of an address at which another process listens.
var ErrInUse = errors.New("in use by another process")

// Address is the address of an API. The zero value is the default socket of the process; see [Directory].
type Address struct {
	network string // "unix", "tcp", or "" for the default
	text    string // a path, or host and port
}

// ParseAddress parses unix:PATH or HOST:PORT. HOST is an IP address, localhost, or empty for all addresses.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" || strings.ContainsRune(path, 0) {
			return Address{}, errors.New("missing path; write unix:/run/minitcp/api.sock")
		}
		if len(path) >= len(unix.RawSockaddrUnix{}.Path) {
			return Address{}, fmt.Errorf("the path has %d bytes; a socket's has at most %d", len(path), len(unix.RawSockaddrUnix{}.Path)-1)
		}
		return Address{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, errors.New("neither unix:PATH nor HOST:PORT; write 127.0.0.1:8077")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return Address{}, fmt.Errorf("%q is not a port; choose 0 to 65535", port)
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return Address{}, fmt.Errorf("%q is not an IP address; write 127.0.0.1:%s", host, port)
		}
	}
	return Address{"tcp", s}, nil
}

// IsDefault reports whether a is the default socket.
func (a Address) IsDefault() bool { return a.network == "" }

// String returns the text that ParseAddress parses, "" for the default.
func (a Address) String() string {
	if a.network == "unix" {
		return "unix:" + a.text
	}
	return a.text
}

// Directory returns the directory of the default sockets: $XDG_RUNTIME_DIR/minitcp, or /run/minitcp for root if that
// variable is not set. It returns "" if there is none.
func Directory() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "minitcp")
	}
	if os.Getuid() == 0 {
		return rootDirectory
	}
	return ""
}

const rootDirectory = "/run/minitcp"

// socketSuffix is the end of the names of default sockets, which begin with the number of the process.
const socketSuffix = ".sock"

// listen listens at an address. If it is the default, listen makes the directory and removes the sockets of dead
// daemons.
func (a Address) listen() (net.Listener, error) {
	if a.IsDefault() {
		dir := Directory()
		if dir == "" {
			return nil, errors.New("XDG_RUNTIME_DIR is not set; name an address")
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		for _, path := range socketsIn(dir) {
			removeStale(path)
		}
		a = Address{"unix", filepath.Join(dir, strconv.Itoa(os.Getpid())+socketSuffix)}
	}
	if a.network == "unix" {
		if err := removeStale(a.text); err != nil {
			return nil, err
		}
	}
	config := net.ListenConfig{Control: func(network, _ string, c syscall.RawConn) (err error) {
		if network == "unix" { // bind gives this mode to the file
			c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) })
		}
		return err
	}}
	l, err := config.Listen(context.Background(), a.network, a.text)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %w", a, ErrInUse)
	}
	return l, err
}

// socketsIn returns the default sockets in a directory.
func socketsIn(dir string) (paths []string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if pid, ok := strings.CutSuffix(e.Name(), socketSuffix); ok && e.Type()&fs.ModeSocket != 0 {
			if _, err := strconv.Atoi(pid); err == nil {
				paths = append(paths, filepath.Join(dir, e.Name()))
			}
		}
	}
	return paths
}

// removeStale removes the socket of a process that has ended. It returns an error if a process listens there, or if the
// file is no socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket; choose another path", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s: %w", path, ErrInUse)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// isPublic reports whether other hosts can reach a listener.
func isPublic(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && !a.IP.IsLoopback()
}
