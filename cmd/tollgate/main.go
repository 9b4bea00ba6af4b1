// Command tollgate is the gateway: `tollgate node` runs a node of a cluster,
// the other commands talk to the admin API of one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

func main() {
	os.Exit(supervise(openNode))
}

// supervise runs the process under signals: the first SIGINT or SIGTERM ends
// what is under way in good order, a second one ends the process.
func supervise(open openFunc) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // lives as long as the process
		<-signals
		cancel()
		<-signals
		os.Exit(cli.Failed)
	}()
	process := &cli.Process{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: cli.Environment(os.Environ())}
	a := &app{Process: process, open: open, exit: os.Exit}
	return a.run(ctx, os.Args[1:])
}
