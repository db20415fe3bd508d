//go:build linux

package main

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completions returns the choices for the last of the words of a command line, and cobra's directive to the shell. It
// leaves out choices that do not begin with that word, as shells do.
func completions(t *testing.T, words ...string) ([]string, cobra.ShellCompDirective) {
	t.Helper()
	r := call(append([]string{"__complete"}, words...)...)
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	last := len(lines) - 1
	directive, err := strconv.Atoi(strings.TrimPrefix(lines[last], ":"))
	if r.status != 0 || err != nil {
		t.Fatalf("%q: %+v, %v", words, r, err)
	}
	word := words[len(words)-1]
	if _, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(word, "-") {
		word = value
	}
	var list []string
	for _, line := range lines[:last] {
		choice, _, _ := strings.Cut(line, "\t") // a description follows
		if strings.HasPrefix(choice, word) || cobra.ShellCompDirective(directive) == cobra.ShellCompDirectiveFilterFileExt {
			list = append(list, choice)
		}
	}
	return list, cobra.ShellCompDirective(directive)
}

func TestCompletion(t *testing.T) {
	const none, noSpace = cobra.ShellCompDirectiveNoFileComp, cobra.ShellCompDirectiveNoSpace
	const ordered = none | cobra.ShellCompDirectiveKeepOrder
	for _, test := range []struct {
		words     []string
		want      string
		directive cobra.ShellCompDirective
	}{
		{[]string{"gate"}, "gateway", none},
		{[]string{"serve", "--congestion-control", ""}, "cubic reno bbr", ordered},
		{[]string{"serve", "--congestion-control=b"}, "bbr", ordered},
		{[]string{"serve", "--ecn", "a"}, "active accurate", ordered},
		{[]string{"nc", "--syn-cookies", ""}, "auto always off", ordered},
		{[]string{"run", "--profile", "l"}, "lte leo lossy-wifi", ordered},
		{[]string{"run", "--log-level", ""}, "debug info warn error", ordered},
		{[]string{"gateway", "--log-format", ""}, "text json", ordered},
		{[]string{"serve", "--listen", "8"}, "80=http", ordered},
		{[]string{"serve", "--listen", "80="}, "80=chargen 80=daytime 80=discard 80=echo 80=http 80=files:", ordered},
		{[]string{"serve", "--listen", "80=f"}, "80=files:", ordered | noSpace},
		{[]string{"serve", "--listen", "7=echo,80=h"}, "7=echo,80=http", ordered},
		{[]string{"gateway", "--via", ""}, "direct reject socks5:// http://", ordered},
		{[]string{"gateway", "--via", "10.0.0.0/8=d"}, "10.0.0.0/8=direct", ordered},
		{[]string{"gateway", "--via", "s"}, "socks5://", ordered | noSpace},
		{[]string{"gateway", "--interface", "l"}, "lo", ordered},
		{[]string{"gateway", "--netns", "no-such-"}, "", ordered},
		{[]string{"gateway", "--config", ""}, "yaml yml", cobra.ShellCompDirectiveFilterFileExt},
		{[]string{"gateway", "--mtu", ""}, "", none},
		{[]string{"gateway", ""}, "", none},
		{[]string{"gateway", "--auto"}, "--auto-route", none},
		{[]string{"serve", "--pcap", ""}, "", cobra.ShellCompDirectiveDefault},
		{[]string{"run", ""}, "", cobra.ShellCompDirectiveDefault},
		{[]string{"ss", "d"}, "dport dst", none},
		{[]string{"ss", "-i", "state", "fin"}, "fin-wait-1 fin-wait-2", none},
		{[]string{"ss", "dst", ""}, "", none},
		{[]string{"capture", "s"}, "sport src state", none},
		{[]string{"help", "s"}, "serve ss stats", none},
		{[]string{"help", "conf"}, "config", none},
		{[]string{"help", "ss", ""}, "", none},
		{[]string{"completion", "z"}, "zsh", none},
	} {
		got, directive := completions(t, test.words...)
		if strings.Join(got, " ") != test.want || directive != test.directive {
			t.Errorf("%q: %q with directive %d, want %q with %d", test.words, got, directive, test.want, test.directive)
		}
	}
}

// Each choice of a flag parses, and the error for another value names all of them.
func TestChoices(t *testing.T) {
	count := 0
	for _, c := range newRootCommand().Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			v, ok := f.Value.(chooser)
			err := f.Value.Set("no-such-choice")
			if !ok {
				if err != nil && strings.HasPrefix(err.Error(), "no such") {
					t.Errorf("%s: --%s has choices that shells do not complete: %v", c.Name(), f.Name, err)
				}
				return
			}
			count++
			if err == nil {
				t.Fatalf("%s: --%s takes any value", c.Name(), f.Name)
			}
			words := strings.FieldsFunc(err.Error(), func(r rune) bool { return strings.ContainsRune(" ,;", r) })
			for _, choice := range v.choices() {
				if !slices.Contains(words, choice) {
					t.Errorf("%s: --%s: the error %q does not name %s", c.Name(), f.Name, err, choice)
				}
				if err := f.Value.Set(choice); err != nil || f.Value.String() != choice {
					t.Errorf("%s: --%s %s: %v, and the value is %s", c.Name(), f.Name, choice, err, f.Value)
				}
			}
		})
	}
	if count < 15 {
		t.Errorf("%d flags with choices, want at least 15", count)
	}
}

// The scripts for bash are valid.
func TestCompletionScript(t *testing.T) {
	r := call("completion", "bash")
	cmd := exec.Command("bash", "-n")
	cmd.Stdin = strings.NewReader(r.out)
	if out, err := cmd.CombinedOutput(); err != nil || r.out == "" {
		t.Errorf("%v: %s", err, out)
	}
}
