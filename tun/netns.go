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

// namespaceDir is where `ip netns` keeps names: each a file with a namespace mounted on it.
const namespaceDir = "/run/netns"

// Namespace is a network namespace: devices, addresses, routes and sockets of its own. A nil *Namespace stands for the
// one of the calling thread.
type Namespace struct {
	name  string // "" for none
	owned bool   // made by minitcp, in this or another process

	mu     sync.RWMutex
	handle netns.NsHandle // netns.None() after Close; holds a shared lock if the namespace has a name
}

// ownerMark is the alias of the loopback device in a namespace that minitcp has made. It ends with the namespace.
const ownerMark = "namespace made by minitcp"

// NewNamespace returns the namespace of that name, as `ip netns` and `ip netns exec` know it; if there is none it makes
// one, with its loopback device up. A namespace that NewNamespace has made, in any process, ends with the last Namespace
// of it: see [Namespace.Close]. With the name "" it makes one without a name. It needs CAP_SYS_ADMIN. Its errors are of
// type [*Error].
func NewNamespace(name string) (*Namespace, error) {
	if name != "" {
		if err := checkNamespaceName(name); err != nil {
			return nil, err
		}
		n, err := findNamespace(name)
		if n != nil || err != nil {
			return n, err
		}
	}
	n, err := makeNamespace(name)
	if errors.Is(err, os.ErrExist) && name != "" { // somebody else was quicker
		if n, err := findNamespace(name); n != nil || err != nil {
			return n, err
		}
	}
	return n, err
}

// findNamespace opens a namespace that has a name. It returns nil and no error when there is none.
func findNamespace(name string) (*Namespace, error) {
	for range maxFinds {
		n, err := openNamespace(name)
		if n == nil || n.isCurrent() {
			return n, err
		}
		n.handle.Close() // its last Namespace was closed in the meantime
	}
	return nil, namespaceError(name, "changes all the time", nil)
}

// maxFinds is the number of times that findNamespace looks for a namespace that others remove and make.
const maxFinds = 100

func openNamespace(name string) (*Namespace, error) {
	path := filepath.Join(namespaceDir, name)
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); errors.Is(err, unix.ENOENT) {
		return nil, nil
	} else if err != nil {
		return nil, namespaceError(name, "cannot be looked up", err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return nil, &Error{Subject: path, Reason: ErrNamespace, Problem: "there is a file in the place of a namespace",
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

// makeNamespace makes a namespace, and gives it a name unless that is "".
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
		err = n.share() // before others can find it
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

// bindName names the namespace of this thread. Unlike netns.NewNamed it leaves nothing behind when it fails.
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

// Name is the name it was asked for with; "" if it has none.
func (n *Namespace) Name() string { return n.name }

// Do runs f on a thread inside the namespace and returns f's error. Sockets and devices that f itself makes belong to
// the namespace for good, as do processes it starts; goroutines it starts run outside. For a nil *Namespace, Do calls f.
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

// share locks the namespace against its removal by another Namespace of it. The kernel drops the lock when the handle is
// closed or the process ends.
func (n *Namespace) share() error {
	if err := unix.Flock(int(n.handle), unix.LOCK_SH); err != nil {
		return namespaceError(n.name, "cannot be locked", err)
	}
	return nil
}

// isLast reports whether no other Namespace of it is open, in any process. It keeps others from opening one until the
// handle is closed.
func (n *Namespace) isLast() bool {
	return unix.Flock(int(n.handle), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// isCurrent reports whether the name stands for this namespace still.
func (n *Namespace) isCurrent() bool {
	current, err := netns.GetFromName(n.name)
	if err != nil {
		return false
	}
	defer current.Close()
	return current.Equal(n.handle)
}

// Close lets go of the namespace. It removes the namespace's name if NewNamespace has made the namespace, in this or
// another process, and no other Namespace of it is open: one that a killed process has left is removed, too. The kernel
// keeps the rest of a namespace until its last process, socket and TUN are gone: close devices first. Closing again does
// nothing.
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
		return nil // removed, and perhaps made anew, by another program
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

func checkNamespaceName(name string) error {
	if len(name) <= unix.NAME_MAX && name != "." && name != ".." && !strings.Contains(name, "/") &&
		!strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return nil
	}
	return &Error{Subject: fmt.Sprintf("%q", name), Reason: ErrName, Problem: "no namespace can have this name",
		Advice: fmt.Sprintf("choose one of at most %d octets without white space and '/'", unix.NAME_MAX)}
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
