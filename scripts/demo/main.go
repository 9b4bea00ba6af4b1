// Command demo shows a cluster the way its users meet it: it starts three
// nodes of the real binary on loopback and an endpoint server behind them,
// deploys a domain with a quota, and prints lines to paste. With -check it
// makes the calls itself and fails unless exactly the quota was admitted.
//
// It imports nothing of Tollgate's: all it does goes through the command line
// and HTTP.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// parentPause is between two looks whether the parent process is still there.
const parentPause = 500 * time.Millisecond

func main() {
	stop, kill := stopSignals()
	os.Exit(run(stop, kill, os.Args[1:], os.Stdout, os.Stderr))
}

// options is the command line.
type options struct {
	tollgate string
	base     basePort // 0: any free one
	check    bool
}

// run is the whole program but for the process around it. It ends in good
// order when stop ends, and without waiting for anything when kill does.
func run(stop, kill context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "demo:", err)
		return 2
	}
	if err := show(stop, kill, opts, stdout); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}

// parse reads the command line. Asked for help, it writes that to help and
// returns flag.ErrHelp.
func parse(args []string, help io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are for run to tell
	flags.StringVar(&opts.tollgate, "tollgate", "bin/tollgate", "`FILE` of the binary to show; make build makes it")
	flags.BoolVar(&opts.check, "check", false, "make the calls, fail unless exactly the quota was admitted, and end")
	base := flags.Int("base-port", int(defaultBase), "`PORT` that all others are counted from, 0 for any that are free (the default with -check): +1 to +3 are the\n"+
		"nodes' cluster ports, +1001 to +1003 their client ports, +2001 to +2003 their admin ports, +1100 is the endpoint server")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return opts, err
	}
	if flags.NArg() > 0 {
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *base < 0 || *base > maxBase {
		return opts, fmt.Errorf("-base-port %d: must be 0 to %d", *base, maxBase)
	}
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == "base-port" })
	if opts.base = basePort(*base); opts.check && !given {
		opts.base = 0 // so that it runs beside anything
	}
	return opts, nil
}

// stopSignals returns a context that ends with the first signal to stop, and
// one that ends with the second.
//
// The parent's end counts as a signal: `go run` dies of a SIGTERM without
// passing it on, and the demo would run on where nobody sees it.
func stopSignals() (stop, kill context.Context) {
	stop, stopNow := context.WithCancel(context.Background())
	kill, killNow := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it, and means it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// Where nobody reads the output any more, the write fails and the demo
	// ends in good order; the signal would end it with the nodes running.
	signal.Ignore(syscall.SIGPIPE)

	parent := os.Getppid()
	go func() { // lives as long as the process
		look := time.NewTicker(parentPause)
		for heard := 0; heard < 2; {
			select {
			case <-signals:
				heard++
			case <-look.C:
				if os.Getppid() == parent {
					continue
				}
				look.Stop()
				heard = max(heard, 1)
			}
			stopNow()
		}
		killNow()
	}()
	return stop, kill
}
