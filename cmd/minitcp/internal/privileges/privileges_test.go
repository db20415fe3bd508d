//go:build linux

package privileges

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"minitcp/cmd/minitcp/internal/testenv"
)

// asKeeper in the environment makes the test binary call Keep with the capabilities that it lists, print the state of
// each of its threads, and run cat.
const asKeeper = "MINITCP_TEST_KEEP"

func TestMain(m *testing.M) {
	if list, ok := os.LookupEnv(asKeeper); ok {
		keepAndPrint(list)
		return
	}
	os.Exit(m.Run())
}

func keepAndPrint(list string) {
	var capabilities []int
	for text := range strings.FieldsSeq(list) {
		c, _ := strconv.Atoi(text)
		capabilities = append(capabilities, c)
	}
	var started sync.WaitGroup
	for range 5 {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			started.Done()
			select {}
		}()
	}
	started.Wait()
	if err := Keep(capabilities...); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	threads, _ := filepath.Glob("/proc/self/task/*/status")
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		fmt.Print(string(text))
	}
	out, err := exec.Command("cat", "/proc/self/status").Output()
	fmt.Print(string(out))
	if err != nil {
		fmt.Println(err)
	}
}

// Every thread has the capabilities that are kept and no others, and so has a program that the process runs.
func TestKeep(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.NotTested(t, "root")
	}
	const netAdmin, netRaw = "0000000000001000", "0000000000002000"
	for _, test := range []struct {
		name, list string
		cmd        *syscall.SysProcAttr
		permitted  string
	}{
		{"none", "", nil, "0000000000000000"},
		{"one", fmt.Sprint(unix.CAP_NET_RAW), nil, netRaw},
		{"another user", fmt.Sprint(unix.CAP_NET_RAW), &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "0000000000000000"},
		{"ambient", "", &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
			AmbientCaps: []uintptr{unix.CAP_NET_ADMIN},
		}, "0000000000000000"},
		{"kept of ambient", fmt.Sprint(unix.CAP_NET_ADMIN), &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
			AmbientCaps: []uintptr{unix.CAP_NET_ADMIN},
		}, netAdmin},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), asKeeper+"="+test.list)
			cmd.SysProcAttr = test.cmd
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			fields := make(map[string][]string)
			for line := range strings.Lines(string(out)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
				fields[name] = append(fields[name], value)
			}
			checkThreads(t, fields, test.permitted, test.cmd == nil)
		})
	}
}

// checkThreads checks the fields of the threads' status. The last one is that of another program, which keeps its
// capabilities if it runs as root.
func checkThreads(t *testing.T, fields map[string][]string, permitted string, root bool) {
	t.Helper()
	const none = "0000000000000000"
	for name, want := range map[string]string{
		"CapEff": permitted, "CapPrm": permitted, "CapInh": none, "CapAmb": none, "NoNewPrivs": "1",
	} {
		got := fields[name]
		if len(got) < 7 {
			t.Fatalf("%s of %d threads, want 7: %v", name, len(got), fields)
		}
		for i, value := range got {
			if i == len(got)-1 && !root && strings.HasPrefix(name, "Cap") {
				want = none
			}
			if value != want {
				t.Errorf("%s of thread %d of %d is %s, want %s", name, i, len(got), value, want)
			}
		}
	}
}
