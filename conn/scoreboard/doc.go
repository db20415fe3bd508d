// Package scoreboard keeps the retransmission queue of a TCP connection: one [Record] for each stretch of data from
// SND.UNA to SND.NXT, with the state that ACKs and SACK blocks have given it (RFC 6675 4). It also estimates the rate
// at which the path delivers (draft-ietf-ccwg-bbr-06 4.1), which needs a snapshot of every transmission.
//
// Package conn decides which record is lost, when it is retransmitted and what that means for the congestion window.
// The [Queue] answers from counters, and finds records by sequence number, by order of transmission (for RACK) and,
// among those that are lost, by order of retransmission. No operation examines records that it does not change, except
// for the steps of a binary search, so the cost of an ACK does not grow with the data in flight (CVE-2018-5390,
// CVE-2019-11477).
//
// A record pointer is valid until the next call that changes the queue.
package scoreboard
