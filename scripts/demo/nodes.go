package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// stopPatience is what a node gets to stop in good order: its own drain
	// timeout of 10 s, the 5 s that a stop may take beyond, and some more.
	stopPatience = 20 * time.Second
	// lastLines and lastBytes bound what is shown of a log.
	lastLines = 15
	lastBytes = 8 << 10
)

// node is one node as a child process.
type node struct {
	id           string
	proxy, admin string // base URLs
	args         []string
	log          string // the file its output goes to

	cmd  *exec.Cmd
	done chan struct{} // closed once the process has ended
}

// newNodes lays out the nodes. All have the same command line but for their own name
// and addresses: they find each other, and the first of them founds the cluster.
func newNodes(base basePort, dir string) []*node {
	nodes := make([]*node, nodeCount)
	var all []string
	for i := range nodes {
		all = append(all, "http://"+base.at(aboveAdmin+i+1))
	}
	for i := range nodes {
		number := i + 1
		id := fmt.Sprintf("n%d", number)
		n := &node{
			id:    id,
			proxy: "http://" + base.at(aboveProxy+number),
			admin: "http://" + base.at(aboveAdmin+number),
			log:   filepath.Join(dir, id+".log"),
			args: []string{"node", "--id", id, "--data-dir", filepath.Join(dir, id),
				"--listen", base.at(aboveProxy + number), "--admin", base.at(aboveAdmin + number), "--cluster", base.at(aboveCluster + number),
				"--bootstrap", "--join", strings.Join(all, ","),
				"--disk-timeout", "1m"}, // all have one disk: no other could do better
		}
		nodes[i] = n
	}
	return nodes
}

// start runs the node. When the process ends, for whatever reason, the node is
// sent to exits, which must have room for it.
func (n *node) start(binary string, exits chan<- *node) error {
	log, err := os.Create(n.log)
	if err != nil {
		return err
	}
	defer log.Close() // the child has a descriptor of its own
	cmd := exec.Command(binary, n.args...)
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s does not start: %w", n.id, err)
	}
	n.cmd, n.done = cmd, make(chan struct{})
	go func() { // stop waits for it
		_ = cmd.Wait() // ProcessState tells
		close(n.done)
		exits <- n
	}()
	return nil
}

// ended tells whether the process was started and is over.
func (n *node) ended() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// exitError is how a node that has ended did so, with the last of its output.
func (n *node) exitError() error {
	return fmt.Errorf("%s has ended: %v\n%s", n.id, n.cmd.ProcessState, tail(n.log))
}

// stopNodes tells the nodes that run to stop and waits until they have. The
// ones that have not when kill ends, or stopPatience, are killed. A node that
// did not stop in good order is an error.
func stopNodes(kill context.Context, nodes []*node) error {
	ctx, cancel := context.WithTimeout(kill, stopPatience)
	defer cancel()
	var running []*node
	for _, n := range nodes {
		if n.cmd != nil && !n.ended() {
			running = append(running, n)
			_ = n.cmd.Process.Signal(syscall.SIGTERM) // one that has just ended needs none
		}
	}
	var errs []error
	for _, n := range running {
		select {
		case <-n.done:
			if !inGoodOrder(n.cmd.ProcessState) {
				errs = append(errs, fmt.Errorf("%s did not stop in good order: %w", n.id, n.exitError()))
			}
		case <-ctx.Done():
			_ = n.cmd.Process.Kill()
			<-n.done
			errs = append(errs, fmt.Errorf("%s did not stop in time and was killed\n%s", n.id, tail(n.log)))
		}
	}
	return errors.Join(errs...)
}

// inGoodOrder tells whether a process that got a SIGTERM ended as it should.
// One that had not come so far as to handle it dies of it.
func inGoodOrder(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return state.Success() || ok && status.Signaled() && status.Signal() == syscall.SIGTERM
}

// withoutSettings drops what would change a node or a command behind the
// demo's back.
func withoutSettings(env []string) []string {
	var kept []string
	for _, line := range env {
		if !strings.HasPrefix(line, "TOLLGATE_") {
			kept = append(kept, line)
		}
	}
	return kept
}

// tail is the last lines of a log, set in.
func tail(path string) string {
	text, err := readLast(path, lastBytes)
	if err != nil {
		return "  (its log cannot be read: " + err.Error() + ")"
	}
	if strings.TrimSpace(text) == "" {
		return "  (it wrote nothing)"
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = lines[max(0, len(lines)-lastLines):]
	return "  " + strings.Join(lines, "\n  ")
}

func readLast(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
	return string(raw), err
}
