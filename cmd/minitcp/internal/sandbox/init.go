//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init runs as process 1 of a sandbox. Its arguments are those of the subcommand Config.Init. It returns the exit
// status of the program, which the parent ignores: it gets the status by a message.
func Init(args []string) int {
	if len(args) < 3 || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "minitcp: this command is for minitcp itself")
		return 2
	}
	fd, err := strconv.Atoi(args[0])
	if err != nil {
		fmt.Fprintf(os.Stderr, "minitcp: %q is not a descriptor\n", args[0])
		return 2
	}
	unix.CloseOnExec(fd)
	l, err := openLink(fd)
	if err != nil {
		fmt.Fprintf(os.Stderr, "minitcp: %v\n", err)
		return 1
	}
	runtime.LockOSThread() // this thread alone gives up its capabilities
	holdSignals()
	i := &initProcess{link: l, path: args[1], command: args[2:]}
	if err := i.run(); err != nil {
		l.send(notice{Failure: err.Error(), Status: i.failureStatus}, nil)
	}
	l.receive(&order{}) // the parent closes the link, which ends the sandbox
	return 0
}

// holdSignals keeps the signals that the terminal sends to the whole process group from ending this process. A
// signal that is still ignored after the start of Go, SIGHUP or SIGINT, stays ignored, also by the command.
func holdSignals() {
	var held []os.Signal
	for _, s := range caughtSignals {
		if !signal.Ignored(s) {
			held = append(held, s)
		}
	}
	signal.Notify(make(chan os.Signal, 1), held...)
}

// caughtSignals are the signals that end or stop a process by default, and that can be caught.
var caughtSignals = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
	syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGPIPE,
}

// initProcess is the state of Init.
type initProcess struct {
	link          *link
	path          string   // file of the command
	command       []string // with its arguments
	failureStatus int      // exit status in place of the command's
}

func (i *initProcess) run() error {
	var o order
	if _, err := i.link.receive(&o); err != nil || o.Setup == nil {
		os.Exit(1) // the parent has ended
	}
	if err := i.prepare(o.Setup); err != nil {
		return err
	}
	var early []syscall.Signal
	for o = (order{}); !o.Run; {
		o = order{}
		if _, err := i.link.receive(&o); err != nil {
			os.Exit(0) // the parent has ended
		}
		if o.Signal != 0 {
			early = append(early, o.Signal)
		}
	}
	pid, err := i.startCommand()
	if err != nil {
		return err
	}
	for _, s := range early {
		syscall.Kill(pid, s)
	}
	go i.obey(pid)
	return i.await(pid)
}

// prepare makes the network and the mounts, and passes the TUN to the parent.
func (i *initProcess) prepare(s *setup) error {
	if err := makeMountsPrivate(); err != nil {
		return err
	}
	device, err := makeNetwork(s)
	if err != nil {
		return err
	}
	defer device.Close()
	if err := bindResolver(s.ResolvConf); err != nil {
		return err
	}
	file, err := device.File()
	if err != nil {
		return err
	}
	defer file.Close()
	// The kernel removes the device with its namespace, in the background. Otherwise the process that closes the file last
	// would wait for the removal, longer than for everything else in the life of a short command.
	if err := unix.IoctlSetInt(int(file.Fd()), unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("cannot make the TUN persistent: %w", err)
	}
	return i.link.send(notice{Addresses: s.Addresses}, file)
}

// startCommand starts the command without the capabilities that this process has. A file that is no program and has no
// interpreter is a script for the shell, as for execvp(3).
func (i *initProcess) startCommand() (pid int, err error) {
	if err := dropCapabilities(); err != nil {
		return 0, err
	}
	attributes := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}}
	pid, err = syscall.ForkExec(i.path, i.command, attributes)
	if errors.Is(err, syscall.ENOEXEC) {
		pid, err = syscall.ForkExec("/bin/sh", append([]string{"/bin/sh", i.path}, i.command[1:]...), attributes)
	}
	if err != nil {
		i.failureStatus = StatusNotExecutable
		if errors.Is(err, os.ErrNotExist) {
			i.failureStatus = StatusNotFound // the command's interpreter
		}
		return 0, err
	}
	return pid, nil
}

// dropCapabilities makes exec on this thread take the capabilities from a user other than root.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot give up the ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	if err == nil {
		data[0].Inheritable, data[1].Inheritable = 0, 0
		err = unix.Capset(&header, &data[0])
	}
	if err != nil {
		return fmt.Errorf("cannot give up the inheritable capabilities: %w", err)
	}
	return nil
}

// obey sends the signals of the parent's orders to the command. It ends the sandbox when the parent has ended. The
// kernel does so as well, except when the parent ends before this process has begun.
func (i *initProcess) obey(pid int) {
	for {
		var o order
		if _, err := i.link.receive(&o); err != nil {
			os.Exit(0)
		}
		if o.Signal == syscall.SIGCONT {
			if group, err := syscall.Getpgid(pid); err == nil && group > 0 { // a group made inside
				syscall.Kill(-group, syscall.SIGCONT)
				continue
			}
		}
		syscall.Kill(pid, o.Signal)
	}
}

// await reaps processes until the command has ended, and then ends and reaps all others, so that their connections are
// closed.
func (i *initProcess) await(pid int) error {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case ended != pid:
		case status.Stopped():
			i.link.send(notice{Stopped: true}, nil)
		default:
			endOthers()
			return i.link.send(notice{Ended: true, Status: exitStatus(status)}, nil)
		}
	}
}

// endOthers ends all processes of the PID namespace except this one.
func endOthers() {
	syscall.Kill(-1, syscall.SIGKILL)
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}
