//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of minitcp into a directory",
		Long: `Man writes a manual page for each command and help topic into DIR, which it makes if needed. For instance, as root:

  minitcp man /usr/local/share/man/man1`,
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%d arguments instead of one DIR; for instance: minitcp man /usr/local/share/man/man1", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return writePages(args[0]) },
	}
}

// writePages writes the manual pages into a directory.
func writePages(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root := newRootCommand()
	pages, topics := []*cobra.Command{root}, []string{}
	for _, c := range root.Commands() {
		if !c.Hidden {
			pages = append(pages, c)
		}
		if !c.Runnable() {
			topics = append(topics, fmt.Sprintf("minitcp-%s(1)", c.Name()))
		}
	}
	root.Long += "\n\nFurther pages: " + strings.Join(topics, ", ")
	for _, c := range pages {
		page, err := manPage(c)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		if err := os.WriteFile(name, page, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manPage returns the manual page of a command.
func manPage(cmd *cobra.Command) ([]byte, error) {
	cmd.DisableAutoGenTag = true
	cmd.DisableFlagsInUseLine = !cmd.Runnable() // help topics
	cmd.Long = toMarkdown(cmd.Long)
	cmd.Use = strings.ReplaceAll(cmd.Use, "\n  ", " | ")
	cmd.InitDefaultHelpFlag()
	cmd.Flags().Lookup("help").Hidden = true
	var page bytes.Buffer
	err := doc.GenMan(cmd, &doc.GenManHeader{Source: "minitcp", Manual: "minitcp"}, &page)
	text := optionLine.ReplaceAll(page.Bytes(), []byte("$heading.TP\n$flag$value\n"))
	return text, err
}

// optionLine is a flag, its default and the beginning of its text, as package doc writes them: a paragraph of one line.
// It has no indentation, and an equals sign without a default.
var optionLine = regexp.MustCompile(`(?m)^(?:\.PP\n|(?P<heading>\.SH OPTIONS\n))(?P<flag>\\fB-.*\\fP)(?:=(?:"")?|(?P<value>\[?=.+))\n\t`)

// markdownEscapes are the characters that have a meaning in Markdown.
var markdownEscapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `<`, `\<`, "`", "\\`")

// toMarkdown returns a help text as Markdown, which package doc expects: indented lines are code.
func toMarkdown(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			b.WriteString("  " + line)
		} else {
			b.WriteString(markdownEscapes.Replace(line))
		}
	}
	return b.String()
}
