package stack

import (
	"syscall"
	"testing"
	"time"
)

// Shows: MUST-21.
func TestUserTimeout(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, _ := p.connect(p.listen())
		c.SetUserTimeout(10 * time.Second)
		p.da.SetHook(silence)
		begin := time.Now()
		write(t, c, "is anybody there?")
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		took(t, begin, 10*time.Second, 11*time.Second)
	})
}

// Without a user timeout, R2 ends a connection whose data is not acknowledged (RFC 9293 3.8.3, MUST-20).
//
// Shows: MUST-20, SHLD-11.
func TestR2(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{KeepAlive: -1})
		c, _ := p.connect(p.listen())
		p.da.SetHook(silence)
		begin := time.Now()
		write(t, c, "is anybody there?")
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ETIMEDOUT)
		took(t, begin, 100*time.Second, 20*time.Minute)
		_, err = c.Write([]byte("x"))
		wantOpError(t, err, "write", syscall.EPIPE)
	})
}

// A closed window may stay closed for ever while its probes are answered (MUST-35 to MUST-37).
//
// Shows: MUST-36, MUST-37, MAY-8.
func TestZeroWindowForADay(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		want := pattern(1, 4<<20)
		done := make(chan error)
		go func() { _, err := c.Write(want); done <- err }()
		time.Sleep(24 * time.Hour)
		wantBytes(t, s, want)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
