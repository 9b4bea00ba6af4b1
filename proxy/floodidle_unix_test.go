//go:build unix

package proxy

import (
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The idle connections of TestFloodOfIdle, and what the process may have in use
// with them, in bytes.
const (
	idleConns  = 10_000
	idleMemory = 150_000_000
)

// TestFloodOfIdle: kept connections that wait for their next request cost
// little.
func TestFloodOfIdle(t *testing.T) {
	if runtime.GOOS != "linux" || raced || testing.Short() {
		t.Skip("memory is measured on Linux, and it takes some seconds")
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < idleConns+500 {
		t.Skipf("%d files may be open here, %d are needed: %v", files.Cur, idleConns+500, err)
	}
	up := startRecorder(t, says(ok200))
	gw := startProcess(t, "^TestFloodGateway$", floodServer, up.url())
	conns := make([]net.Conn, idleConns)
	var wg sync.WaitGroup
	turn := make(chan struct{}, 16)
	for i := range conns {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			c := dialFrom(t, gw.addr, byte(2+i%4))
			conns[i] = c.Conn
			c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
			if a := c.read(); a == nil || a.StatusCode != 200 {
				t.Errorf("%+v", a)
			}
			_ = c.SetDeadline(time.Time{})
		})
	}
	wg.Wait()
	used := gw.memory(t)
	t.Logf("%d idle connections: %d MB in use", idleConns, used/1e6)
	if used > idleMemory {
		t.Errorf("%d MB in use, want at most %d", used/1e6, idleMemory/1_000_000)
	}
	for _, c := range conns {
		_ = c.Close()
	}
}
