package store

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// raftLogger gives raft, which logs through hclog, a slog logger.
func raftLogger(l *slog.Logger) hclog.Logger {
	il := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	il.RegisterSink(&sink{l: l, warned: map[string]time.Time{}})
	return il
}

// sink is one hclog destination that is a slog logger.
type sink struct {
	l *slog.Logger

	mu sync.Mutex
	// warned is when a warning was last passed on, by its text.
	warned map[string]time.Time
}

// warnEvery is how often a warning is repeated: raft says several times a second
// that a peer cannot be reached.
const warnEvery = 10 * time.Second

// Accept implements hclog.SinkAdapter. Raft's errors are mostly peers that
// cannot be reached: a warning for whoever reads this node's log.
func (s *sink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	if level >= hclog.Warn && s.due(msg) {
		to = slog.LevelWarn
	}
	s.l.Log(context.Background(), to, "raft: "+msg, args...)
}

// due reports whether a warning was not passed on lately. Raft's texts are few.
func (s *sink) due(msg string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.warned[msg]) < warnEvery {
		return false
	}
	s.warned[msg] = now
	return true
}
