package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
)

// flagValue lets a flag be read by its setting (pflag.Value). value is nil
// until the flag is given.
type flagValue struct {
	node.Setting
	value any
}

// Set reads one use of the flag; a list may be given in several.
func (f *flagValue) Set(text string) error {
	v, err := f.Parse(text)
	if err != nil {
		return err
	}
	if more, ok := v.([]string); ok && f.value != nil {
		v = append(f.value.([]string), more...)
	}
	f.value = v
	return nil
}

// Type is the word for the value in the help.
func (f *flagValue) Type() string {
	if f.OneOf != nil {
		return strings.Join(f.OneOf, "|")
	}
	return string(f.Kind)
}

// String is the value, or the default as the help shows it.
func (f *flagValue) String() string {
	v := f.value
	if v == nil {
		v = f.Default
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// given is a setting's value and where it comes from: the flag, the variable,
// or the key of a file, as people spell it there.
type given struct {
	value any
	from  string
}

// settings are the values of a node's settings by their names.
type settings struct {
	given map[string]given
	// key is the cluster's, where a variable holds it.
	key string
}

// text is the value of a setting that is a text.
func (s *settings) text(name string) string {
	text, _ := s.given[name].value.(string)
	return text
}

// byDefault is where a value comes from that nobody set.
const byDefault = "default"

// settingsOf gathers the node's settings: flags before environment before
// configuration file before defaults. Everything wrong with environment and
// file is reported at once.
func settingsOf(flags *pflag.FlagSet, env map[string]string) (*settings, error) {
	file, fileErr := fromFile(configFile(flags, env))
	environ, envErr := fromEnv(env)
	if err := errors.Join(envErr, fileErr); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	all := &settings{given: map[string]given{}}
	sources := []source{file, environ, fromFlags(flags)} // the later wins
	for _, s := range node.Settings {
		all.given[s.Name] = given{s.Default, byDefault}
		for _, src := range sources {
			if value, ok := src.values[s.Name]; ok {
				all.given[s.Name] = given{value, src.name(s)}
			}
		}
	}
	return all, all.settleKey(env, sources)
}

// settleKey lets the cluster's key come from the strongest source that has it:
// a flag before the variables, of which one may be set, before the file.
func (all *settings) settleKey(env map[string]string, weakestFirst []source) error {
	key := env[envClusterKey]
	if key == "" {
		return nil
	}
	file, _ := node.SettingNamed(node.ClusterKeyFile)
	environ, flags := weakestFirst[1], weakestFirst[2]
	if _, ok := flags.values[file.Name]; ok {
		return nil
	}
	if _, ok := environ.values[file.Name]; ok {
		return cli.Usagef("%s and %s: set only one of them", envClusterKey, environ.name(file))
	}
	all.key = key
	delete(all.given, file.Name)
	return nil
}

// config turns settings into what a node is made from. It reads the file of the
// cluster's key, so that only the key goes on.
func (all *settings) config() (node.Config, error) {
	var cfg node.Config
	for _, s := range node.Settings {
		s.Put(&cfg, all.given[s.Name].value)
	}
	var err error
	if all.key != "" {
		cfg.ClusterKey, err = checkSecret(envClusterKey, all.key)
	} else if file := all.text(node.ClusterKeyFile); file != "" {
		cfg.ClusterKey, err = readSecret("--"+node.ClusterKeyFile, file)
	}
	return cfg, err
}
