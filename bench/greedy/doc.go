// Package greedy measures targets, and a transfer of an honest client, beside peers that take the target's memory.
//
//	plan       the greedy peers and the targets in turn
//	measure    one measurement
//	table      the output
package greedy
