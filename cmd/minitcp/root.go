//go:build linux

package main

import (
	"io"

	"github.com/spf13/cobra"
)

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run does what the arguments say and returns the exit status. What went wrong is one line on std.err.
func run(args []string, std stdio) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	return report(std.err, root.Execute())
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "minitcp",
		Short: "TCP in user space, on a TUN device",
		Long: "minitcp is a TCP in user space on a TUN device. Try: minitcp demo\n\n" +
			"The exit status is 0 for success, 2 for a mistake on the command line, 1 for everything else.",
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newDemoCommand(),
		newServeCommand(),
		newNCCommand(),
		newVersionCommand(),
	)
	return root
}
