//go:build !race

package wgnet

// The race detector makes sync.Pool drop items, so this test is not built with it.

import (
	"fmt"
	"io"
	"testing"
)

// TestAllocations checks that data passes from a Write to a Read without an allocation, whether it is joined or not.
func TestAllocations(t *testing.T) {
	for _, size := range []int{64, 60_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			pumped(t, wireguardOffset, func(t *testing.T, p *pump, from io.Writer, to io.Reader) {
				data := make([]byte, size)
				once := func() {
					if _, err := from.Write(data); err != nil {
						t.Fatal(err)
					}
					for rest := size; rest > 0; {
						p.run(t)
						n, err := to.Read(data)
						if err != nil {
							t.Fatal(err)
						}
						rest -= n
					}
					p.run(t)
				}
				for range 100 {
					once()
				}
				if n := testing.AllocsPerRun(200, once); n > 0 {
					t.Errorf("%v allocations for %d bytes, want none", n, size)
				}
			})
		})
	}
}
