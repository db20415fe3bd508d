package conn

import (
	"fmt"
	"testing"
)

// Every exported constant has a name, and a value that is none has "unknown".
func TestNames(t *testing.T) {
	for value, want := range map[fmt.Stringer]string{
		NoDelay: "no delay", Nagle: "Nagle", Nagle + 1: "unknown",
		Enabled: "enabled", Disabled: "disabled", Disabled + 1: "unknown",
		ICMPSoft: "soft", ICMPHard: "hard", ICMPTooBig: "too big", ICMPTooBig + 1: "unknown",
		ListenOpen: "open", ListenReset: "reset", ListenDropReset: "drop a RST", ListenDropSYNFIN: "drop a SYN with FIN",
		ListenDrop: "drop", ListenDrop + 1: "unknown",
		Ready(0): "none", ReadyRead: "read", ReadyWrite | ReadyConnected: "write|connected",
		ReadyUrgent | ReadyTrouble | ReadyClosed: "urgent|trouble|closed",
		CUBIC:                                    "cubic", BBR + 1: "unknown", ECNPassive: "passive", ECNClassicActive + 1: "unknown", CALoss: "loss", CALoss + 1: "unknown",
		Established: "ESTABLISHED", VerdictNoMemory: "no memory",
	} {
		if got := value.String(); got != want {
			t.Errorf("%T(%[1]d) is %q, want %q", value, got, want)
		}
	}
}
