//go:build linux

package tun

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// uniqueName returns a name that no other namespace has, and its path. It removes a remaining namespace after the test.
func uniqueName(t *testing.T) (name, path string) {
	t.Helper()
	requireKernel(t)
	name = fmt.Sprintf("minitcp-%s-%d", t.Name(), os.Getpid())
	path = filepath.Join(namespaceDir, name)
	t.Cleanup(func() {
		unix.Unmount(path, unix.MNT_DETACH)
		os.Remove(path)
	})
	return name, path
}

// identity returns a text that differs for every namespace.
func identity(t *testing.T, n *Namespace) (id string) {
	t.Helper()
	inside(t, n, func() (err error) {
		id, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	return id
}

func TestNamedNamespace(t *testing.T) {
	name, path := uniqueName(t)
	made, err := NewNamespace(name)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	if made.Name() != name {
		t.Errorf("the name is %q, want %q", made.Name(), name)
	}
	if lo := links(t, made)["lo"]; lo == nil || lo.RawFlags&unix.IFF_UP == 0 {
		t.Error("the loopback device is not up")
	}

	found, err := NewNamespace(name)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := identity(t, made), identity(t, found); a != b {
		t.Errorf("found %s, made %s", b, a)
	}
	if err := found.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("removed while another Namespace of it is open: %v", err)
	}

	if err := errors.Join(made.Close(), made.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name is still there: %v", err)
	}
	if err := made.Do(func() error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Do after Close: %v", err)
	}
}

// TestNamespaceEndsWithTheLast checks that two users of a namespace that minitcp has made do not remove it from each
// other, in whatever order they close it, and that the last removes it.
func TestNamespaceEndsWithTheLast(t *testing.T) {
	name, path := uniqueName(t)
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			var users [3]*Namespace
			for i := range users {
				n, err := NewNamespace(name)
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				users[i] = n
			}
			for i, n := range order {
				if _, err := os.Stat(path); err != nil {
					t.Errorf("the name is gone after %d of 3 were closed: %v", i, err)
				}
				if err := users[n].Close(); err != nil {
					t.Error(err)
				}
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the name is still there after all were closed: %v", err)
			}
		})
	}
}

// TestNamespaceClosedByManyAtOnce checks that the name is gone when the last of many that close at once has closed, and
// that NewNamespace never returns one whose name another removes.
func TestNamespaceClosedByManyAtOnce(t *testing.T) {
	name, path := uniqueName(t)
	for range 20 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				n, err := NewNamespace(name)
				if errors.Is(err, ErrNamespace) {
					return // the name exists before the namespace is mounted on it
				}
				if err != nil {
					t.Error(err)
					return
				}
				if !n.isCurrent() {
					t.Error("the name of an open Namespace is gone")
				}
				if err := n.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("the name is still there: %v", err)
		}
	}
}

// TestForeignNamespaceStays checks that Close leaves a namespace alone that another program has made.
func TestForeignNamespaceStays(t *testing.T) {
	name, path := uniqueName(t)
	err := onThread(func() error {
		handle, err := netns.New()
		if err != nil {
			return err
		}
		defer handle.Close()
		return bindName(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNamespace(name)
	if err != nil {
		t.Fatal(err)
	}
	if n.owned {
		t.Error("the Namespace counts as made by minitcp")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the name is gone: %v", err)
	}
}

// TestNamespaceReplacedByAnotherProgram checks that Close leaves a namespace alone that has taken the name of the one
// that NewNamespace made.
func TestNamespaceReplacedByAnotherProgram(t *testing.T) {
	name, path := uniqueName(t)
	first, err := NewNamespace(name)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := errors.Join(unix.Unmount(path, unix.MNT_DETACH), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	second, err := NewNamespace(name)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("Close removed another namespace")
	}
	if err := errors.Join(unix.Unmount(path, unix.MNT_DETACH), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Errorf("Close of a namespace without its name: %v", err)
	}
}

func TestNamespaceMadeByManyAtOnce(t *testing.T) {
	name, path := uniqueName(t)
	var all [8]*Namespace
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			n, err := NewNamespace(name)
			if err == nil {
				all[i] = n
				return
			}
			// The name exists a moment before the namespace is mounted on it.
			if !errors.Is(err, ErrNamespace) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	made := make(map[string]bool)
	for _, n := range all {
		if n == nil {
			continue
		}
		made[identity(t, n)] = true
		defer n.Close()
	}
	if len(made) != 1 {
		t.Errorf("%d namespaces made, want one", len(made))
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestAnonymousNamespaces(t *testing.T) {
	a, b := newNamespace(t), newNamespace(t)
	if a.Name() != "" {
		t.Errorf("the name is %q, want none", a.Name())
	}
	here := identity(t, nil)
	if x, y := identity(t, a), identity(t, b); x == y || x == here {
		t.Errorf("namespaces %s and %s in %s", x, y, here)
	}
}

// TestDoRestoresThreads checks that no thread stays in a namespace after Do.
func TestDoRestoresThreads(t *testing.T) {
	n := newNamespace(t)
	here := identity(t, nil)
	there := identity(t, n)
	failure := errors.New("failure")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				err := n.Do(func() error {
					if at := identity(t, nil); at != there { // nil: this very thread
						t.Errorf("Do ran in %s, want %s", at, there)
					}
					// A Do within Do returns to the same namespace.
					return n.Do(func() error { return failure })
				})
				if err != failure {
					t.Errorf("Do returned %v", err)
				}
			}
		})
	}
	wg.Wait()
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, thread := range threads {
		at, err := os.Readlink(thread)
		if err == nil && at != here { // a thread may have ended
			t.Errorf("%s is in %s, want %s", thread, at, here)
		}
	}
}

// TestDoPropagatesGoexit checks that runtime.Goexit, as in t.FailNow, within Do ends the caller too.
func TestDoPropagatesGoexit(t *testing.T) {
	n := newNamespace(t)
	returned, done := false, make(chan struct{})
	go func() {
		defer close(done)
		n.Do(func() error {
			runtime.Goexit()
			return nil
		})
		returned = true
	}()
	<-done
	if returned {
		t.Error("Do returned")
	}
}

func TestNamespaceRefuses(t *testing.T) {
	for _, name := range []string{".", "..", "a/b", "/run/netns/x", "a b", "a\n", "a\x00", strings.Repeat("x", 256)} {
		n, err := NewNamespace(name)
		if n != nil {
			n.Close()
			t.Fatalf("made %q", name)
		}
		checkError(t, err, ErrName, "choose one")
	}
	name, path := uniqueName(t)
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := NewNamespace(name)
	if n != nil {
		n.Close()
	}
	checkError(t, err, ErrNamespace, "ip netns delete "+name)
}

func TestNamespaceWithoutPrivilege(t *testing.T) {
	n := newNamespace(t)
	unprivileged(t, func() {
		// NewNamespace uses another thread, which has the privilege here.
		checkError(t, n.enter(), ErrPermission, "run as root")
		checkError(t, namespaceError("x", "cannot be made", unix.Unshare(unix.CLONE_NEWNET)), ErrPermission, "CAP_SYS_ADMIN")
	})
	checkError(t, namespaceError("x", "cannot be named", unix.EROFS), ErrNamespace, "without a name")
}
