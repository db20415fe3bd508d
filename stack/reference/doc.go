// Package reference compares minitcp with gVisor's netstack, an independent TCP. It has only tests, so that only tests
// import gVisor.
//
//   - A link in memory joins the two stacks. It loses, delays, duplicates and damages packets (link_test.go). Either
//     stack is the client, over IPv4 and IPv6: transfer_test.go, close_test.go.
//   - Both receive the same segments in every state, and their replies are compared (sequences_test.go). The file
//     differences.txt lists the intended differences with their reasons. Every other difference fails the test.
//
// Time is virtual. minitcp runs in a bubble of testing/synctest. gVisor cannot, because its goroutines wait in a way
// that testing/synctest does not support. It runs outside with a clock that the bubble sets, and is paused to find
// out whether it is idle (package scripts/netstack).
package reference
