//go:build linux

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of minitcp",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), cmd.Root().Version)
			return err
		},
	}
}

// versionLine describes the build. info is nil for a binary without module information.
func versionLine(info *debug.BuildInfo) string {
	version, revision, when, modified := "(devel)", "", "", ""
	if info != nil {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = " " + s.Value
			case "vcs.time":
				when = " " + s.Value
			case "vcs.modified":
				if s.Value == "true" {
					modified = " modified"
				}
			}
		}
	}
	return fmt.Sprintf("minitcp %s%s%s%s %s %s/%s", version, revision, when, modified, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
