// Package reference holds minitcp against gVisor's netstack, an independent TCP. It has nothing but tests, so that
// nothing but tests imports gVisor.
//
//   - The two are joined by a link in memory that loses, delays, repeats and damages packets (link_test.go), and talk to
//     each other, either as the client, over IPv4 and IPv6: transfer_test.go, close_test.go.
//   - Both are given the same segments in every state, and what they answer is compared (sequences_test.go). Where they
//     differ on purpose, differences.txt says how and why; every other difference fails.
//
// It all happens in virtual time. minitcp runs in a bubble of testing/synctest. gVisor cannot, for its goroutines wait in
// a way that testing/synctest does not know; it stands outside, with a clock that the bubble turns (clock_test.go), and is
// paused to find out that it has done all it had to do (gvisor_test.go).
package reference
