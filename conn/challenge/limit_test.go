package challenge

import (
	"testing"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/wire"
)

// Each kind of reply has its number in an interval, which begins with a reply and lasts five seconds.
func TestLimit(t *testing.T) {
	var l Limit
	for _, begin := range []clock.Time{clock.Time(time.Hour), clock.Time(time.Hour + 5*time.Second), clock.Time(2 * time.Hour)} {
		challenges, duplicates, syns := 0, 0, 0
		for l.Allow(begin, wire.ACK) {
			challenges++
		}
		late := begin.Add(5*time.Second - 1)
		for l.AllowDuplicate(late) {
			duplicates++
		}
		for l.Allow(late, wire.SYN) {
			syns++
		}
		if challenges != 10 || duplicates != 1000 || syns != 10 || l.Allow(late, wire.RST) {
			t.Errorf("from %d on: %d replies to segments without data, %d with, %d to SYNs, want 10, 1000 and 10", begin, challenges, duplicates, syns)
		}
		if l.Since() != begin {
			t.Errorf("the interval begins at %d, want %d", l.Since(), begin)
		}
	}
}
