package fastopen

import "minitcp/conn/names"

// State is the state of Fast Open in the life of a connection: two bits of a [Failure], and flags. The zero State is
// that of a connection without Fast Open. All flags except that of SYNData are of an active open.
type State uint8

const (
	failure State = 3
	asked   State = 1 << 2 // the SYN sent had the option
	data    State = 1 << 3 // data in a SYN was accepted, by this end or by the peer
	failed  State = 1 << 4 // the next SYN to the server should not have the option for a while

	// The news.
	decided State = 1 << 5 // the handshake has ended
	hole    State = 1 << 6 // a black hole is suspected
	works   State = 1 << 7 // data has arrived
	news          = decided | hole | works
)

// Failure is the reason for which an active open with Fast Open had no data accepted from its SYN. The values are
// Linux's (tcpi_fastopen_client_fail).
type Failure uint8

const (
	// NoFailure means that the data was accepted, the SYN had none, or Fast Open was not used.
	NoFailure Failure = iota
	// NoCookie means that no cookie of the server was known, or Fast Open was paused after a failure.
	NoCookie
	// DataNotAcked means that the SYN-ACK has acknowledged the SYN only, or the attempt has failed.
	DataNotAcked
	// SYNRetransmitted means that the SYN was sent again, without data.
	SYNRetransmitted
)

var failureNames = [...]string{"none", "no cookie", "data not acknowledged", "SYN retransmitted"}

// String returns "none", "no cookie", "data not acknowledged" or "SYN retransmitted".
func (f Failure) String() string { return names.Of(failureNames[:], f) }

// Report has the results of an active Fast Open since the last report.
type Report struct {
	Learned   Offer // a cookie to use with the server; its Option is the zero value without one
	Accepted  bool  // the server has accepted data in the SYN
	Refused   bool  // the server has not accepted data in the SYN
	Failed    bool  // the next SYN to the server should not have the option for a while
	BlackHole bool  // the path may lose the segments after a SYN with the option
	Works     bool  // data has arrived
}

// SYN describes the SYN of an active open.
type SYN struct {
	Data     bool // it had data
	Repeated bool // it was sent again, without data
}

// notAccepted returns the Failure of data in the SYN that was not accepted.
func (s SYN) notAccepted() State {
	if s.Repeated {
		return State(SYNRetransmitted)
	}
	return State(DataNotAcked)
}

// Ask records that the SYN sent has the option.
func (s *State) Ask() { *s |= asked }

// Asked reports whether the SYN sent had the option.
func (s State) Asked() bool { return s&asked != 0 }

// Uncookied records that no cookie of the server was known.
func (s *State) Uncookied() { *s |= State(NoCookie) }

// Accept records that data in a SYN was accepted, by this end or by the peer.
func (s *State) Accept() { *s |= data }

// SYNData reports whether data in a SYN was accepted.
func (s State) SYNData() bool { return s&data != 0 }

// Failure returns the reason for which data was not accepted.
func (s State) Failure() Failure { return Failure(s & failure) }

// Accepted records that the handshake has ended with data in the SYN accepted.
func (s *State) Accepted() { *s |= decided | data }

// NotAccepted records that the handshake has ended, and that no data in the SYN was accepted. fresh reports whether the
// SYN-ACK had a cookie: then only the one in the SYN was old.
func (s *State) NotAccepted(syn SYN, fresh bool) {
	*s |= decided
	switch {
	case syn.Data:
		*s |= syn.notAccepted()
		if syn.Repeated || !fresh {
			*s |= failed
		}
	case syn.Repeated && s.Asked():
		*s |= failed
	}
}

// Unanswered records that the attempt to connect has failed.
func (s *State) Unanswered(syn SYN) {
	*s |= decided | failed
	if syn.Data {
		*s |= syn.notAccepted()
	}
}

// Suspect records a sign of a path that loses the segments after a SYN with the option.
func (s *State) Suspect() { *s |= hole }

// Work records that data has arrived after a SYN with the option.
func (s *State) Work() { *s |= works }

// News reports whether Report has something to report.
func (s State) News() bool { return s&news != 0 }

// Report returns the results since the last report, without Learned, and ends the news. It reports whether the
// handshake has ended since then.
func (s *State) Report() (r Report, ended bool) {
	was := *s
	*s &^= news
	r = Report{BlackHole: was&hole != 0, Works: was&works != 0}
	if was&decided == 0 {
		return r, false
	}
	r.Accepted, r.Failed = was.SYNData(), was&failed != 0
	r.Refused = was.Failure() >= DataNotAcked
	return r, true
}
