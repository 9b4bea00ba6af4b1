//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollgate/tollgate/bench/process"
)

// Bounds of waiting for a state; nothing is held to them but that it comes.
const (
	healPatience = 40 * time.Second
	stopPatience = 15 * time.Second
	pollPause    = 20 * time.Millisecond
)

// quotaWait is the nodes' --quota-wait, how long a call waits for a decision.
const quotaWait = time.Second

// cluster is some nodes as processes.
type cluster struct {
	t      testing.TB
	net    network
	binary string
	dir    string // of data and logs; kept if the test fails
	secret string // cluster key and admin token; empty where the network is loopback
	admin  adminClient
	nodes  []*node

	mu     sync.Mutex
	deaths []string // of processes that ended by themselves
}

// node is one node, up or down.
type node struct {
	c      *cluster
	i      int
	id     string
	at     place
	binary string
	args   []string
	data   string
	log    string
	fault  sync.Mutex // held while a fault has the node

	mu     sync.Mutex
	proc   *process.Process
	frozen []span // when it was paused
	ends   bool   // it is to end by itself
}

// span is a time from begin to end; end is 0 while it goes on.
type span struct{ begin, end time.Duration }

// startCluster brings n nodes up on a network and waits until all are voters
// and ready. The cluster ends with the test.
func startCluster(t testing.TB, binary string, net network, n int) *cluster {
	t.Helper()
	c := layOutCluster(t, binary, net, n)
	c.startAll()
	return c
}

// layOutCluster makes a cluster of n nodes, none of them started.
func layOutCluster(t testing.TB, binary string, net network, n int) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "tollgate-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, net: net, binary: binary, dir: dir}
	t.Cleanup(c.close)
	if net.secured() {
		c.secret = strings.Repeat("chaos", 8) // no secret: it is the network that keeps others out
	}
	if c.admin, err = newAdminClient(c.secret); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c.nodes = append(c.nodes, c.layOut(i, n))
	}
	net.origin(func(i int) int { return c.nodes[i].pid() })
	return c
}

// startAll starts every node and waits until all are voters and ready.
func (c *cluster) startAll() {
	c.t.Helper()
	for _, nd := range c.nodes {
		if err := nd.start(); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, nd := range c.nodes {
		if err := c.await(nd.id+" is ready", healPatience, nd.ready); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.healed(healPatience); err != nil {
		c.t.Fatal(err)
	}
}

// layOut makes node i of n, not started. Its command line is the same for
// every start.
func (c *cluster) layOut(i, n int) *node {
	nd := &node{c: c, i: i, binary: c.binary, id: fmt.Sprintf("n%d", i+1), at: c.net.place(i)}
	nd.data, nd.log = filepath.Join(c.dir, nd.id), filepath.Join(c.dir, nd.id+".log")
	nd.args = []string{
		"node", "--id", nd.id, "--data-dir", nd.data,
		"--listen", nd.at.listen, "--admin", nd.at.admin, "--cluster", nd.at.cluster, "--advertise-cluster", nd.at.advertise,
		"--quota-wait", quotaWait.String(), "--drain-timeout", "5s", "--disk-timeout", "1m",
	}
	if c.secret != "" {
		nd.args = append(nd.args,
			"--cluster-key-file", c.secretFile("cluster.key", c.secret),
			"--admin-token-file", c.secretFile("admin.tokens", "admin chaos "+c.secret))
	}
	var all []string
	for o := range n {
		all = append(all, c.admin.url(c.net.place(o).admin))
	}
	nd.args = append(nd.args, "--bootstrap", "--join", strings.Join(all, ","))
	return nd
}

// secretFile writes a file that only its owner reads.
func (c *cluster) secretFile(name, content string) string {
	file := filepath.Join(c.dir, name)
	if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// start runs the node's command line.
func (n *node) start() error {
	args := n.args
	if n.i%2 == 1 && n.binary == built.path { // every other node that knows of it, so that updated ones move theirs
		args = append(slices.Clip(args), "--log-store", "wal")
	}
	name, args := n.c.net.command(n.i, n.binary, args)
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %.3f s: %s %s\n", clock().Seconds(), name, strings.Join(args, " "))
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := process.Start(process.Command{Name: n.id, Path: name, Args: args, Log: n.log, Died: n.died})
	if err != nil {
		return err
	}
	if n.proc = p; n.ends {
		p.MayEnd()
	}
	return nil
}

func (n *node) died(p *process.Process) {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	n.c.deaths = append(n.c.deaths, fmt.Sprintf("%s ended by itself at %.3f s with %v; its log is %s", n.id, clock().Seconds(), p.State(), n.log))
}

// process is the node's newest, nil before its first start.
func (n *node) process() *process.Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

func (n *node) pid() int {
	if p := n.process(); p != nil {
		return p.PID()
	}
	return 0
}

// terminate has a process stop in good order, or kills it.
func terminate(p *process.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	return p.Stop(ctx)
}

// freeze pauses the node, thaw has it go on.
func (n *node) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = append(n.frozen, span{begin: clock()})
	n.proc.Signal(syscall.SIGSTOP)
}

func (n *node) thaw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proc.Signal(syscall.SIGCONT)
	n.frozen[len(n.frozen)-1].end = clock()
}

// paused reports whether a call was under way while its node was paused.
func (c *cluster) paused(o op) bool {
	n := c.nodes[o.node]
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.frozen {
		if o.call < s.end && o.ret > s.begin {
			return true
		}
	}
	return false
}

// await tries until it succeeds, up to a patience. A node that has ended by
// itself is a failure.
func (c *cluster) await(what string, patience time.Duration, try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if died := c.died(); died != nil {
			return errors.Join(died...)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v until %s: %w", patience, what, err)
		}
		time.Sleep(pollPause) // between two looks
	}
}

// died is what processes ended by themselves.
func (c *cluster) died() (errs []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.deaths {
		errs = append(errs, errors.New(d))
	}
	return errs
}

// close stops every node; one that does not stop in good order is an error.
func (c *cluster) close() {
	var wg sync.WaitGroup
	for _, n := range c.nodes {
		p := n.process()
		if p == nil {
			continue
		}
		wg.Go(func() {
			p.Signal(syscall.SIGCONT)
			if c.t.Failed() {
				p.Kill()
			} else if err := terminate(p); err != nil {
				c.t.Error(err)
			}
		})
	}
	wg.Wait()
	c.net.close()
	for _, n := range c.nodes {
		c.searchLog(n)
	}
	if c.t.Failed() {
		c.t.Logf("logs and data of the nodes are kept in %s", c.dir)
		return
	}
	if err := os.RemoveAll(c.dir); err != nil {
		c.t.Error(err)
	}
}

// searchLog looks for what a process says that has gone wrong inside.
func (c *cluster) searchLog(n *node) {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "DATA RACE") {
			c.t.Errorf("%s: its log says %q", n.id, strings.TrimSpace(line))
			return
		}
	}
}
