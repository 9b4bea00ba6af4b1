package store

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLogger gives raft, which logs through hclog, a slog logger.
func raftLogger(l *slog.Logger) hclog.Logger {
	il := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	il.RegisterSink(sink{l})
	return il
}

// sink is one hclog destination that is a slog logger.
type sink struct{ l *slog.Logger }

// Accept implements hclog.SinkAdapter. Raft's errors are mostly peers that
// cannot be reached: a warning for whoever reads this node's log.
func (s sink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	if level >= hclog.Warn {
		to = slog.LevelWarn
	}
	s.l.Log(context.Background(), to, "raft: "+msg, args...)
}
