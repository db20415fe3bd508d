// Package flood measures targets and their honest clients under floods of SYNs.
//
//	plan       rates and targets in turn
//	measure    one measurement
//	far        honest clients behind an emulated link
//	table      the output
package flood
