package report

import "fmt"

// Aim is a limit that is wanted of a row's figure.
type Aim struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	// Least marks a limit that the value may not be below; without it, the value may not be above.
	Least bool `json:"least,omitempty"`
	// Time marks microseconds.
	Time bool `json:"time,omitempty"`
}

// Met reports whether the value is within the limit.
func (a Aim) Met() bool {
	if a.Least {
		return a.Value >= a.Limit
	}
	return a.Value <= a.Limit
}

// String returns the limit, and a mark if it is missed.
func (a Aim) String() string {
	sign, limit := "≤", fmt.Sprintf("%.2f", a.Limit)
	if a.Least {
		sign = "≥"
	}
	if a.Time {
		limit = Time(a.Limit)
	}
	text := a.Name + " " + sign + " " + limit
	if !a.Met() {
		text += " MISSED"
	}
	return text
}
