package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Free ports are looked for below those that systems hand out to outgoing
// connections: such a one could be gone when the child wants it.
const (
	lowestPort, highestPort = 10_000, 30_000
	portAttempts            = 500
)

// handedOut has the ports that FreePort has given away: the child that it was
// for may not listen on it yet, or not at this moment.
var handedOut = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// FreePort is a TCP port of 10000 to 29999 that nothing listens on at
// 127.0.0.1. It gives no port twice. Another process may take the port before
// the child for which it is does; the child then says so.
func FreePort() (int, error) {
	handedOut.Lock()
	defer handedOut.Unlock()
	var last error
	for range portAttempts {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if handedOut.ports[port] {
			continue
		}
		ln, err := net.Listen("tcp", address(port))
		if err != nil {
			last = err
			continue
		}
		ln.Close()
		handedOut.ports[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("found no free port between %d and %d in %d attempts, %d are handed out; the last error: %w",
		lowestPort, highestPort-1, portAttempts, len(handedOut.ports), last)
}

// FreeAddress is FreePort's as a host:port of loopback.
func FreeAddress() (string, error) {
	port, err := FreePort()
	if err != nil {
		return "", err
	}
	return address(port), nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
