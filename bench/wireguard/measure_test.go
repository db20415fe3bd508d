package wireguard

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain makes the process that measures of the test's program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// Every workload makes progress, each on one of the stacks and over one of the links.
func TestMeasure(t *testing.T) {
	for i, w := range Workloads {
		stack, link := Stacks[i%len(Stacks)], Links[i/2%len(Links)]
		s, err := Measure(t.Context(), stack, link, w.Name, 300*time.Millisecond)
		if err != nil || s.Rate <= 0 || s.CPU <= 0 || s.Resident < 1e6 {
			t.Errorf("%s, %s, %s: %+v, %v", stack, link, w.Name, s, err)
		}
	}
}

func TestMeasureMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"minitcp memory", "2 arguments"},
		{"other,memory,rr,1s", `no stack has the name "other"`},
		{"minitcp,other,rr,1s", `no link has the name "other"`},
		{"minitcp,memory,other,1s", `no workload has the name "other"`},
		{"minitcp,memory,rr,soon", "soon"},
	} {
		arguments := strings.Split(test.arguments, ",")
		if len(arguments) == 1 {
			arguments = strings.Fields(test.arguments)
		}
		if _, err := measure(arguments); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want an error with %q", test.arguments, err, test.want)
		}
	}
}
