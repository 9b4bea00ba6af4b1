package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const patience = time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
}

func put(l *Log, id string) { l.Put(l.Record(&Entry{RequestID: []byte(id)})) }

// ids are the request IDs in a text of whole lines.
func ids(t *testing.T, text string) (found []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		_, rest, ok := strings.Cut(line, `"requestId":"`)
		id, _, whole := strings.Cut(rest, `"`)
		if !ok || !whole || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("%q is not a line", line)
		}
		found = append(found, id)
	}
	return found
}

// TestRotation: who renames the file and has it reopened, under load, finds
// every line once in one of the files.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	l, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const writers, each, turns = 4, 2000, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				put(l, fmt.Sprintf("%d-%d", w, i))
			}
		})
	}
	for i := range turns {
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	put(l, "last")
	closeLog(t, l)
	files, _ := filepath.Glob(path + "*")
	if len(files) != turns+1 {
		t.Errorf("%d files", len(files))
	}
	seen := map[string]int{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids(t, string(text)) {
			seen[id]++
		}
	}
	if len(seen) != writers*each+1 || l.full.Load()+l.failed.Load() != 0 {
		t.Errorf("%d lines of %d, dropped %d and %d", len(seen), writers*each+1, l.full.Load(), l.failed.Load())
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
	if text, _ := os.ReadFile(path); len(ids(t, string(text))) == 0 {
		t.Error("the last line is not in the newest file")
	}
}

// TestReopenFails: without a file to open, the old one stays in use.
func TestReopenFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "logs", "access.log")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Dir(path), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("reopened in a directory that is not there")
	}
	put(l, "a")
	closeLog(t, l)
	text, err := os.ReadFile(filepath.Join(dir, "moved", "access.log"))
	if err != nil || len(ids(t, string(text))) != 1 {
		t.Errorf("%q, %v", text, err)
	}
}

// slow is a log file that takes nothing until it is told to.
type slow struct {
	taken chan struct{}
	bytes.Buffer
}

func (s *slow) Write(p []byte) (int, error) {
	<-s.taken
	return s.Buffer.Write(p)
}

// TestDrops: a log that is not taken holds nobody up; what does not fit is
// dropped and counted, and the memory for it is bounded.
func TestDrops(t *testing.T) {
	out := &slow{taken: make(chan struct{})}
	l := New(out, slog.New(slog.DiscardHandler))
	reg := prometheus.NewRegistry()
	if err := l.Register(reg); err != nil {
		t.Fatal(err)
	}
	const lines = 30_000
	for i := range lines {
		put(l, fmt.Sprint(i))
	}
	dropped := counted(t, reg, "tollgate_access_log_dropped_total", "full")
	if dropped == 0 {
		t.Error("none was dropped")
	}
	l.mu.Lock()
	if n := cap(l.queue); n > 2*maxQueue {
		t.Errorf("%d bytes wait", n)
	}
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("closed without an error, %v", err)
	}
	close(out.taken)
	closeLog(t, l)
	if n := len(ids(t, out.String())); n == 0 || uint64(n)+uint64(dropped) != lines || counted(t, reg, "tollgate_access_log_lines_total", "") != float64(n) {
		t.Errorf("%d lines are there and %v dropped of %d", n, dropped, lines)
	}
}

func counted(t *testing.T, reg prometheus.Gatherer, name, reason string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (reason == "" || m.GetLabel()[0].GetValue() == reason) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// full is a disk with room for some bytes.
type full struct {
	mu   sync.Mutex
	room int
	got  []byte
}

func (f *full) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(p), f.room)
	f.got = append(f.got, p[:n]...)
	if f.room -= n; n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// TestFullDisk: what cannot be written is counted and told once, and the log
// goes on in a line of its own when there is room again.
func TestFullDisk(t *testing.T) {
	disk := &full{room: 500}
	var told bytes.Buffer
	l := New(disk, slog.New(slog.NewTextHandler(&told, nil)))
	for _, id := range []string{"a", "b", "c"} {
		put(l, id)
	}
	eventually(t, "lines are lost", func() bool { return l.failed.Load() > 0 })
	put(l, "d")
	eventually(t, "the next is as well", func() bool { return l.failed.Load() == 3 })
	disk.mu.Lock()
	disk.room = 1 << 20
	disk.mu.Unlock()
	put(l, "e")
	closeLog(t, l)
	all := strings.SplitAfter(string(disk.got), "\n")
	if len(all) != 4 || ids(t, all[0])[0] != "a" || ids(t, all[2])[0] != "e" || all[3] != "" {
		t.Errorf("%q", all)
	}
	if l.written.Load() != 2 || strings.Count(told.String(), "level=ERROR") != 1 || !strings.Contains(told.String(), "no space left") {
		t.Errorf("%d written, told %s", l.written.Load(), told.String())
	}
}

// TestClosedPipe: who read the log has gone.
func TestClosedPipe(t *testing.T) {
	r, w := io.Pipe()
	_ = r.Close()
	l := New(w, slog.New(slog.DiscardHandler))
	put(l, "a")
	closeLog(t, l)
	if l.failed.Load() != 1 {
		t.Errorf("%d lost", l.failed.Load())
	}
}
