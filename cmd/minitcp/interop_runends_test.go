//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/tun"
)

// A command gets the signals that run receives, and run ends as the command does.
func TestRunSignals(t *testing.T) {
	h := newRunHost(t)
	for _, user := range runUsers {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
			t.Run(user.name+" "+s.String(), func(t *testing.T) {
				handling := fmt.Sprintf(`trap 'echo caught; exit 5' %d; echo ready; while :; do sleep 0.01; done`, s)
				p := start(t, h.runDetached(t, user.user, "--", "sh", "-c", handling))
				p.awaitOut("ready")
				if status := p.signal(s); status != 5 || !strings.HasSuffix(p.out.String(), "caught\n") {
					t.Errorf("status %d, %q", status, p.out.String())
				}
				p = start(t, h.runDetached(t, user.user, "--", "sh", "-c", "echo ready; exec sleep 1000"))
				p.awaitOut("ready")
				if status := p.signal(s); status != 128+int(s) {
					t.Errorf("status %d, want %d", status, 128+s)
				}
			})
		}
	}
}

// A signal during the start ends run and the command, at any moment.
func TestRunSignalEarly(t *testing.T) {
	h := newRunHost(t)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 40 {
		user := runUsers[i%len(runUsers)]
		mark := fmt.Sprintf("%d.%d", 200000+os.Getpid(), i)
		p := start(t, h.runDetached(t, user.user, "--", "sleep", mark))
		delay := time.Duration(random.IntN(60)) * time.Millisecond // the start takes about as long
		<-time.After(delay)
		const byDefault = -1 // run itself, before it forwards signals
		if status := p.signal(syscall.SIGTERM); status != byDefault && status != 128+int(syscall.SIGTERM) {
			t.Errorf("round %d, SIGTERM after %v: status %d, %s", i, delay, status, p.err.String())
		}
		until(t, "every process ends", func() bool { return len(processesWith(t, mark)) == 0 })
	}
}

// runDetached acts like run in a session without a terminal. The test may have one.
func (h *runHost) runDetached(t *testing.T, user string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := h.run(t, user, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// processState returns the state of a process as a letter of proc(5), "" if there is none.
func processState(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(b, []byte(") "))
	return string(rest[:min(1, len(rest))])
}

// SIGTSTP stops the command and run. SIGCONT continues both.
func TestRunStops(t *testing.T) {
	h := newRunHost(t)
	for _, user := range runUsers {
		p := start(t, h.runInGroup(t, user.user, "--", "sh", "-c", "echo ready; read line; echo $line"))
		stdin, err := os.OpenFile(filepath.Join(filepath.Dir(h.self), "stdin"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		p.awaitOut("ready")
		pid := p.cmd.Process.Pid
		syscall.Kill(pid, syscall.SIGTSTP)
		until(t, "run stops", func() bool { return processState(pid) == "T" })
		command := processesWith(t, "read line")
		for _, c := range command {
			if c != pid && processState(c) != "T" && !strings.Contains(commandLine(c), sandboxInit) {
				t.Errorf("process %d (%q) has the state %s", c, commandLine(c), processState(c))
			}
		}
		syscall.Kill(pid, syscall.SIGCONT)
		io.WriteString(stdin, "continued\n")
		if status := p.wait(); status != 0 || !strings.HasSuffix(p.out.String(), "continued\n") {
			t.Errorf("status %d, %q", status, p.out.String())
		}
	}
}

// runInGroup acts like run in a process group of its own, which is not an orphan, so that SIGTSTP stops its processes.
// Its standard input is a FIFO named stdin.
func (h *runHost) runInGroup(t *testing.T, user string, args ...string) *exec.Cmd {
	t.Helper()
	fifo := filepath.Join(filepath.Dir(h.self), "stdin")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	stdin, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	cmd := h.run(t, user, args...)
	cmd.Stdin = stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// commandLine returns the arguments of a process, each with a space after it.
func commandLine(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(b), "\x00", " ")
}

// processesWith returns the processes, zombies excepted, whose command line contains text.
func processesWith(t *testing.T, text string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && strings.Contains(commandLine(pid), text) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// terminal is a pseudo terminal with a shell with job control.
type terminal struct {
	t      *testing.T
	master *os.File
	out    transcript
	shell  *exec.Cmd
}

// newTerminal starts a shell of a user in the namespace of the host, on a terminal of its own.
func (h *runHost) newTerminal(t *testing.T, user string) *terminal {
	t.Helper()
	requirePrograms(t, map[string]string{"bash": "bash"})
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	var number int
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		number, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	})
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	if err := slave.Chmod(0o666); err != nil {
		t.Fatal(err)
	}
	tt := &terminal{t: t, master: master}
	cmd := h.run(t, user)
	i := len(cmd.Args) - 2 // self and "run"
	cmd.Args = append(cmd.Args[:i], "bash", "--norc", "--noprofile", "-i")
	cmd.Env = append(cmd.Env, "PS1=prompt> ", "MINITCP="+h.self, "TERM=dumb", "HISTFILE=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tt.shell = cmd
	go io.Copy(&tt.out, master)
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the terminal shows:\n%s", tt.out.String())
		}
	})
	return tt
}

// enter types text and waits until the terminal shows want after it.
func (tt *terminal) enter(text, want string) {
	tt.t.Helper()
	before := len(tt.out.String())
	io.WriteString(tt.master, text)
	until(tt.t, fmt.Sprintf("%q makes the terminal show %q", text, want), func() bool {
		return strings.Contains(tt.out.String()[before:], want)
	})
}

// A command in a terminal has job control, the terminal's signals once each, and its size.
func TestRunTerminal(t *testing.T) {
	h := newRunHost(t)
	for _, user := range runUsers {
		t.Run(user.name, func(t *testing.T) {
			tt := h.newTerminal(t, user.user)
			tt.enter("echo be''gin\n", "begin")
			tt.enter("stty -echo; echo qui''et\n", "quiet")
			// ^Z stops both, fg continues them, and the terminal still belongs to the command.
			tt.enter("$MINITCP run -- cat\n", "")
			tt.enter("one\n", "one")
			tt.enter("\x1a", "Stopped")
			tt.enter("echo sta''tus\n", "status")
			tt.enter("fg\n", "run -- cat")
			tt.enter("two\n", "two")
			tt.enter("\x03", "prompt>")
			tt.enter("echo status=$?\n", "status=130")
			// In the background, reading from the terminal stops it.
			tt.enter("$MINITCP run -- cat &\n", "[1]")
			until(t, "the job stops", func() bool {
				before := len(tt.out.String())
				tt.enter("jobs; echo li''sted\n", "listed")
				return strings.Contains(tt.out.String()[before:], "Stopped")
			})
			tt.enter("fg\n", "run -- cat")
			tt.enter("three\n", "three")
			tt.enter("\x04", "prompt>")
			tt.enter("echo status=$?\n", "status=0")
			// Each ^C is one signal to the command. It shows the number after the trap, because bash loses a signal during it.
			tt.enter(`$MINITCP run -- bash -c 'n=0; m=0; trap "n=\$((n+1))" INT; echo ready; while [ $n -lt 3 ]; do sleep 0.01; k=$n; [ $k = $m ] || echo n=$k; m=$k; done; sleep 0.2; echo end n=$n'`+"\n", "ready")
			tt.enter("\x03", "n=1")
			tt.enter("\x03", "n=2")
			tt.enter("\x03", "end n=3")
			// The size of the terminal, and its change.
			tt.enter(`$MINITCP run -- bash -c 'trap "stty size" WINCH; trap "exit 4" INT; stty size; while sleep 0.01; do :; done'`+"\n", "0 0")
			raw, err := tt.master.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) { unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77}) })
			tt.enter("", "33 77")
			tt.enter("\x03", "prompt>")
			// A shell inside has job control of its own.
			tt.enter("$MINITCP run -- bash --norc --noprofile -i\n", "prompt>")
			tt.enter("cat\n", "")
			tt.enter("four\n", "four")
			tt.enter("\x1a", "Stopped")
			tt.enter("kill -KILL %1; wait %1; echo en''ded\n", "ended")
			tt.enter("exit 9\n", "prompt>")
			tt.enter("echo status=$?\n", "status=9")
		})
	}
}

