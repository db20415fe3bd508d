package eyeballs

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSort(t *testing.T) {
	var addresses []netip.Addr
	for _, a := range []string{"192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1", "192.0.2.3", "fe80::1%eth0"} {
		addresses = append(addresses, netip.MustParseAddr(a))
	}
	for _, c := range []struct {
		reachable func(bool) bool
		want      []string
	}{
		{func(bool) bool { return true }, []string{"[2001:db8::1]:80", "192.0.2.1:80", "[fe80::1]:80", "192.0.2.2:80", "192.0.2.3:80"}},
		{func(is4 bool) bool { return is4 }, []string{"192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"}},
		{func(bool) bool { return false }, nil},
	} {
		var got []string
		for _, a := range Sort(addresses, 80, c.reachable) {
			got = append(got, a.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

// attempt is the outcome of a dial to a port: after a time, with an error or without.
type attempt struct {
	after time.Duration
	err   error
}

// record is a list that several goroutines extend.
type record[T any] struct {
	mu   sync.Mutex
	list []T
}

func (r *record[T]) add(x T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, x)
}

// get returns the list when no goroutine is running.
func (r *record[T]) get() []T {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

// connection is a connection to a port.
type connection struct {
	port   uint16
	closed *record[uint16]
}

func (c connection) Close() error { c.closed.add(c.port); return nil }

// The attempts begin 250 ms after each other, or when one fails.
func TestFirst(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	const never = time.Hour
	for _, c := range []struct {
		name     string
		attempts []attempt
		port     uint16
		err      error
		after    time.Duration
		begun    []time.Duration
	}{
		{"the first succeeds", []attempt{{100 * time.Millisecond, nil}, {0, nil}}, 0, nil, 100 * time.Millisecond, []time.Duration{0}},
		{"the first has no reply", []attempt{{never, nil}, {time.Second, nil}}, 1, nil, 1250 * time.Millisecond, []time.Duration{0, Delay}},
		{"the first is late", []attempt{{300 * time.Millisecond, nil}, {never, nil}}, 0, nil, 300 * time.Millisecond, []time.Duration{0, Delay}},
		{"the first fails", []attempt{{time.Millisecond, one}, {0, nil}}, 1, nil, time.Millisecond, []time.Duration{0, time.Millisecond}},
		{"all fail", []attempt{{400 * time.Millisecond, one}, {0, two}}, 0, two, 400 * time.Millisecond, []time.Duration{0, Delay}},
		{"the context ends", []attempt{{never, nil}}, 0, context.DeadlineExceeded, 3 * time.Second, []time.Duration{0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var remotes []netip.AddrPort
			for i := range c.attempts {
				remotes = append(remotes, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i)))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			var begun record[time.Duration]
			var closed record[uint16]
			got, err := First(ctx, remotes, func(ctx context.Context, to netip.AddrPort) (connection, error) {
				begun.add(time.Since(start))
				a := c.attempts[to.Port()]
				select {
				case <-time.After(a.after):
					return connection{to.Port(), &closed}, a.err
				case <-ctx.Done():
					return connection{}, ctx.Err()
				}
			})
			after := time.Since(start)
			if err != c.err || err == nil && got.port != c.port || after != c.after || !slices.Equal(begun.get(), c.begun) {
				t.Errorf("%s: port %d, error %v after %v, attempts begun after %v", c.name, got.port, err, after, begun.get())
			}
			if len(closed.get()) > 0 {
				t.Errorf("%s: ports %v are closed", c.name, closed.get())
			}
		})
	}
}

// The connection of an attempt that succeeds too late is closed.
func TestFirstClosesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed record[uint16]
		remotes := []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), 1), netip.AddrPortFrom(netip.IPv4Unspecified(), 2)}
		got, err := First(t.Context(), remotes, func(_ context.Context, to netip.AddrPort) (connection, error) {
			if to.Port() == 1 {
				time.Sleep(time.Second) // does not look at its context
			}
			return connection{to.Port(), &closed}, nil
		})
		time.Sleep(time.Second)
		if err != nil || got.port != 2 || !slices.Equal(closed.get(), []uint16{1}) {
			t.Errorf("port %d, error %v, ports %v are closed; want 2, nil, [1]", got.port, err, closed.get())
		}
	})
}
