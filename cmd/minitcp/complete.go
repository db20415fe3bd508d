//go:build linux

package main

import (
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/control"
)

// The completion of flags and arguments in shells; minitcp completion --help has the installation.

// chooser is a flag's value with fixed choices.
type chooser interface{ choices() []string }

func (*congestionControl) choices() []string { return []string{"cubic", "reno", "bbr"} }
func (*synCookies) choices() []string        { return []string{"auto", "always", "off"} }
func (*mtuProbing) choices() []string        { return []string{"auto", "always", "off"} }
func (*profileValue) choices() []string      { return profileNames() }
func (*logLevel) choices() []string          { return []string{"debug", "info", "warn", "error"} }
func (*logFormat) choices() []string         { return []string{"text", "json"} }

func (*ecnMode) choices() []string {
	return []string{"passive", "active", "accurate", "disabled", "classic-passive", "classic-active"}
}

// services returns the services of --listen. A directory follows the last one.
func (*listenList) services() []string {
	var list []string
	for name := range streams {
		list = append(list, name)
	}
	slices.Sort(list)
	return append(list, httpService, filesService+":")
}

// addCompletions makes shells complete the flags and arguments of all commands.
func addCompletions(root *cobra.Command) {
	for _, c := range root.Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if complete := completionOf(c, f); complete != nil {
				c.RegisterFlagCompletionFunc(f.Name, complete) // fails for a second function only
			}
		})
		switch c.Name() {
		case "ss", "capture":
			c.ValidArgsFunction = completeFilter
		case "run", "man":
			// files
		default:
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// fileFlags are the flags whose values are files.
var fileFlags = []string{"trace", "pcap", "trace-file", "html", "write"}

// completionOf returns the completion of a flag's value, nil for files.
func completionOf(c *cobra.Command, f *pflag.Flag) cobra.CompletionFunc {
	switch v := f.Value.(type) {
	case chooser:
		return cobra.FixedCompletions(v.choices(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder)
	case *listenList:
		return after(",", func(text string) []string { return completeListen(v, text) })
	case *viaList:
		return after("=", func(string) []string { return []string{"direct", "reject", "socks5://", "http://"} })
	}
	switch {
	case f.Name == "config":
		return cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)
	case f.Name == "netns":
		return after("", func(string) []string { return namespaceNames() })
	case f.Name == "interface" && c.Name() == "gateway":
		return after("", func(string) []string { return interfaceNames() })
	case slices.Contains(fileFlags, f.Name):
		return nil
	}
	return cobra.NoFileCompletions
}

// after returns the completion of the text behind the last separator, with choices that begin with it. There is no
// space behind a choice that a value follows.
func after(separator string, choices func(text string) []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := ""
		if i := strings.LastIndex(text, separator); separator != "" && i >= 0 {
			before, text = text[:i+len(separator)], text[i+len(separator):]
		}
		directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		var list []cobra.Completion
		for _, choice := range choices(text) {
			if strings.HasPrefix(choice, text) {
				list = append(list, before+choice)
			}
		}
		if len(list) == 1 && (strings.HasSuffix(list[0], ":") || strings.HasSuffix(list[0], "/")) {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return list, directive
	}
}

// completeListen returns the choices for one PORT=SERVICE.
func completeListen(l *listenList, text string) (list []string) {
	port, _, ok := strings.Cut(text, "=")
	if !ok {
		return strings.Split(l.String(), ",")
	}
	for _, s := range l.services() {
		list = append(list, port+"="+s)
	}
	return list
}

// completeFilter completes the next word of a filter of connections.
func completeFilter(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return control.FilterWords(args), cobra.ShellCompDirectiveNoFileComp
}

// completeHelp completes the name of a command or topic.
func completeHelp(cmd *cobra.Command, args []string, _ string) (list []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		for _, c := range cmd.Root().Commands() {
			if !c.Hidden {
				list = append(list, cobra.CompletionWithDesc(c.Name(), c.Short))
			}
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// namespaceNames returns the names of the network namespaces.
func namespaceNames() (names []string) {
	list, _ := os.ReadDir("/run/netns")
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// interfaceNames returns the names of the network interfaces.
func interfaceNames() (names []string) {
	list, _ := net.Interfaces()
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}
