package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// app is everything a command touches outside itself.
type app struct {
	*cli.Process
	open openFunc
	// exit ends the process at once.
	exit func(status int)
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	a := &app{Process: &cli.Process{Stdin: stdin, Stdout: stdout, Stderr: stderr, Env: cli.Environment(env)}, open: openNode, exit: os.Exit}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	return a.Execute(ctx, a.rootCommand(), args)
}

func (a *app) rootCommand() *cobra.Command {
	v := readVersion()
	root := a.Root("tollgate", "A clustered API gateway with exact quotas", v)
	root.AddCommand(
		a.nodeCommand(),
		a.importCommand(), a.applyCommand(), a.validateCommand(), a.exportCommand(), a.diffCommand(), a.deployCommand(),
		a.revisionsCommand(), a.rollbackCommand(), a.auditCommand(),
		a.domainsCommand(), a.cloneCommand(), a.deleteCommand(), a.quotaCommand(), a.statsCommand(),
		a.consumersCommand(), a.keysCommand(), a.eventsCommand(),
		a.statusCommand(), a.membersCommand(), a.joinCommand(), a.leaveCommand(), a.transferCommand(),
		a.backupCommand(), a.restoreCommand(), a.recoverCommand(),
		a.readyCommand(), a.keygenCommand(), a.caCommand(),
		a.signCommand(), a.tokenCommand(), a.explainCommand(), a.manCommand(), formerBenchCommand(),
		a.VersionCommand(v),
	)
	return root
}

// formerBenchCommand tells where the benchmark has gone.
func formerBenchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "bench", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return cli.Usagef("the benchmark is a program of its own now: tollgate-bench run, load, compare and page (`go build ./cmd/tollgate-bench`)")
		},
	}
}