// After kill -9 of run or of process 1 inside, at any moment, nothing is left: no process, and with the processes no
// namespace, mount or device.
func TestRunKilled(t *testing.T) {
	h := newRunHost(t)
	const rounds = 50
	random := rand.New(rand.NewPCG(1, 2))
	for i := range rounds {
		user := runUsers[i%len(runUsers)]
		mark := fmt.Sprintf("%d.%d", 100000+os.Getpid(), i)
		p := start(t, h.run(t, user.user, "--publish", "8080:80", "--", "sh", "-c", "sleep "+mark+" & exec sleep "+mark))
		delay := time.Duration(random.IntN(60)) * time.Millisecond // the start takes about as long
		<-time.After(delay)
		victim := p.cmd.Process.Pid
		for _, pid := range processesWith(t, mark) {
			if strings.Contains(commandLine(pid), sandboxInit) && i/len(runUsers)%2 == 1 {
				victim = pid
			}
		}
		syscall.Kill(victim, syscall.SIGKILL)
		p.wait()
		until(t, fmt.Sprintf("round %d, kill -9 of %d after %v: every process ends", i, victim, delay), func() bool {
			return len(processesWith(t, mark)) == 0
		})
	}
	if listens(t, h.Namespace, 8080) {
		t.Error("a published port is still open")
	}
	if mounts := readFile(t, "/proc/self/mountinfo"); strings.Contains(mounts, "resolv.conf") {
		t.Errorf("a mount is left:\n%s", mounts)
	}
}

// BenchmarkRun measures run from its start to its end, with a command that does nothing.
func BenchmarkRun(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("NOT MEASURED: this benchmark needs root")
	}
	namespace, err := tun.NewNamespace(newName())
	if err != nil {
		b.Fatal(err)
	}
	defer namespace.Close()
	self := filepath.Join(b.TempDir(), "minitcp")
	if out, err := exec.Command("go", "build", "-o", self, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for b.Loop() {
		if err := namespace.Do(exec.Command(self, "run", "--", "true").Run); err != nil {
			b.Fatal(err)
		}
	}
}
