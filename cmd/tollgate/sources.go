package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tollgate/tollgate/node"
)

// source is one place that settings come from.
type source struct {
	// name says how a person there spells a setting.
	name   func(node.Setting) string
	values map[string]any
}

func fromFlags(flags *pflag.FlagSet) source {
	values := map[string]any{}
	flags.Visit(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok {
			values[f.Name] = v.value
		}
	})
	return source{func(s node.Setting) string { return "--" + s.Name }, values}
}

// fromEnv reads the settings' variables. An empty one is as good as none.
func fromEnv(env map[string]string) (source, error) {
	values := map[string]any{}
	var errs []error
	for _, s := range node.Settings {
		text := env[s.Env()]
		if text == "" {
			continue
		}
		value, err := s.Parse(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Env(), err))
			continue
		}
		values[s.Name] = value
	}
	return source{node.Setting.Env, values}, errors.Join(errs...)
}

// configFile is the file to read, "" for none.
func configFile(flags *pflag.FlagSet, env map[string]string) string {
	if f := flags.Lookup(flagConfig); f != nil && f.Changed {
		return f.Value.String()
	}
	return strings.TrimSpace(env[node.EnvPrefix+"CONFIG"])
}
