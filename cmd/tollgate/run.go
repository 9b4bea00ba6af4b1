package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses of the process (spec section 11).
const (
	exitDone   = 0
	exitFailed = 1 // refused or failed
	exitUsage  = 2 // wrong usage
)

// app is everything a command touches outside itself.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            map[string]string
	open           openFunc
	// exit ends the process at once.
	exit func(status int)
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, env: environment(env), open: openNode, exit: os.Exit}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	if args == nil {
		args = []string{} // cobra would take the process's own
	}
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	a.complain(command, err)
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// complain tells a person what failed: the command and the first line of the
// error, then its other lines, one a problem.
func (a *app) complain(command *cobra.Command, err error) {
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	fmt.Fprintf(a.stderr, "%s: %s\n", command.CommandPath(), lines[0])
	for _, line := range lines[1:] {
		fmt.Fprintf(a.stderr, "  %s\n", line)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(a.stderr, "See: %s --help\n", command.CommandPath())
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "tollgate",
		Short:         "A clustered API gateway with exact quotas",
		Version:       readVersion().String(),
		SilenceErrors: true, // complain writes them
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("a command is missing; `tollgate help` lists them")
			}
			return noCommand(cmd, args[0])
		},
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	// So that the word after it is seen to be the command. It is the command
	// that has the flag, or refuses it.
	root.Flags().Bool(flagJSON, false, "")
	_ = root.Flags().MarkHidden(flagJSON) // it is there
	root.SetHelpCommand(helpCommand(root))
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(
		a.nodeCommand(),
		a.importCommand(), a.validateCommand(), a.exportCommand(), a.diffCommand(), a.deployCommand(),
		a.domainsCommand(), a.cloneCommand(), a.deleteCommand(), a.quotaCommand(),
		a.membersCommand(), a.joinCommand(), a.leaveCommand(), a.transferCommand(),
		a.readyCommand(), a.keygenCommand(), a.caCommand(),
		a.signCommand(), a.tokenCommand(), a.explainCommand(), a.benchCommand(),
		a.versionCommand(),
	)
	return root
}

// flagJSON asks for JSON, at every command that has an answer.
const flagJSON = "json"

func noCommand(root *cobra.Command, name string) error {
	message := fmt.Sprintf("there is no command %q", name)
	if near := root.SuggestionsFor(name); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s", message)
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

// usageError is an error of the command line or the configuration: nothing
// was tried. Exit status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// takes checks that a command got the arguments it names, none of them empty.
// A name in brackets may be left out.
func takes(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usagef("unexpected argument %q; it takes %s", args[len(names)], argumentList(names))
		}
		for i, name := range names {
			switch {
			case i < len(args) && args[i] == "":
				return usagef("%s is empty", strings.Trim(name, "[]"))
			case i >= len(args) && !strings.HasPrefix(name, "["):
				return usagef("%s is missing", name)
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

// environment turns NAME=value lines into a map.
func environment(lines []string) map[string]string {
	env := make(map[string]string, len(lines))
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}
