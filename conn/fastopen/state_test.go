package fastopen

import "testing"

// Each course of an active open has its failure and its report, which is made once.
func TestState(t *testing.T) {
	for _, test := range []struct {
		name    string
		course  func(*State)
		failure Failure
		want    Report
		ended   bool
	}{
		{"no cookie", func(s *State) { s.Uncookied(); s.Ask(); s.NotAccepted(SYN{}, true) }, NoCookie, Report{}, true},
		{"request sent again", func(s *State) { s.Uncookied(); s.Ask(); s.NotAccepted(SYN{Repeated: true}, true) }, NoCookie, Report{Failed: true}, true},
		{"paused, SYN sent again", func(s *State) { s.Uncookied(); s.NotAccepted(SYN{Repeated: true}, false) }, NoCookie, Report{}, true},
		{"data accepted", func(s *State) { s.Ask(); s.Accepted() }, NoFailure, Report{Accepted: true}, true},
		{"old cookie", func(s *State) { s.Ask(); s.NotAccepted(SYN{Data: true}, true) }, DataNotAcked, Report{Refused: true}, true},
		{"no Fast Open at the server", func(s *State) { s.Ask(); s.NotAccepted(SYN{Data: true}, false) }, DataNotAcked, Report{Refused: true, Failed: true}, true},
		{"SYN with data lost", func(s *State) { s.Ask(); s.NotAccepted(SYN{Data: true, Repeated: true}, true) }, SYNRetransmitted,
			Report{Refused: true, Failed: true}, true},
		{"no answer", func(s *State) { s.Ask(); s.Unanswered(SYN{Data: true, Repeated: true}) }, SYNRetransmitted, Report{Refused: true, Failed: true}, true},
		{"no answer to a request", func(s *State) { s.Ask(); s.Unanswered(SYN{}) }, NoFailure, Report{Failed: true}, true},
		{"no segments after the SYN", func(s *State) { s.Ask(); s.Suspect() }, NoFailure, Report{BlackHole: true}, false},
		{"data of the server", func(s *State) { s.Ask(); s.Work() }, NoFailure, Report{Works: true}, false},
		{"passive open", func(s *State) { s.Accept() }, NoFailure, Report{}, false},
	} {
		var s State
		test.course(&s)
		news := test.ended || test.want != Report{}
		if s.News() != news || s.Failure() != test.failure {
			t.Errorf("%s: news %v and failure %v, want %v and %v", test.name, s.News(), s.Failure(), news, test.failure)
		}
		if r, ended := s.Report(); r != test.want || ended != test.ended {
			t.Errorf("%s: report %+v, handshake ended %v, want %+v, %v", test.name, r, ended, test.want, test.ended)
		}
		if r, ended := s.Report(); s.News() || ended || r != (Report{}) || s.Failure() != test.failure {
			t.Errorf("%s: a second report %+v, news %v", test.name, r, s.News())
		}
	}
}
