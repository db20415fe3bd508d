package frame

import (
	"testing"
	"time"

	"minitcp/conn"
)

// Big applies unless it is the usual limit, and pauses after the device has refused a frame larger than a packet.
func TestLimit(t *testing.T) {
	if l := (Limit{Usual: Superframe, Big: Superframe}); l.AllowsBig(0) {
		t.Error("big frames are allowed for a device without them")
	}
	l := Limit{Usual: Superframe, Big: Superframe + 1}
	const now = conn.Time(5e9)
	refuse := func(at conn.Time, size int) { l.Refused(at, [][]byte{make([]byte, 100), make([]byte, size-100)}) }
	want := func(at conn.Time, want bool) {
		t.Helper()
		if got := l.AllowsBig(at); got != want {
			t.Errorf("big frames allowed at %v: %v, want %v", time.Duration(at), got, want)
		}
	}
	refuse(now, MaxSize)
	want(now, true)
	refuse(now, MaxSize+1)
	want(now, false)
	want(now.Add(time.Second)-1, false)
	want(now.Add(time.Second), true)

	// A second refusal within the pause, of a frame that was being sent, changes nothing. The next doubles the pause.
	refuse(now.Add(time.Second/2), MaxSize+1)
	want(now.Add(time.Second), true)
	again := now.Add(time.Second)
	refuse(again, MaxSize+1)
	want(again.Add(2*time.Second)-1, false)
	want(again.Add(2*time.Second), true)
}
