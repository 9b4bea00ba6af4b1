package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxQueue is how many bytes of lines wait at most while others are written.
	maxQueue = 4 << 20
	// gather is how long the first of the lines that wait is waited with, so that
	// many are written at once.
	gather = 20 * time.Millisecond
	// fileMode is that of a log that is made.
	fileMode = 0o640
)

// Stdout is the path that means standard output.
const Stdout = "-"

// Log is an access log. Its methods may be called at the same time.
type Log struct {
	path   string
	slog   *slog.Logger
	warned time.Time // when the writer did last

	mu     sync.Mutex
	queue  []byte // lines that nobody has taken to write yet
	queued int
	closed bool

	wake chan struct{} // has a value when there is something for the writer
	next atomic.Pointer[output]
	done chan struct{} // closed when the writer has ended
	stop chan struct{} // closed by Close
	once sync.Once

	records sync.Pool // of *Record

	written, full, failed atomic.Uint64
}

// output is where lines go.
type output struct {
	io.Writer
	close func() error
	// torn is true while the last line is not whole.
	torn bool
}

// Open opens the log at path, which is made where it is missing, or standard
// output for Stdout.
func Open(path string, log *slog.Logger) (*Log, error) {
	out, err := open(path)
	if err != nil {
		return nil, err
	}
	return start(path, out, log), nil
}

// New makes a log that writes to w, which is never closed.
func New(w io.Writer, log *slog.Logger) *Log {
	return start(Stdout, &output{Writer: w, close: func() error { return nil }}, log)
}

func start(path string, out *output, log *slog.Logger) *Log {
	l := &Log{
		path: path, slog: log,
		wake: make(chan struct{}, 1), done: make(chan struct{}), stop: make(chan struct{}),
	}
	l.records.New = func() any { return new(Record) }
	go l.write(out) // until Close
	return l
}

func open(path string) (*output, error) {
	if path == Stdout {
		return &output{Writer: os.Stdout, close: func() error { return nil }}, nil
	}
	// Without waiting: a pipe that nobody reads is an error, and no node that hangs.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, fileMode)
	if err != nil {
		return nil, err
	}
	return &output{Writer: f, close: f.Close}, nil
}

// Register tells reg about the log's counters.
func (l *Log) Register(reg prometheus.Registerer) error {
	counter := func(name, help string, labels prometheus.Labels, n *atomic.Uint64) error {
		return reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(n.Load()) }))
	}
	const dropped = "Lines of the access log that were dropped, by reason: full is a log that is slower than the calls, failed one that cannot be written."
	return errors.Join(
		counter("tollgate_access_log_lines_total", "Lines of the access log that were written.", nil, &l.written),
		counter("tollgate_access_log_dropped_total", dropped, prometheus.Labels{"reason": "full"}, &l.full),
		counter("tollgate_access_log_dropped_total", dropped, prometheus.Labels{"reason": "failed"}, &l.failed))
}

// Record is an entry whose texts are copied, so that it can outlive its call.
type Record struct {
	Entry
	text, line []byte
}

// Record keeps an entry until Put.
func (l *Log) Record(e *Entry) *Record {
	r := l.records.Get().(*Record)
	r.Entry = *e
	r.text = append(append(append(append(r.text[:0], e.RequestID...), e.ClientAddress...), e.Path...), e.TraceID...)
	rest := r.text
	for _, part := range [...]*[]byte{&r.RequestID, &r.ClientAddress, &r.Path, &r.TraceID} {
		n := len(*part)
		*part, rest = rest[:n], rest[n:]
	}
	return r
}

// maxKept is the largest buffer that a Record keeps.
const maxKept = 8 << 10

// Put writes a record, which is not used afterwards.
func (l *Log) Put(r *Record) {
	r.line = r.Append(r.line[:0])
	l.add(r.line)
	if cap(r.line) <= maxKept {
		*r = Record{text: r.text[:0], line: r.line[:0]}
		l.records.Put(r)
	}
}

// add queues a line, or drops it.
func (l *Log) add(line []byte) {
	l.mu.Lock()
	before := len(l.queue)
	if l.closed || before+len(line) > maxQueue {
		l.mu.Unlock()
		l.full.Add(1)
		return
	}
	l.queue = append(l.queue, line...)
	l.queued++
	l.mu.Unlock()
	// At the first line, and when there is enough not to wait for more.
	if before == 0 || before < maxQueue/4 && before+len(line) >= maxQueue/4 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Reopen opens the path anew, for who has renamed the file. Lines before it may
// go to the old one; none is lost. Without success the old one stays in use.
func (l *Log) Reopen() error {
	if l.path == Stdout {
		return nil
	}
	out, err := open(l.path)
	if err != nil {
		return err
	}
	if late := l.next.Swap(out); late != nil {
		_ = late.close() // nothing was written to it
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// Close writes what is queued and ends the log. When ctx ends first, what is
// left is lost, and its error is returned.
func (l *Log) Close(ctx context.Context) error {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.stop)
	})
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("access log %s: lines were not written in time: %w", l.path, ctx.Err())
	}
}

// write is the writer, until Close.
func (l *Log) write(out *output) {
	defer close(l.done)
	defer func() { _ = out.close() }() // it has been written
	pause := time.NewTimer(0)
	<-pause.C
	var spare []byte
	for ending := false; ; {
		if !ending {
			select {
			case <-l.wake:
				pause.Reset(gather)
				select {
				case <-pause.C:
				case <-l.wake:
					pause.Stop()
				case <-l.stop:
					ending = true
				}
			case <-l.stop:
				ending = true
			}
		}
		if next := l.next.Swap(nil); next != nil {
			_ = out.close() // what was written to it is there or was counted
			out = next
		}
		l.mu.Lock()
		lines, n := l.queue, l.queued
		l.queue, l.queued = spare[:0], 0
		l.mu.Unlock()
		if n > 0 {
			l.flush(out, lines, n)
		} else if ending {
			return
		}
		spare = lines
	}
}

// flush writes n lines. What fails is dropped: a full disk must not hold
// anybody up.
func (l *Log) flush(out *output, lines []byte, n int) {
	if out.torn {
		// The rest of a line that was cut off must not become one with the next.
		if _, err := out.Write([]byte{'\n'}); err != nil {
			l.lost(n, err)
			return
		}
		out.torn = false
	}
	wrote, err := out.Write(lines)
	if err == nil {
		l.written.Add(uint64(n))
		return
	}
	whole := bytes.Count(lines[:wrote], []byte{'\n'})
	out.torn = wrote > 0 && lines[wrote-1] != '\n'
	l.written.Add(uint64(whole))
	l.lost(n-whole, err)
}

// lost counts lines, and tells of it at most once a minute.
func (l *Log) lost(n int, err error) {
	l.failed.Add(uint64(n))
	if time.Since(l.warned) < time.Minute {
		return
	}
	l.warned = time.Now()
	l.slog.Error("the access log cannot be written; its lines are lost", "path", l.path, "error", err)
}
