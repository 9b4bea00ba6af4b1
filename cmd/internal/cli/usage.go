package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// FlagJSON asks for JSON, at every command that has an answer.
const FlagJSON = "json"

// UsageError is an error of the command line or the configuration: nothing
// was tried. The exit status is Usage.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// Takes checks that a command got the arguments it names, none of them empty.
// A name in brackets may be left out.
func Takes(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return Usagef("unexpected argument %q; it takes %s", args[len(names)], argumentList(names))
		}
		for i, name := range names {
			switch {
			case i < len(args) && args[i] == "":
				return Usagef("%s is empty", strings.Trim(name, "[]"))
			case i >= len(args) && !strings.HasPrefix(name, "["):
				return Usagef("%s is missing", name)
			}
		}
		return nil
	}
}

func argumentList(names []string) string {
	if len(names) == 0 {
		return "no arguments"
	}
	return strings.Join(names, " ")
}

func noCommand(root *cobra.Command, name string) error {
	message := fmt.Sprintf("there is no command %q", name)
	if near := root.SuggestionsFor(name); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return Usagef("%s", message)
}

// helpCommand is cobra's, but for that a command that does not exist is wrong
// usage.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(root, strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}
