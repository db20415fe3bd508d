//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/config"
)

// configFlags holds the flags of a configuration file.
type configFlags struct {
	file  string
	check bool

	lines map[string]int // line in the file of each flag that the file sets
}

// repeatable is a flag's value that several uses of the flag add to. It may be a list in a configuration file.
type repeatable interface{ repeatable() }

func (*viaList) repeatable()       {}
func (*listenList) repeatable()    {}
func (*addressList) repeatable()   {}
func (*publishList) repeatable()   {}
func (*captureFilter) repeatable() {}
func (*wayValue[T]) repeatable()   {} // a value for each way

// add adds --config and --check to a command. check completes the flags and returns an error for those that are out of
// range or contradict each other. It must have no other effect.
func (f *configFlags) add(cmd *cobra.Command, check func() error) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "config", "", "read flags that are not given here from `FILE` (YAML); see: minitcp help config")
	flags.BoolVar(&f.check, "check", false, "check the flags and the configuration, and end with status 0 or 2")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if err := f.read(cmd); err != nil {
			return err
		}
		return f.locate(cmp.Or(checkEmpty(flags), check()))
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.check {
			return nil
		}
		return run(cmd, args)
	}
}

// read sets the flags of a command that are in the file and not on the command line. It also checks the names in the
// sections of the other commands.
func (f *configFlags) read(cmd *cobra.Command) error {
	f.lines = make(map[string]int)
	if f.file == "" {
		return nil
	}
	sections, err := config.Read(f.file)
	if err != nil {
		return f.usage(err)
	}
	var problems []error
	found := false
	for _, s := range sections {
		of := sectionOf(cmd, s.Name)
		if of == nil {
			problems = append(problems, f.errorf(s.Line, "%s: no such section; choose %s", s.Name, strings.Join(sectionNames(cmd), ", ")))
			continue
		}
		found = found || of == cmd
		for _, setting := range s.Settings {
			if err := f.apply(cmd, of, setting); err != nil {
				problems = append(problems, err)
			}
		}
	}
	if !found && len(problems) == 0 {
		problems = append(problems, f.errorf(0, "has no section %s; write one, if only the line %[1]s:", cmd.Name()))
	}
	return errors.Join(problems...)
}

// apply sets a flag of cmd, unless it is on the command line or of another command.
func (f *configFlags) apply(cmd, of *cobra.Command, s config.Setting) error {
	flag := configurable(of, s.Key)
	if flag == nil {
		return f.unknown(of, s)
	}
	if _, ok := flag.Value.(repeatable); s.List && !ok {
		return f.errorf(s.Line, "%s: %s: a list, but --%[2]s is given once; write one value", of.Name(), s.Key)
	}
	if of != cmd || flag.Changed {
		return nil
	}
	f.lines[s.Key] = s.Line
	for _, v := range s.Values {
		if err := cmd.Flags().Set(s.Key, v.Text); err != nil {
			cause := flagError(cmd, err)
			return f.errorf(v.Line, "%s: %v", cmd.Name(), strings.TrimPrefix(cause.Error(), "--"))
		}
	}
	return nil
}

// unknown returns the error of a key that is no flag of its command.
func (f *configFlags) unknown(of *cobra.Command, s config.Setting) error {
	for _, name := range sectionNames(of) {
		if configurable(sectionOf(of, name), s.Key) != nil {
			return f.errorf(s.Line, "%s: %s: no such key; it is one of %s", of.Name(), s.Key, name)
		}
	}
	return f.errorf(s.Line, "%s: %s: no such key; see: %s --help", of.Name(), s.Key, of.CommandPath())
}

// configurable returns the flag of a key, nil if there is none.
func configurable(cmd *cobra.Command, key string) *pflag.Flag {
	if slices.Contains([]string{"config", "check", "help"}, key) {
		return nil
	}
	return cmd.Flags().Lookup(key)
}

// sectionOf returns the command of a section, nil if there is none. All commands with --config have one.
func sectionOf(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Parent().Commands() {
		if c.Name() == name && c.Flags().Lookup("config") != nil {
			return c
		}
	}
	return nil
}

// sectionNames returns the names of all sections.
func sectionNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Parent().Commands() {
		if c.Flags().Lookup("config") != nil {
			names = append(names, c.Name())
		}
	}
	return names
}

// locate returns err with the place in the file of the flag that its text begins with.
func (f *configFlags) locate(err error) error {
	if err == nil {
		return nil
	}
	rest, ok := strings.CutPrefix(err.Error(), "--")
	if !ok || !isUsage(err) {
		return err
	}
	name := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz-"))]
	if line, ok := f.lines[name]; ok {
		return f.errorf(line, "--%s", rest)
	}
	return err
}

func (f *configFlags) errorf(line int, format string, args ...any) error {
	return f.usage(&config.Error{File: f.file, Line: line, Problem: fmt.Sprintf(format, args...)})
}

// usage returns the errors that are joined in err as usage errors.
func (f *configFlags) usage(err error) error {
	var all []error
	for _, e := range joined(err) {
		all = append(all, usagef("--config %v", e))
	}
	return errors.Join(all...)
}

// newConfigTopic returns the help on configuration files. It is no command.
func newConfigTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Configuration files",
		Long: `Serve, gateway and run read their flags from the file of --config, which is YAML with a section for each command:

  gateway:
    auto-route: true
    dial-timeout: 10s
    via:
      - socks5://127.0.0.1:1080
      - 10.0.0.0/8=direct

  serve:
    listen: [80=http, 8080=files:/srv]

Keys are the names of flags. The value of a flag that may be repeated can be a list. A flag on the command line replaces
the key, with all values of a list. Unknown keys and sections, keys that occur twice, and values that the flag does not take
are errors, with their line. The file must have a section of the command, which may be empty.

--check reads the flags and the file, prints their errors, and ends with status 0 or 2. It opens no device, socket or
namespace.`,
	}
}
