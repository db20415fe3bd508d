//go:build linux

package main

import (
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// stdio holds the standard streams of a command.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run runs the command that args name and returns the exit status. It writes an error as one line to std.err.
func run(args []string, std stdio) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	addCompletion(root)
	return report(std.err, root.Execute())
}

// newRootCommand returns the command minitcp with its subcommands.
func newRootCommand() *cobra.Command {
	info, _ := debug.ReadBuildInfo()
	root := &cobra.Command{
		Use:   "minitcp",
		Short: "TCP in user space, on a TUN device",
		Long: "minitcp runs TCP in user space on a TUN device. Try: minitcp demo, or minitcp run --trace - -- curl -s http://10.77.0.2/\n\n" +
			"The exit status, except that of run, is 0 for success, 2 for a mistake on the command line, 1 for everything else.",
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionLine(info),
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return checkEmpty(cmd.Flags()) }
	root.SetVersionTemplate("{{.Version}}\n")
	root.InitDefaultVersionFlag()
	root.Flags().Lookup("version").Usage = "print the version of minitcp"
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(newHelpCommand())
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newDemoCommand(),
		newRunCommand(),
		newSandboxInitCommand(),
		newServeCommand(),
		newGatewayCommand(),
		newNCCommand(),
		newSSCommand(),
		newStatsCommand(),
		newCaptureCommand(),
		newVersionCommand(),
		newManCommand(),
		newLinksTopic(),
		newAPITopic(),
		newConfigTopic(),
	)
	return root
}

// checkEmpty returns an error for a flag with an empty value whose default is none. The value is often that of a
// variable of a shell that is not set. --netns "$UNSET" would change the host's network otherwise.
func checkEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && f.DefValue == "" && !f.Hidden {
			name, _ := pflag.UnquoteUsage(f)
			err = usagef("--%s: the value is empty; give a %s, or omit the flag", f.Name, name)
		}
	})
	return err
}

// newHelpCommand returns a help command that treats an unknown topic as a mistake on the command line. Cobra's own
// prints the help of the whole program and exits with status 0.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND]",
		Short:             "Print the help of a command",
		ValidArgsFunction: completeHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("no help on %q; see: %s --help", strings.Join(args, " "), cmd.Root().Name())
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// addCompletion adds cobra's completion command, changed to treat an unknown shell as a mistake on the command line.
// The original prints its help and exits with status 0. The command writes to root's output at the time of this call.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	addCompletions(root)
	completion.Args = usageArgs(cobra.NoArgs)
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, shell := range completion.Commands() {
		shell.Args = usageArgs(cobra.NoArgs)
	}
}
