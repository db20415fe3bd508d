//go:build linux

package tun

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaceDir is the directory of the names that `ip netns` shows. Each is a file with a namespace mounted on it.
const namespaceDir = "/run/netns"

// Namespace is a network namespace, with devices, addresses, routes and sockets of its own. A nil *Namespace stands for
// that of the calling thread.
type Namespace struct {
	name  string // "" for none
	owned bool   // made by minitcp, in this or another process

	mu     sync.RWMutex
	handle netns.NsHandle // netns.None() after Close; it has a shared flock(2) if the namespace has a name
}

// ownerMark is the alias of the loopback device in a namespace that minitcp has made. It marks the namespace as
// minitcp's for as long as the namespace exists.
const ownerMark = "namespace made by minitcp"

// NewNamespace opens the namespace of that name, as in `ip netns`. If none exists, it makes one, with its loopback
// device up. The name "" makes a namespace without a name. Closing the last Namespace of a namespace that NewNamespace
// has made, in any process, removes it: see [Namespace.Close]. NewNamespace needs CAP_SYS_ADMIN. Its errors are of type
// [*Error].
func NewNamespace(name string) (*Namespace, error) {
	if name != "" {
		if err := CheckNamespaceName(name); err != nil {
			return nil, err
		}
		n, err := findNamespace(name)
		if n != nil || err != nil {
			return n, err
		}
	}
	n, err := makeNamespace(name)
	if errors.Is(err, os.ErrExist) && name != "" { // another program made it in the meantime
		if n, err := findNamespace(name); n != nil || err != nil {
			return n, err
		}
	}
	return n, err
}

// findNamespace opens the namespace of that name. It returns nil and no error if none exists.
func findNamespace(name string) (*Namespace, error) {
	for range maxFinds {
		n, err := openNamespace(name)
		if n == nil || n.isCurrent() {
			return n, err
		}
		n.handle.Close() // removed in the meantime, by the Close of its last Namespace
	}
	return nil, namespaceError(name, "is removed and made again all the time", nil)
}

// maxFinds is the number of times that findNamespace opens a namespace that other programs remove and make again.
const maxFinds = 100

func openNamespace(name string) (*Namespace, error) {
	path := filepath.Join(namespaceDir, name)
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); errors.Is(err, unix.ENOENT) {
		return nil, nil
	} else if err != nil {
		return nil, namespaceError(name, "cannot be inspected", err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return nil, &Error{Subject: path, Reason: ErrNamespace, Problem: "is a file, not a namespace",
			Advice: "remove it with: ip netns delete " + name}
	}
	handle, err := netns.GetFromPath(path)
	if err != nil {
		return nil, namespaceError(name, "cannot be opened", err)
	}
	n := &Namespace{name: name, handle: handle}
	err = n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		n.owned = err == nil && lo.Attrs().Alias == ownerMark
		return nil
	})
	if err == nil {
		err = n.share()
	}
	if err != nil {
		handle.Close()
		return nil, err
	}
	return n, nil
}

// makeNamespace makes a namespace, and names it unless name is "".
func makeNamespace(name string) (*Namespace, error) {
	n := &Namespace{name: name, owned: true, handle: netns.None()}
	err := onThread(func() error {
		handle, err := netns.New()
		if err != nil {
			return namespaceError(name, "cannot be made", err)
		}
		if err := loopbackUp(); err != nil {
			handle.Close()
			return namespaceError(name, "its loopback device cannot be brought up", err)
		}
		n.handle = handle
		if name == "" {
			return nil
		}
		err = n.share() // before other programs can open it
		if err == nil {
			if err = bindName(name); err != nil {
				err = namespaceError(name, "cannot be given its name in "+namespaceDir, err)
			}
		}
		if err != nil {
			handle.Close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// bindName names the namespace of this thread. Unlike netns.NewNamed it leaves no file behind if it fails.
func bindName(name string) error {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(namespaceDir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		os.Remove(path)
		return &os.PathError{Op: "mount", Path: path, Err: err}
	}
	return nil
}

// loopbackUp marks a new namespace as minitcp's and brings up its loopback device.
func loopbackUp() error {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer handle.Close()
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := handle.LinkSetAlias(lo, ownerMark); err != nil {
		return err
	}
	return handle.LinkSetUp(lo)
}

// Name returns the namespace's name, or "" if it has none.
func (n *Namespace) Name() string { return n.name }

// Do runs f on a thread in the namespace and returns f's error. Sockets and devices that f makes stay in the namespace,
// as do processes that it starts. Goroutines that it starts run outside of the namespace. For a nil *Namespace, Do
// calls f.
func (n *Namespace) Do(f func() error) error {
	if n == nil {
		return f()
	}
	return onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

func (n *Namespace) enter() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if !n.handle.IsOpen() {
		return namespaceError(n.name, "cannot be entered", os.ErrClosed)
	}
	if err := netns.Set(n.handle); err != nil {
		return namespaceError(n.name, "cannot be entered", err)
	}
	return nil
}

// share locks the namespace against its removal by another Namespace of it. The kernel releases the lock when the
// handle is closed or the process ends.
func (n *Namespace) share() error {
	if err := unix.Flock(int(n.handle), unix.LOCK_SH); err != nil {
		return namespaceError(n.name, "cannot be locked", err)
	}
	return nil
}

// isLast reports whether no other Namespace of it is open, in any process. If so, none can be opened until the handle
// is closed.
func (n *Namespace) isLast() bool {
	return unix.Flock(int(n.handle), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// isCurrent reports whether the name still refers to this namespace.
func (n *Namespace) isCurrent() bool {
	current, err := netns.GetFromName(n.name)
	if err != nil {
		return false
	}
	defer current.Close()
	return current.Equal(n.handle)
}

// Close releases the namespace. It removes the namespace's name if NewNamespace has made the namespace, in this or
// another process, and no other Namespace of it is open; this includes a namespace that a killed process has left. The
// kernel keeps the namespace itself until its last process, socket and TUN are gone, so close devices first. Further
// calls do nothing.
func (n *Namespace) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.handle.IsOpen() {
		return nil
	}
	defer n.handle.Close()
	if !n.owned || n.name == "" || !n.isLast() {
		return nil
	}
	if !n.isCurrent() {
		return nil // another program has removed the name, and perhaps made it again
	}
	if err := netns.DeleteNamed(n.name); err != nil {
		return namespaceError(n.name, "cannot be removed", err)
	}
	return nil
}

// command returns a command line that runs in the namespace.
func (n *Namespace) command(line string) string {
	if n == nil || n.name == "" {
		return line
	}
	return "ip netns exec " + n.name + " " + line
}

// CheckNamespaceName returns an error of type [*Error] for a name that no namespace can have.
func CheckNamespaceName(name string) error {
	if len(name) <= unix.NAME_MAX && name != "." && name != ".." && !strings.Contains(name, "/") &&
		!strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return nil
	}
	return &Error{Subject: fmt.Sprintf("%q", name), Reason: ErrName, Problem: "invalid namespace name",
		Advice: fmt.Sprintf("choose one of at most %d bytes without white space and '/'", unix.NAME_MAX)}
}

func namespaceError(name, problem string, err error) error {
	e := &Error{Subject: "network namespace " + name, Reason: ErrNamespace, Problem: problem, Err: err}
	if name == "" {
		e.Subject = "network namespace"
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		e.Reason, e.Advice = ErrPermission, "run as root, or with CAP_SYS_ADMIN"
	case errors.Is(err, unix.EROFS):
		e.Advice = "make " + namespaceDir + " writable, or use a namespace without a name"
	}
	return e
}
