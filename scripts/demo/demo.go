package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/tollgate/tollgate/bench/process"
)

const (
	// startPatience is how long a step of the start may take.
	startPatience = 30 * time.Second
	// pollPause is between two looks for a state.
	pollPause = 50 * time.Millisecond
)

// demo is three nodes, the endpoint server behind them, and a terminal.
type demo struct {
	out    io.Writer
	name   string // of the binary, as the user spells it
	binary string
	base   basePort
	dir    string // holds data and logs

	nodes []*node
	// exits gets each node whose process has ended; it has room for all.
	exits    chan *node
	endpoint *endpointServer
	domain   domain
	client   client
}

// show runs the demo: until it is checked, or until stop ends.
func show(stop, kill context.Context, opts options, out io.Writer) (err error) {
	// To the kernel a child's parent is the thread that started it; a child
	// is killed when that ends (golang/go#27505).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	d := &demo{out: out, name: opts.tollgate, exits: make(chan *node, nodeCount), client: newClient()}
	defer func() {
		// To be stopped is what the demo waits for, and no failure; a check
		// that was not made is one.
		if stop.Err() != nil && errors.Is(err, stop.Err()) {
			if err = nil; opts.check {
				err = errors.New("stopped before the check was over")
			}
		}
		err = errors.Join(err, d.close(kill))
	}()
	if err := d.prepare(opts); err != nil {
		return err
	}
	if err := d.start(stop); err != nil {
		return err
	}
	if opts.check {
		return d.runCheck(stop)
	}
	return d.stay(stop)
}

// prepare finds everything that can be wrong before anything runs.
func (d *demo) prepare(opts options) error {
	path, err := exec.LookPath(opts.tollgate)
	if err == nil {
		d.binary, err = filepath.Abs(path)
	}
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // the path is in the message
		}
		return fmt.Errorf("-tollgate %s: %w; `make build` makes bin/tollgate", opts.tollgate, err)
	}
	if d.base = opts.base; d.base == 0 {
		d.base, err = freeBase()
	} else {
		err = d.base.checkFree()
	}
	if err != nil {
		return err
	}
	if d.domain, err = newDomain(d.base); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "tollgate-demo-"); err != nil {
		return err
	}
	d.nodes = newNodes(d.base, d.dir)
	d.endpoint, err = openEndpointServer(d.base.endpoint())
	return err
}

// start brings the cluster up, and the domain to every node.
func (d *demo) start(ctx context.Context) error {
	for _, n := range d.nodes {
		if err := n.start(d.binary, d.exits); err != nil {
			return err
		}
	}
	for _, n := range d.nodes {
		if err := d.await(ctx, n, "to be ready", func(ctx context.Context) error { return d.client.api(n).CheckReady(ctx) }); err != nil {
			return err
		}
	}
	for _, n := range d.nodes {
		if err := d.await(ctx, n, "to see all nodes as voters, one as leader", func(ctx context.Context) error { return d.client.formed(ctx, n) }); err != nil {
			return err
		}
	}
	return d.deploy(ctx)
}

// deploy imports the domain and waits until every node serves it.
func (d *demo) deploy(ctx context.Context) error {
	file := filepath.Join(d.dir, "petstore.json")
	if err := os.WriteFile(file, d.domain.document, 0o600); err != nil {
		return err
	}
	if _, err := d.tollgate(ctx, "import", "--deploy", "--admin-url", d.nodes[0].admin, file); err != nil {
		return err
	}
	for _, n := range d.nodes {
		if err := d.await(ctx, n, "to serve the domain", func(ctx context.Context) error { return d.client.serves(ctx, n, d.domain) }); err != nil {
			return err
		}
	}
	return nil
}

// await tries until n is as it should be, up to startPatience. A node that
// ends meanwhile, any of them, is a failure.
func (d *demo) await(ctx context.Context, n *node, what string, try func(context.Context) error) error {
	patience, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	pause := time.NewTicker(pollPause)
	defer pause.Stop()
	last := errors.New("it does not answer")
	for {
		err := try(patience)
		if err == nil {
			return nil
		}
		if patience.Err() == nil { // else err says only that time is up
			last = err
		}
		select {
		case dead := <-d.exits:
			return dead.exitError()
		case <-patience.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("waited %v for %s %s: %w\n%s", startPatience, n.id, what, last, process.Tail(n.log))
		case <-pause.C:
		}
	}
}

// tollgate runs a command of the binary and returns what it printed.
func (d *demo) tollgate(ctx context.Context, args ...string) (string, error) {
	out, err := process.Output(ctx, process.Command{Path: d.binary, Args: args})
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", shellLine(d.name, args...), err, out)
	}
	return string(out), nil
}

// stay shows how to use what runs, until ctx ends. A node that ends is told
// of, not more: to kill one is part of the show.
func (d *demo) stay(ctx context.Context) error {
	roles, err := d.client.roles(ctx, d.nodes[0])
	if err != nil {
		return err
	}
	if err := d.print(d.guide(roles)); err != nil {
		return err
	}
	for left := len(d.nodes); left > 0; {
		select {
		case <-ctx.Done():
			return d.print("\nStopping.\n")
		case n := <-d.exits:
			left--
			if err := d.print(d.obituary(n, left)); err != nil {
				return err
			}
		}
	}
	return errors.New("no node is left")
}

// print fails where nobody reads the output any more.
func (d *demo) print(text string) error {
	_, err := io.WriteString(d.out, text)
	return err
}

// close ends everything and leaves nothing behind.
func (d *demo) close(kill context.Context) error {
	err := stopNodes(kill, d.nodes)
	if d.endpoint != nil {
		ctx, cancel := context.WithTimeout(kill, stopPatience)
		defer cancel()
		d.endpoint.close(ctx)
	}
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}
