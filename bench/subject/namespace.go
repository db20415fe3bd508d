//go:build linux

package subject

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Place is a network namespace. Do runs f on a thread in it.
type Place interface{ Do(f func() error) error }

// Here is the network namespace of the calling thread.
type Here struct{}

// Do implements [Place].
func (Here) Do(f func() error) error { return f() }

// Inside is the network namespace of the process with this ID.
type Inside int

// Do implements [Place].
func (p Inside) Do(f func() error) error {
	handle, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/ns/net", int(p)))
	if err != nil {
		return fmt.Errorf("the network namespace of process %d: %w", int(p), err)
	}
	defer handle.Close()
	return inNamespace(handle, f)
}

// clientNamespace is the descriptor of the client's network namespace in a forwarder's process.
const clientNamespace = 3

// client implements [Place] in a forwarder's process.
type client struct{}

func (client) Do(f func() error) error { return inNamespace(clientNamespace, f) }

func inNamespace(handle netns.NsHandle, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		err := netns.Set(handle)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// RouteClient routes the packets of the client's namespace, which the calling thread is in, to the forwarder.
func RouteClient() error {
	if err := netlink.RouteAdd(&netlink.Route{Gw: ServerAddress.Addr().AsSlice()}); err != nil {
		return fmt.Errorf("the route to the forwarder: %w", err)
	}
	return nil
}
