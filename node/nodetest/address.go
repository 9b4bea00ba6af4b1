package nodetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
)

// taken are the ports that FreeAddr has given away.
var taken struct {
	mu    sync.Mutex
	ports map[int]bool
}

// FreeAddr is a loopback address that stays free while a node restarts, for a
// test that cannot do with port 0. It is given once. Tests run beside each other
// in processes of their own: where the system has more loopback addresses than
// one, each process has its own, so that none can take another's port.
func FreeAddr(t testing.TB) string {
	t.Helper()
	taken.mu.Lock()
	defer taken.mu.Unlock()
	if taken.ports == nil {
		taken.ports = map[int]bool{}
	}
	pid := os.Getpid()
	own := fmt.Sprintf("127.%d.%d.%d", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
	for range 1000 {
		// Below the range from which the kernel takes ports for outgoing connections.
		port := 10_000 + rand.IntN(20_000)
		if taken.ports[port] {
			continue
		}
		for _, host := range []string{own, "127.0.0.1"} {
			addr := fmt.Sprintf("%s:%d", host, port)
			if ln, err := net.Listen("tcp", addr); err == nil {
				ln.Close()
				taken.ports[port] = true
				return addr
			}
		}
	}
	t.Fatal("found no free port between 10000 and 30000")
	return ""
}
