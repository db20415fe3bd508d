//go:build linux

package main

import (
	"fmt"
	"strings"
)

// linkProfile is a known kind of network. Its flags are those that a user would give.
type linkProfile struct {
	name, about, source    string
	rate, delay, burstLoss string // up and down alike, or separated by a space
}

var linkProfiles = []linkProfile{
	{"3g", "1.6 Mbit/s down, 768 kbit/s up, round trip 300 ms", `WebPageTest, connectivity.ini, "3G"`,
		"up:768kbit down:1.6mbit", "150ms", ""},
	{"lte", "12 Mbit/s both ways, round trip 70 ms", `WebPageTest, connectivity.ini, "LTE"`,
		"12mbit", "35ms", ""},
	{"dsl", "1.5 Mbit/s down, 384 kbit/s up, round trip 50 ms", `WebPageTest, connectivity.ini, "DSL"`,
		"up:384kbit down:1.5mbit", "25ms", ""},
	{"satellite", "100 Mbit/s down, 10 Mbit/s up, round trip 600 ms", "geostationary: Michel et al., A First Look at Starlink Performance, IMC 2022",
		"up:10mbit down:100mbit", "300ms", ""},
	{"leo", "117 Mbit/s down, 18 Mbit/s up, round trip 47 ms", "Starlink in Maine, medians: Ookla, 18 December 2024",
		"up:18mbit down:117mbit", "23.5ms", ""},
	{"lossy-wifi", "bursts of 2 packets lost, after 40 that pass, both ways", `str0m-netem, GilbertElliot::wifi_lossy`,
		"", "", "p=2.5%,r=50%"},
}

func profileNames() (names []string) {
	for _, p := range linkProfiles {
		names = append(names, p.name)
	}
	return names
}

// profileTable returns the profiles with their figures and sources.
func profileTable() string {
	var b strings.Builder
	for _, p := range linkProfiles {
		fmt.Fprintf(&b, "  %-10s  %s\n  %-10s  (%s)\n", p.name, p.about, "", p.source)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// profileValue is the value of --profile.
type profileValue struct{ *linkProfile }

// Set looks a profile up.
func (v *profileValue) Set(name string) error {
	for i := range linkProfiles {
		if linkProfiles[i].name == name {
			v.linkProfile = &linkProfiles[i]
			return nil
		}
	}
	return usagef("no such profile; choose %s", strings.Join(profileNames(), ", "))
}

// String returns the name.
func (v *profileValue) String() string {
	if v.linkProfile == nil {
		return ""
	}
	return v.name
}

// Type returns the word for the value in the help text.
func (v *profileValue) Type() string { return "NAME" }

// apply sets the flags that are not given to those of the profile.
func (v *profileValue) apply(f *linkFlags) error {
	if v.linkProfile == nil {
		return nil
	}
	traced := [2]bool{f.trace.texts[wayUp] != "", f.trace.texts[wayDown] != ""} // in place of the profile's rate
	for _, flag := range []struct {
		texts  string
		set    func(string, [2]bool) error
		except [2]bool
	}{{v.rate, f.rate.setDefault, traced}, {v.delay, f.delay.setDefault, [2]bool{}}, {v.burstLoss, f.burst.setDefault, [2]bool{}}} {
		for text := range strings.FieldsSeq(flag.texts) {
			if err := flag.set(text, flag.except); err != nil {
				return err
			}
		}
	}
	return nil
}
