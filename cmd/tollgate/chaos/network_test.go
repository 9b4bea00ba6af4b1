//go:build linux

package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// network is what the nodes of a cluster talk through, and what the test can do
// to it. Nodes are numbered from 0.
type network interface {
	// place is where node i has its listeners.
	place(i int) place
	// command is how to run a command line on node i's machine.
	command(i int, name string, args []string) (string, []string)
	// set changes how what from sends reaches to, until it is set again.
	set(from, to int, w weather)
	// sever breaks what connections there are between a and b; it reports
	// false where the network cannot.
	sever(a, b int) bool
	// slows reports whether weather.delay is of use.
	slows() bool
	// secured reports whether others could reach the ports, so that nodes need
	// a token.
	secured() bool
	// origin tells the network what process a node is.
	origin(pid func(i int) int)
	close()
}

// place is a node's addresses. Other nodes use advertise for cluster.
type place struct{ listen, admin, cluster, advertise string }

// weather is the state of one direction between two nodes. The zero value is
// fair.
type weather struct {
	// lost: nothing arrives, and nobody is told.
	lost bool
	// refused: attempts fail at once.
	refused bool
	// delay is added to all that arrives.
	delay time.Duration
}

func (w weather) String() string {
	switch {
	case w.lost:
		return "lost"
	case w.refused:
		return "refused"
	case w.delay > 0:
		return "delayed by " + w.delay.String()
	}
	return "fair"
}

// freeAddresses is loopback addresses that stay free while a node restarts:
// below the range from which the kernel takes ports for outgoing connections,
// and above those that other tests take.
func freeAddresses(count int) ([]string, error) {
	var held []net.Listener // until all are found, so that no two are the same
	defer func() {
		for _, ln := range held {
			ln.Close()
		}
	}()
	var list []string
	var err error
	for range 1000 {
		if len(list) == count {
			return list, nil
		}
		addr := fmt.Sprintf("127.0.0.1:%d", 30_100+rand.IntN(2600))
		var ln net.Listener
		if ln, err = net.Listen("tcp", addr); err == nil {
			held, list = append(held, ln), append(list, addr)
		}
	}
	return nil, fmt.Errorf("found no %d free ports between 30100 and 32700: %w", count, err)
}
