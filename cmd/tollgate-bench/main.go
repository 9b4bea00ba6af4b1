// Command tollgate-bench measures Tollgate under load: how fast, how late, and
// whether quotas stay exact. It is a program of its own, so that what it draws
// plots with is no part of the gateway.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// version and commit are set by the release build (-ldflags "-X main.version=…
// -X main.commit=…"); otherwise the build information tells.
var version, commit string

// app is everything a command touches outside itself.
type app struct{ *cli.Process }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	a := &app{&cli.Process{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: cli.Environment(os.Environ())}}
	os.Exit(a.run(ctx, os.Args[1:]))
}

func (a *app) run(ctx context.Context, args []string) int {
	return a.Execute(ctx, a.rootCommand(), args)
}

func readVersion() cli.Version { return cli.ReadVersion("tollgate-bench", version, commit) }

func (a *app) rootCommand() *cobra.Command {
	v := readVersion()
	root := a.Root("tollgate-bench", "Measure Tollgate under load, or load any gateway", v)
	root.AddCommand(a.runCommand(), a.loadCommand(), a.compareCommand(), a.pageCommand(), a.VersionCommand(v))
	return root
}
