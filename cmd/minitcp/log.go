//go:build linux

package main

import (
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// logFlags say what is logged, and how.
type logFlags struct {
	level  slog.Level
	format logFormat
}

// register adds the flags.
func (f *logFlags) register(flags *pflag.FlagSet) {
	flags.Var((*logLevel)(&f.level), "log-level", "least severity to log: debug, info, warn or error")
	flags.Var(&f.format, "log-format", "text or json")
}

// logger is what the flags ask for.
func (f *logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.level}
	if f.format == formatJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// logLevel is a flag's value.
type logLevel slog.Level

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// Set takes the level's name.
func (l *logLevel) Set(s string) error {
	level, ok := logLevels[s]
	if !ok {
		return usagef("no such level; choose debug, info, warn or error")
	}
	*l = logLevel(level)
	return nil
}

// String is the level's name.
func (l *logLevel) String() string {
	for name, level := range logLevels {
		if level == slog.Level(*l) {
			return name
		}
	}
	return slog.Level(*l).String()
}

// Type is for the help text.
func (l *logLevel) Type() string { return "LEVEL" }

// logFormat is a flag's value.
type logFormat uint8

const (
	formatText logFormat = iota
	formatJSON
)

// Set takes the format's name.
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

// String is the format's name.
func (f *logFormat) String() string {
	if *f == formatJSON {
		return "json"
	}
	return "text"
}

// Type is for the help text.
func (f *logFormat) Type() string { return "FORMAT" }
