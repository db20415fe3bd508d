package challenge

import (
	"testing"
	"time"

	"minitcp/conn/clock"
)

// Each kind of reply has its number in an interval, which begins with a reply and lasts five seconds.
func TestLimit(t *testing.T) {
	var l Limit
	for _, begin := range []clock.Time{clock.Time(time.Hour), clock.Time(time.Hour + 5*time.Second), clock.Time(2 * time.Hour)} {
		challenges, duplicates := 0, 0
		for l.Allow(begin) {
			challenges++
		}
		late := begin.Add(5*time.Second - 1)
		for l.AllowDuplicate(late) {
			duplicates++
		}
		if challenges != 10 || duplicates != 1000 || l.Allow(late) {
			t.Errorf("from %d on: %d replies to segments without data, %d with, want 10 and 1000", begin, challenges, duplicates)
		}
		if l.Since() != begin {
			t.Errorf("the interval begins at %d, want %d", l.Since(), begin)
		}
	}
}
