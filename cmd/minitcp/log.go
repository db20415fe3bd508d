//go:build linux

package main

import (
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// logFlags holds the flags of logging.
type logFlags struct {
	level  slog.Level
	format logFormat
}

// register adds the flags to a flag set.
func (f *logFlags) register(flags *pflag.FlagSet) {
	flags.Var((*logLevel)(&f.level), "log-level", "lowest level to log: debug, info, warn or error")
	flags.Var(&f.format, "log-format", "format of the log: text or json")
}

// logger returns the logger that the flags describe.
func (f *logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.level}
	if f.format == formatJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// logLevel is the value of --log-level.
type logLevel slog.Level

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// Set parses a level's name.
func (l *logLevel) Set(s string) error {
	level, ok := logLevels[s]
	if !ok {
		return usagef("no such level; choose debug, info, warn or error")
	}
	*l = logLevel(level)
	return nil
}

// String returns the level's name.
func (l *logLevel) String() string {
	for name, level := range logLevels {
		if level == slog.Level(*l) {
			return name
		}
	}
	return slog.Level(*l).String()
}

// Type returns the word for the value in the help text.
func (l *logLevel) Type() string { return "LEVEL" }

// logFormat is the value of --log-format.
type logFormat uint8

const (
	formatText logFormat = iota
	formatJSON
)

// Set parses a format's name.
func (f *logFormat) Set(s string) error {
	switch s {
	case "text":
		*f = formatText
	case "json":
		*f = formatJSON
	default:
		return usagef("no such format; choose text or json")
	}
	return nil
}

// String returns the format's name.
func (f *logFormat) String() string {
	if *f == formatJSON {
		return "json"
	}
	return "text"
}

// Type returns the word for the value in the help text.
func (f *logFormat) Type() string { return "FORMAT" }
