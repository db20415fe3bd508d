// Package links measures TCPs over emulated links: with a rate, a delay, a queue, loss and reordering.
//
//	rows       all rows of the table
//	plan       rounds, targets in turn, some measurements at once
//	measure    one measurement; network: its namespaces, and the link between them
//	floor      the link without TCP
//	table      the output
package links
