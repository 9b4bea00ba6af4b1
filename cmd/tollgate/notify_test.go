package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// TestNotify: systemd hears when a node listens, and when it stops.
func TestNotify(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan outcome, 1)
	go func() { ended <- command{args: nodeArgs, open: opens(&fakeNode{})}.run(ctx) }()
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		b := make([]byte, 100)
		if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := socket.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Fatalf("systemd hears %q, %v, want %q", b[:n], err, want)
		}
		cancel()
	}
	if got := <-ended; got != (outcome{cli.Done, "", ""}) {
		t.Errorf("%+v", got)
	}
}
