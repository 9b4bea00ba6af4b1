package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// nodeCount is the least that survives the loss of a node.
const nodeCount = 3

// basePort is the port that all others are counted from: 7000 gives 7001 to
// 7003, 8001 to 8003, 9001 to 9003, and 8100.
type basePort int

// defaultBase gives the ports that `tollgate node` has by default to n1.
const defaultBase basePort = 7000

// How far above the base port the ports are.
const (
	aboveCluster  = 0 // and the node's number
	aboveProxy    = 1000
	aboveEndpoint = 1100
	aboveAdmin    = 2000
	maxBase       = 65535 - aboveAdmin - nodeCount
)

// Free ports are looked for below those that systems hand out to outgoing
// connections: such a one could be gone when the node wants it.
const (
	lowestFree, highestFree = 10_000, 30_000 - aboveAdmin
	freeAttempts            = 200
)

func (b basePort) at(above int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(b)+above))
}

func (b basePort) endpoint() string { return b.at(aboveEndpoint) }

// all lists every address of the demo.
func (b basePort) all() []string {
	list := []string{b.endpoint()}
	for i := 1; i <= nodeCount; i++ {
		list = append(list, b.at(aboveCluster+i), b.at(aboveProxy+i), b.at(aboveAdmin+i))
	}
	return list
}

// checkFree reports every address that cannot be listened on.
func (b basePort) checkFree() error {
	var taken []string
	var errs []error
	for _, addr := range b.all() {
		ln, err := net.Listen("tcp", addr)
		switch {
		case err == nil:
			ln.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			taken = append(taken, addr)
		default:
			errs = append(errs, fmt.Errorf("%s: cannot listen there: %w", addr, err))
		}
	}
	if taken != nil {
		is := "is"
		if len(taken) > 1 {
			is = "are"
		}
		errs = append(errs, fmt.Errorf("%s %s taken, by what is unknown: stop what listens there, or count from another port than %d: make run BASE_PORT=%d (-base-port of bin/demo)",
			strings.Join(taken, ", "), is, b, anotherBase(b)))
	}
	return errors.Join(errs...)
}

// anotherBase is a base port to try instead of b.
func anotherBase(b basePort) basePort {
	if b += 10_000; b > maxBase {
		return lowestFree
	}
	return b
}

// freeBase finds a base port with nothing at its addresses.
func freeBase() (basePort, error) {
	var err error
	for range freeAttempts {
		b := basePort(lowestFree + rand.IntN(highestFree-lowestFree))
		if err = b.checkFree(); err == nil {
			return b, nil
		}
	}
	return 0, fmt.Errorf("found no free ports between %d and %d; the last attempt: %w", lowestFree, highestFree+aboveAdmin, err)
}
