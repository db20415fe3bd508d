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
	"golang.org/x/sys/unix"

	"minitcp/cmd/minitcp/proxytest"
	"minitcp/tun"
)

// Gateways are programs between a client and a server of Paths, as they are shipped. The process under test runs the
// program as a child, in its own network namespace, with a TUN in the client's. The figures are the child's alone. A
// SOCKS5 proxy, which all programs share, runs in the process under test.
var Gateways = []Target{
	{Name: "minitcp-direct", Role: RoleForwarder, start: startGateway(minitcpGateway("--api", "off"), false),
		Summary: "minitcp gateway, which connects to the server itself"},
	{Name: "tun2socks-direct", Role: RoleForwarder, start: startGateway(tun2socksGateway, false),
		Summary: "tun2socks v2.6.0, likewise"},
	{Name: "minitcp-socks5", Role: RoleForwarder, start: startGateway(minitcpGateway("--api", "off"), true),
		Summary: "minitcp gateway through a SOCKS5 proxy"},
	{Name: "tun2socks-socks5", Role: RoleForwarder, start: startGateway(tun2socksGateway, true),
		Summary: "tun2socks v2.6.0, likewise"},
	{Name: Routed, Role: RoleRouted, Summary: "no gateway: the kernel routes between two veth pairs"},
}

// emulatedPrefix begins the names of the targets of Emulated.
const emulatedPrefix = "emulated "

// Emulated returns minitcp gateway with an emulated link, given the flags of the link.
func Emulated(flags string) Target {
	return Target{Name: emulatedPrefix + flags, Role: RoleForwarder,
		start: startGateway(minitcpGateway(append([]string{"--api", "off"}, strings.Fields(flags)...)...), false)}
}

// GatewayPrograms is the variable in the environment of a process under test with the directory of the programs minitcp
// and tun2socks.
const GatewayPrograms = "MINITCP_BENCH_PROGRAMS"

// gateway is a program between the client's network namespace and its own.
type gateway struct {
	command *exec.Cmd
	file    *os.File // descriptor 3 of the child
	// find waits for the namespace that the program makes for its clients, and returns a process in it. It is nil if the
	// program uses the client's namespace.
	find func(pid int) (inside int, err error)
}

// gatewayProgram makes the device, unless the program does that itself, and the command of a child. Proxy is the
// address of the SOCKS5 proxy, "" for none.
type gatewayProgram func(s *services, proxy string) (*gateway, error)

func program(name string) string { return filepath.Join(os.Getenv(GatewayPrograms), name) }

// mtuOr returns the MTU of the device.
func (s *services) mtuOr(standard int) int {
	if s.mtu == 0 {
		return standard
	}
	return s.mtu
}

func minitcpGateway(flags ...string) gatewayProgram {
	return func(s *services, proxy string) (*gateway, error) {
		arguments := append([]string{"gateway", "--tun-fd", "3", "--address", ServerAddress.String()}, flags...)
		if proxy != "" {
			arguments = append(arguments, "--via", "socks5://"+proxy)
		}
		g := &gateway{command: exec.Command(program("minitcp"), arguments...)}
		return g, client{}.Do(func() error {
			device, err := tun.Open(tun.Config{Name: deviceName, MTU: s.mtuOr(mtu), HostAddresses: []netip.Prefix{ClientAddress}})
			if err != nil {
				return err
			}
			defer device.Close() // the file keeps it
			if g.file, err = device.File(); err != nil {
				return err
			}
			return RouteClient()
		})
	}
}

func tun2socksGateway(s *services, proxy string) (*gateway, error) {
	way := "direct://"
	if proxy != "" {
		way = "socks5://" + proxy
	}
	size := s.mtuOr(mtu)
	g := &gateway{command: exec.Command(program("tun2socks"), "-device", "fd://3", "-mtu", strconv.Itoa(size), "-proxy", way, "-loglevel", "error")}
	return g, client{}.Do(func() error {
		fd, err := openTUN(0)
		if err != nil {
			return err
		}
		g.file = os.NewFile(uintptr(fd), deviceName)
		if err := configureTUN(queueLength); err != nil {
			return err
		}
		link, err := netlink.LinkByName(deviceName)
		if err == nil {
			err = netlink.LinkSetMTU(link, size)
		}
		if err != nil {
			return err
		}
		return RouteClient()
	})
}

// startGateway returns the function of a Target.
func startGateway(program gatewayProgram, viaProxy bool) func(*services) error {
	return func(s *services) error {
		proxy := ""
		if viaProxy {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			go (&proxytest.Proxy{Dial: net.Dial, ListenPacket: net.ListenPacket}).ServeSOCKS(l)
			proxy = l.Addr().String()
		}
		g, err := program(s, proxy)
		if err != nil {
			return err
		}
		if g.file != nil {
			g.command.ExtraFiles = []*os.File{g.file}
			defer g.file.Close()
		}
		return s.runChild(g)
	}
}

// runChild starts the child, which ends with this process, and waits until it forwards.
func (s *services) runChild(g *gateway) error {
	g.command.Stderr = os.Stderr
	g.command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	begin := time.Now()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the signal is sent at the end of the thread
		err := g.command.Start()
		started <- err
		if err == nil {
			s.fail("the gateway has ended: %v", g.command.Wait())
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.child = g.command.Process.Pid
	var where Place = client{}
	if g.find != nil {
		var err error
		if s.inside, err = g.find(s.child); err != nil {
			return err
		}
		where = Inside(s.inside)
	}
	if err := where.Do(s.awaitForwarding); err != nil {
		return err
	}
	s.ready = time.Since(begin)
	return nil
}

const (
	// readyTime is the time in which a gateway must forward.
	readyTime = 10 * time.Second
	// readyPause is the time between datagrams until it does.
	readyPause = 2 * time.Millisecond
)

// awaitForwarding sends datagrams to the server until one comes back. The first one waits in the TUN for a gateway that
// is not ready, if there is a TUN.
func (s *services) awaitForwarding() error {
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(KernelAddress.Addr(), PortEcho))
	var last error
	for deadline := time.Now().Add(readyTime); time.Now().Before(deadline); {
		c, err := net.DialUDP("udp4", nil, to) // without a route it fails
		if err != nil {
			last = err
			time.Sleep(readyPause)
			continue
		}
		last = awaitEcho(c, deadline)
		c.Close()
		if last == nil {
			return nil
		}
	}
	return fmt.Errorf("the gateway does not forward within %v: %w", readyTime, errors.Join(last, s.failed()))
}

// awaitEcho returns nil when a datagram comes back.
func awaitEcho(c *net.UDPConn, deadline time.Time) error {
	var b [1]byte
	for time.Now().Before(deadline) {
		if _, err := c.Write(b[:]); err != nil {
			time.Sleep(readyPause)
			return err
		}
		c.SetReadDeadline(time.Now().Add(readyPause))
		switch _, err := c.Read(b[:]); {
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			time.Sleep(readyPause)
		}
	}
	return os.ErrDeadlineExceeded
}

// runTrue runs a command that does nothing, and returns the time that it takes.
func (s *services) runTrue() (time.Duration, error) {
	if s.trueLine == nil {
		return 0, errors.New("the target does not run commands")
	}
	command := s.trueLine()
	late := time.AfterFunc(readyTime, func() { command.Process.Kill() })
	defer late.Stop()
	begin := time.Now()
	out, err := command.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%v: %w: %s", command, err, out)
	}
	return time.Since(begin), nil
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
