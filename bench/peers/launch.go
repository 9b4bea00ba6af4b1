package peers

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/tollgate/tollgate/bench/process"
)

const (
	// startPatience is what one process of a peer gets to be ready.
	startPatience = 20 * time.Second
	// stopPatience is what all of them get to stop in good order.
	stopPatience = 10 * time.Second
	// threads is how many cores a proxy uses: what the benchmark is for has two.
	threads = 2
)

//go:embed config
var configs embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(configs, "config/*.tmpl"))

// Running is a peer whose instances are ready for calls.
type Running struct {
	// Addresses are the host:port of each instance that takes calls.
	Addresses []string
	// Version is the peer's, and of what it needs.
	Version   string
	processes []*process.Process
}

// CPU is the CPU seconds that all processes of the peer have used so far, with
// what they need, such as Redis. See process.CPU.
func (r *Running) CPU() (float64, error) { return process.CPU(r.processes...) }

// Stop stops the processes, the last one started first, and returns once they
// have ended. An error tells of those that had ended before, or did not stop in
// good order.
func (r *Running) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	var errs []error
	for _, p := range slices.Backward(r.processes) {
		errs = append(errs, p.Stop(ctx))
	}
	r.processes = nil
	return errors.Join(errs...)
}

// dead tells of processes that ended by themselves.
func (r *Running) dead() error {
	var errs []error
	for _, p := range r.processes {
		errs = append(errs, p.Err())
	}
	return errors.Join(errs...)
}

// Site is where a peer is started.
type Site struct {
	// Folders are where its programs are looked for, see Folders.
	Folders []string
	// Dir is a folder for its files, made if it is not there.
	Dir string
	// Origin is the host:port of the endpoint server that a proxy passes calls
	// on to.
	Origin string
	// Instances is how many share a quota, 1 or more. A proxy is one.
	Instances int
	// Limit is the units an hour of the quota that a load goes past, 1 or more.
	// The other one has no end that a load could reach.
	Limit uint64
}

// launch is what a peer's start works with.
type launch struct {
	ctx context.Context
	Site
	paths   map[string]string // of its programs, by name
	running *Running
}

// MissingError says that a program that a peer consists of is not installed.
type MissingError struct{ err error }

func (e *MissingError) Error() string { return e.err.Error() }

// Unwrap is the reason.
func (e *MissingError) Unwrap() error { return e.err }

// Start starts the peer and waits until it is ready. Where a program of it is
// not there, the error is a *MissingError. After any error nothing of it runs.
func (p *Peer) Start(ctx context.Context, site Site) (*Running, error) {
	l := &launch{ctx: ctx, Site: site, paths: map[string]string{}, running: &Running{}}
	var versions []string
	for i, program := range p.Programs {
		path, err := program.find(site.Folders)
		if err != nil {
			return nil, &MissingError{err}
		}
		l.paths[program.Name] = path
		version, err := program.version(ctx, path)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			version = program.Name + " " + version
		}
		versions = append(versions, version)
	}
	l.running.Version = strings.Join(versions, ", ")
	if err := os.MkdirAll(site.Dir, 0o755); err != nil {
		return nil, err
	}
	if err := p.start(l); err != nil {
		// Its end is of no interest beside why it did not begin.
		_ = l.running.Stop()
		return nil, err
	}
	return l.running, nil
}

// config writes a file from the template of that name, with the data, and
// returns its path.
func (l *launch) config(file, name string, data any) (string, error) {
	path := filepath.Join(l.Dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	err = templates.ExecuteTemplate(f, name, data)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return path, nil
}

// run starts a process of the peer, in its folder; name is also its log's.
func (l *launch) run(program Program, name string, c process.Command) (*process.Process, error) {
	c.Name, c.Path, c.Dir = name, l.paths[program.Name], l.Dir
	c.Log = filepath.Join(l.Dir, name+".log")
	p, err := process.Start(c)
	if err != nil {
		return nil, err
	}
	l.running.processes = append(l.running.processes, p)
	return p, nil
}

// addresses are n free ones.
func addresses(n int) ([]string, error) {
	list := make([]string, n)
	for i := range list {
		var err error
		if list[i], err = process.FreeAddress(); err != nil {
			return nil, err
		}
	}
	return list, nil
}
