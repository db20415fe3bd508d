//go:build linux

package tun

import (
	"runtime"

	"github.com/vishvananda/netns"
)

// onThread runs f on an operating system thread that f may move to another network namespace, and waits for it. Before
// Go reuses the thread, onThread moves it back. If that fails, the thread stays locked, which makes Go destroy it.
func onThread(f func() error) (err error) {
	done := make(chan struct{})
	returned := false
	go func() {
		defer close(done)
		runtime.LockOSThread()
		home, homeErr := netns.Get()
		if homeErr != nil {
			runtime.UnlockOSThread()
			err, returned = homeErr, true
			return
		}
		defer home.Close()
		defer func() {
			if isIn(home) || netns.Set(home) == nil {
				runtime.UnlockOSThread()
			}
		}()
		err = f()
		returned = true
	}()
	<-done
	if !returned {
		runtime.Goexit() // as f has, for instance with t.FailNow
	}
	return err
}

// isIn reports whether this thread is in the namespace home. It saves a call of netns.Set, which needs a privilege even
// if the namespace does not change.
func isIn(home netns.NsHandle) bool {
	here, err := netns.Get()
	if err != nil {
		return false
	}
	defer here.Close()
	return here.Equal(home)
}
