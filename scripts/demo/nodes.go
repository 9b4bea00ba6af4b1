package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tollgate/tollgate/bench/process"
)

// stopPatience is what a node gets to stop in good order: its own drain
// timeout of 10 s, the 5 s that a stop may take beyond, and some more.
const stopPatience = 20 * time.Second

// node is one node as a child process.
type node struct {
	id           string
	proxy, admin string // base URLs
	args         []string
	log          string // the file its output goes to

	process *process.Process // nil before the start
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

// start runs the node. If it ends by itself it is sent to exits, which must have
// room for it.
func (n *node) start(binary string, exits chan<- *node) (err error) {
	n.process, err = process.Start(process.Command{
		Name: n.id, Path: binary, Args: n.args, Log: n.log,
		Died: func(*process.Process) { exits <- n },
	})
	return err
}

// exitError is how a node that has ended did so, with the last of its output.
func (n *node) exitError() error { return n.process.Err() }

// stopNodes tells the nodes that run to stop and waits until they have. The
// ones that have not when kill ends, or stopPatience, are killed. A node that
// did not stop in good order is an error.
func stopNodes(kill context.Context, nodes []*node) error {
	ctx, cancel := context.WithTimeout(kill, stopPatience)
	defer cancel()
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		if n.process == nil || n.process.Err() != nil {
			continue
		}
		wg.Go(func() { errs[i] = n.process.Stop(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
