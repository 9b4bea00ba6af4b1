package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// source is one place that settings come from.
type source struct {
	// name says how a person there spells a setting.
	name   func(setting) string
	values map[string]any
}

// settingsOf gathers the node's settings: flags before environment before
// configuration file before defaults. Everything wrong with environment and
// file is reported at once.
func settingsOf(flags *pflag.FlagSet, env map[string]string) (*viper.Viper, error) {
	file, fileErr := fromFile(configFile(flags, env))
	environ, envErr := fromEnv(env)
	if err := errors.Join(envErr, fileErr); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	v := viper.New()
	for _, s := range nodeSettings {
		v.SetDefault(s.name, s.def)
	}
	sources := []source{file, environ, fromFlags(flags)} // the later wins
	for _, src := range sources {
		if err := v.MergeConfigMap(src.values); err != nil {
			return nil, &cli.UsageError{Err: err}
		}
	}
	return v, settleKey(v, env, sources)
}

// clusterKey is where a key that a variable holds is kept among the settings.
const clusterKey = "cluster-key"

// settleKey lets the cluster's key come from the strongest source that has it:
// a flag before the variables, of which one may be set, before the file.
func settleKey(v *viper.Viper, env map[string]string, weakestFirst []source) error {
	key := env[envClusterKey]
	if key == "" {
		return nil
	}
	file, _ := settingNamed(setClusterKeyFile)
	environ, flags := weakestFirst[1], weakestFirst[2]
	if _, ok := flags.values[setClusterKeyFile]; ok {
		return nil
	}
	if _, ok := environ.values[setClusterKeyFile]; ok {
		return cli.Usagef("%s and %s: set only one of them", envClusterKey, environ.name(file))
	}
	v.Set(clusterKey, key)
	return nil
}

func fromFlags(flags *pflag.FlagSet) source {
	values := map[string]any{}
	flags.Visit(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok {
			values[f.Name] = v.value
		}
	})
	return source{func(s setting) string { return "--" + s.name }, values}
}

// fromEnv reads the settings' variables. An empty one is as good as none.
func fromEnv(env map[string]string) (source, error) {
	values := map[string]any{}
	var errs []error
	for _, s := range nodeSettings {
		text := env[s.env()]
		if text == "" {
			continue
		}
		value, err := s.parse(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.env(), err))
			continue
		}
		values[s.name] = value
	}
	return source{setting.env, values}, errors.Join(errs...)
}

// configFile is the file to read, "" for none.
func configFile(flags *pflag.FlagSet, env map[string]string) string {
	if f := flags.Lookup(flagConfig); f != nil && f.Changed {
		return f.Value.String()
	}
	return strings.TrimSpace(env[envPrefix+"CONFIG"])
}
