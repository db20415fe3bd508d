//go:build linux

package subject

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netns"
)

// Sandboxes are programs that connect a network namespace with the one that they run in, by sockets: minitcp run makes
// the namespace, and the others attach to the client's. Each has its own default of the MTU.
var Sandboxes = []Target{
	{Name: "minitcp-run", Role: RoleForwarder, Runs: true, start: startGateway(minitcpRun, false),
		Summary: "minitcp run, with an MTU of 1500 and superframes"},
	{Name: Pasta, Role: RoleForwarder, Runs: true, Program: "pasta", Package: "passt", start: startGateway(pastaProgram, false),
		Summary: "Debian's pasta, with an MTU of 65520, its default"},
	{Name: Slirp, Role: RoleForwarder, Program: "slirp4netns", Package: "slirp4netns", start: startGateway(slirpProgram, false),
		Summary: "Debian's slirp4netns, with an MTU of 65520, which its manual recommends"},
	{Name: Routed, Role: RoleRouted, Summary: "no program: the kernel routes between two veth pairs"},
}

// Names of Sandboxes.
const Pasta, Slirp = "pasta", "slirp4netns"

// placeholder is the command that minitcp run runs. It ends with its standard input.
const placeholder = "cat"

func minitcpRun(s *services, _ string) (*gateway, error) {
	line := func(command string) *exec.Cmd {
		return exec.Command(program("minitcp"), "run", "--api", "off", "--mtu", strconv.Itoa(s.mtuOr(mtu)), "--", command)
	}
	s.trueLine = func() *exec.Cmd { return line("true") }
	g := &gateway{command: line(placeholder), find: func(pid int) (int, error) { return findCommand(pid, placeholder) }}
	_, err := g.command.StdinPipe() // open as long as this process
	return g, err
}

// findCommand waits until a process has a descendant of that name, and returns the descendant.
func findCommand(pid int, name string) (int, error) {
	for deadline := time.Now().Add(readyTime); time.Now().Before(deadline); time.Sleep(readyPause) {
		for _, p := range descendants(pid) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p))
			if err == nil && strings.TrimSpace(string(text)) == name {
				return p, nil
			}
		}
	}
	return 0, fmt.Errorf("process %d does not run %s within %v", pid, name, readyTime)
}

// descendants returns the children of a process, their children, and so on (proc_pid_children(5)).
func descendants(pid int) (all []int) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}

// The namespaces of processes that attach to the client's.
const attachedNamespace = "/proc/self/fd/3"

func pastaProgram(s *services, _ string) (*gateway, error) {
	line := func(arguments ...string) *exec.Cmd {
		// Root is another user without --runas, and has no right to the client's namespace then. The address of the gateway
		// is the server's here, not the loopback address.
		all := []string{"--runas", "0", "--config-net", "--no-map-gw", "--quiet", "-t", "none", "-u", "none", "-T", "none", "-U", "none"}
		if s.mtu != 0 {
			all = append(all, "--mtu", strconv.Itoa(s.mtu))
		}
		return exec.Command(Pasta, append(all, arguments...)...)
	}
	s.trueLine = func() *exec.Cmd { return line("--", "true") }
	return attached(line("--foreground", "--netns", attachedNamespace))
}

func slirpProgram(s *services, _ string) (*gateway, error) {
	const largest = 65520
	return attached(exec.Command(Slirp, "--configure", "--mtu", strconv.Itoa(s.mtuOr(largest)), "--netns-type=path", attachedNamespace, deviceName))
}

// attached returns a gateway whose descriptor 3 is the client's namespace.
func attached(command *exec.Cmd) (*gateway, error) {
	g := &gateway{command: command}
	return g, client{}.Do(func() error {
		handle, err := netns.Get()
		if err != nil {
			return errors.Join(errors.New("the client's namespace"), err)
		}
		g.file = os.NewFile(uintptr(handle), attachedNamespace)
		return nil
	})
}
