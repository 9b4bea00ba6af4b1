package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/nodetest"
)

// realNode are the flags of a node that founds a cluster of its own, and its
// addresses for clients and for the admin API.
func realNode(t *testing.T) (flags []string, listen, admin string) {
	listen, admin = nodetest.FreeAddr(t), nodetest.FreeAddr(t)
	return []string{"--data-dir", t.TempDir(), "--bootstrap", "--founding-wait", "1ms",
		"--listen", listen, "--admin", admin, "--cluster", "127.0.0.1:0"}, listen, admin
}

func waitReady(t *testing.T, admin string) {
	t.Helper()
	eventually(t, "the node is ready", func() bool {
		return command{args: words("ready"), env: []string{"TOLLGATE_ADMIN_URL=" + admin}}.run(t.Context()).status == cli.Done
	})
}

// ask calls a domain that there is not, and returns the call's ID.
func ask(t *testing.T, listen, id string) string {
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+listen+"/nope/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.Header.Get("X-Request-Id")
}

// TestAccessLogRotates: whoever renames the access log and sends SIGHUP, as
// logrotate does, finds a line for every call, under load and behind a stop.
func TestAccessLogRotates(t *testing.T) {
	flags, listen, admin := realNode(t)
	path := filepath.Join(t.TempDir(), "access.log")
	c := startChild(t, "real", append(flags, "--access-log", path)...)
	waitReady(t, admin)
	var wg sync.WaitGroup
	var made atomic.Int64
	done := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					ask(t, listen, fmt.Sprintf("%d-%d", w, i))
					made.Add(1)
				}
			}
		})
	}
	const turns = 5
	for i := range turns {
		before := made.Load()
		eventually(t, "calls are made", func() bool { return made.Load() > before+20 })
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the file is made anew", func() bool { _, err := os.Stat(path); return err == nil })
	}
	close(done)
	wg.Wait()
	http.DefaultClient.CloseIdleConnections()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, rest := c.exit(t); got != cli.Done {
		t.Errorf("exit status %d: %s", got, rest)
	}
	files, _ := filepath.Glob(path + "*")
	lines := int64(0)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !json.Valid([]byte(line)) || !strings.HasSuffix(line, "}\n") {
				t.Errorf("%s: %q", f, line)
			}
			lines++
		}
	}
	if len(files) != turns+1 || lines != made.Load() {
		t.Errorf("%d files with %d lines for %d calls", len(files), lines, made.Load())
	}
}

// TestAccessLogReaderLeaves: a node whose standard output nobody reads any more
// goes on, and counts.
func TestAccessLogReaderLeaves(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	flags, listen, admin := realNode(t)
	c := startChildTo(t, w, "real", append(flags, "--access-log", "-")...)
	w.Close()
	waitReady(t, admin)
	ask(t, listen, "read")
	buf := make([]byte, 4096)
	if n, err := r.Read(buf); err != nil || !strings.Contains(string(buf[:n]), `"requestId":"read"`) {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	r.Close()
	eventually(t, "a line is lost", func() bool {
		ask(t, listen, "lost")
		resp, err := http.Get("http://" + admin + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		_, rest, _ := strings.Cut(string(text), `tollgate_access_log_dropped_total{reason="failed"} `)
		return rest != "" && rest[0] != '0'
	})
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, rest := c.exit(t); got != cli.Done || !strings.Contains(rest, "the access log cannot be written") {
		t.Errorf("exit status %d: %s", got, rest)
	}
}
