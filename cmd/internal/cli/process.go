// Package cli is what Tollgate's programs share on the command line: how they
// take arguments, complain, print, and end.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses of a program (spec section 11).
const (
	Done   = 0
	Failed = 1 // refused or failed
	Usage  = 2 // wrong usage
)

// Process is everything a command touches outside itself.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Env            map[string]string
}

// Environment turns NAME=value lines into a map.
func Environment(lines []string) map[string]string {
	env := make(map[string]string, len(lines))
	for _, Line := range lines {
		if name, value, ok := strings.Cut(Line, "="); ok {
			env[name] = value
		}
	}
	return env
}

// Root makes the command that all others of a program stand below.
func (p *Process) Root(name, short string, v Version) *cobra.Command {
	root := &cobra.Command{
		Use:           name,
		Short:         short,
		Version:       v.String(),
		SilenceErrors: true, // complain writes them
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return Usagef("a command is missing; `%s help` lists them", name)
			}
			return noCommand(cmd, args[0])
		},
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	// So that the word after it is seen to be the command. It is the command
	// that has the flag, or refuses it.
	root.Flags().Bool(FlagJSON, false, "")
	_ = root.Flags().MarkHidden(FlagJSON) // it is there
	root.SetHelpCommand(helpCommand(root))
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(flagError)
	return root
}

// Execute runs the command that args name and returns the exit status.
func (p *Process) Execute(ctx context.Context, root *cobra.Command, args []string) int {
	if args == nil {
		args = []string{} // cobra would take the process's own
	}
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return Done
	}
	p.complain(command, err)
	var usage *UsageError
	if errors.As(err, &usage) {
		return Usage
	}
	return Failed
}

// complain tells a person what failed: the command and the first line of the
// error, then its other lines, one a problem.
func (p *Process) complain(command *cobra.Command, err error) {
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	fmt.Fprintf(p.Stderr, "%s: %s\n", command.CommandPath(), lines[0])
	for _, Line := range lines[1:] {
		fmt.Fprintf(p.Stderr, "  %s\n", Line)
	}
	var usage *UsageError
	if errors.As(err, &usage) {
		fmt.Fprintf(p.Stderr, "See: %s --help\n", command.CommandPath())
	}
}

// Print writes to stdout, where a full disk is a failure like any other.
func (p *Process) Print(b []byte) error {
	if _, err := p.Stdout.Write(b); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// PrintJSON writes a value as one line of JSON.
func (p *Process) PrintJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.Print(Line(b))
}
