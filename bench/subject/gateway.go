//go:build linux

package subject

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"minitcp/tun"
)

// Gateways are programs between a client and a server of Paths, as they are shipped. The process under test runs the
// program as a child, in its own network namespace, with a TUN in the client's. The figures are the child's alone. A
// SOCKS5 proxy, which all programs share, runs in the process under test.
var Gateways = []Target{
	{Name: "minitcp-direct", Role: RoleForwarder, start: startGateway(minitcpGateway, false),
		Summary: "minitcp gateway, which connects to the server itself"},
	{Name: "tun2socks-direct", Role: RoleForwarder, start: startGateway(tun2socksGateway, false),
		Summary: "tun2socks v2.6.0, likewise"},
	{Name: "minitcp-socks5", Role: RoleForwarder, start: startGateway(minitcpGateway, true),
		Summary: "minitcp gateway through a SOCKS5 proxy"},
	{Name: "tun2socks-socks5", Role: RoleForwarder, start: startGateway(tun2socksGateway, true),
		Summary: "tun2socks v2.6.0, likewise"},
	{Name: Routed, Role: RoleRouted, Summary: "no gateway: the kernel routes between two veth pairs"},
}

// The environment of a process under test with a gateway.
const (
	GatewayPrograms = "MINITCP_BENCH_PROGRAMS" // directory of the programs minitcp and tun2socks
	GatewayMTU      = "MINITCP_BENCH_MTU"      // of the TUN
)

// gatewayProgram returns a TUN, made in the network namespace of the calling thread, and the command for a child with
// it as descriptor 3. Proxy is the address of the SOCKS5 proxy, "" for none.
type gatewayProgram func(mtu int, proxy string) (*os.File, *exec.Cmd, error)

func minitcpGateway(mtu int, proxy string) (*os.File, *exec.Cmd, error) {
	device, err := tun.Open(tun.Config{Name: deviceName, MTU: mtu, HostAddresses: []netip.Prefix{ClientAddress}})
	if err != nil {
		return nil, nil, err
	}
	defer device.Close() // the file keeps it
	file, err := device.File()
	arguments := []string{"gateway", "--tun-fd", "3", "--address", ServerAddress.String(), "--api", "off"}
	if proxy != "" {
		arguments = append(arguments, "--via", "socks5://"+proxy)
	}
	return file, exec.Command(filepath.Join(os.Getenv(GatewayPrograms), "minitcp"), arguments...), err
}

func tun2socksGateway(mtu int, proxy string) (*os.File, *exec.Cmd, error) {
	fd, err := openTUN(0)
	if err != nil {
		return nil, nil, err
	}
	if err := configureTUN(queueLength); err != nil {
		return nil, nil, err
	}
	link, err := netlink.LinkByName(deviceName)
	if err == nil {
		err = netlink.LinkSetMTU(link, mtu)
	}
	way := "direct://"
	if proxy != "" {
		way = "socks5://" + proxy
	}
	return os.NewFile(uintptr(fd), deviceName), exec.Command(filepath.Join(os.Getenv(GatewayPrograms), "tun2socks"),
		"-device", "fd://3", "-mtu", strconv.Itoa(mtu), "-proxy", way, "-loglevel", "error"), err
}

// startGateway returns the function of a Target.
func startGateway(program gatewayProgram, viaProxy bool) func(*services) error {
	return func(s *services) error {
		mtu, err := strconv.Atoi(os.Getenv(GatewayMTU))
		if err != nil {
			return fmt.Errorf("%s: %w", GatewayMTU, err)
		}
		proxy := ""
		if viaProxy {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			go serveSOCKS(l)
			proxy = l.Addr().String()
		}
		var file *os.File
		var command *exec.Cmd
		if err := inClient(func() (err error) { file, command, err = program(mtu, proxy); return err }); err != nil {
			return err
		}
		command.ExtraFiles = []*os.File{file}
		defer file.Close()
		return s.runChild(command)
	}
}

// inClient calls f on a thread in the client's network namespace.
func inClient(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		err := netns.Set(netns.NsHandle(clientNamespace))
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// runChild starts the child, which ends with this process.
func (s *services) runChild(command *exec.Cmd) error {
	command.Stderr = os.Stderr
	command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the signal is sent at the end of the thread
		err := command.Start()
		started <- err
		if err == nil {
			s.fail("the gateway has ended: %v", command.Wait())
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.child = command.Process.Pid
	return nil
}

// childCPU returns the user and system time of a process (proc_pid_stat(5)).
func childCPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	const userTime, perSecond = 11, 100 // of the fields after the name; USER_HZ
	_, rest, _ := bytes.Cut(text, []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < userTime+2 {
		return 0, errors.New("/proc/PID/stat has too few fields")
	}
	user, err := strconv.ParseInt(fields[userTime], 10, 64)
	system, errSystem := strconv.ParseInt(fields[userTime+1], 10, 64)
	return time.Duration(user+system) * time.Second / perSecond, errors.Join(err, errSystem)
}
