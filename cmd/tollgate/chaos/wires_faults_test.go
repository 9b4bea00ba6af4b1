//go:build linux

package chaos

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// soon is long enough for what is to arrive on loopback, and short enough to
// wait for what is not.
const soon = 100 * time.Millisecond

// twoNodes lays wires between this process, as the node 0, and an echo, as the
// node 1, and returns a connection from the one to the other.
func twoNodes(t *testing.T) (*wires, func() net.Conn) {
	w, err := newWires(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	w.origin(func(i int) int { return []int{os.Getpid(), 0}[i] })
	echo, err := net.Listen("tcp", w.place(1).cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { echo.Close() })
	go func() { // ends with the listener
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	return w, func() net.Conn {
		c, err := net.Dial("tcp", w.place(1).advertise)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

// say sends a letter and returns what comes back within a time.
func say(t *testing.T, c net.Conn, within time.Duration) (byte, error) {
	t.Helper()
	if _, err := c.Write([]byte{'a'}); err != nil {
		return 0, err
	}
	return hear(c, within)
}

func hear(c net.Conn, within time.Duration) (byte, error) {
	_ = c.SetReadDeadline(time.Now().Add(within))
	var b [1]byte
	_, err := io.ReadFull(c, b[:])
	return b[0], err
}

// TestWires: each fault of the network is what it says.
func TestWires(t *testing.T) {
	w, dial := twoNodes(t)
	c := dial()
	if _, err := say(t, c, patient); err != nil {
		t.Fatalf("fair: %v", err)
	}
	for name, way := range map[string][2]int{"there": {0, 1}, "back": {1, 0}} {
		w.set(way[0], way[1], weather{lost: true})
		if _, err := say(t, c, soon); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("lost on the way %s: %v", name, err)
		}
		fresh := dial()
		if _, err := say(t, fresh, soon); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("lost on the way %s, a new connection: %v", name, err)
		}
		w.set(way[0], way[1], weather{})
		for _, late := range []net.Conn{c, fresh} {
			if _, err := hear(late, patient); err != nil {
				t.Errorf("mended, what was lost on the way %s does not arrive: %v", name, err)
			}
		}
	}
	w.set(0, 1, weather{delay: soon})
	begin := time.Now()
	if _, err := say(t, c, patient); err != nil || time.Since(begin) < soon {
		t.Errorf("delayed by %v: after %v, %v", soon, time.Since(begin), err)
	}
	w.set(0, 1, weather{refused: true})
	// The refusal may come before the connection is there, or behind that.
	refused, err := net.Dial("tcp", w.place(1).advertise)
	if err == nil {
		_, err = hear(refused, patient)
		refused.Close()
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("refused: %v", err)
	}
	w.set(0, 1, weather{})
	w.sever(1, 0)
	if _, err := hear(c, patient); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("severed: %v", err)
	}
	if _, err := say(t, dial(), patient); err != nil {
		t.Errorf("fair again: %v", err)
	}
}
