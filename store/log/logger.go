package log

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
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
	s.l.Log(context.Background(), to, "raft: "+msg, plainArgs(args)...)
}

// plainArgs makes what raft logs read as the rest of the log does: keys without
// dashes and spaces, times in seconds with the unit in the key, and servers as
// people write them.
func plainArgs(args []any) []any {
	out := slices.Clone(args)
	for i := 1; i < len(out); i += 2 {
		key := plainKey(fmt.Sprint(out[i-1]))
		out[i-1] = key
		switch v := out[i].(type) {
		case time.Duration:
			out[i-1] = key + "Seconds"
			out[i] = v.Seconds()
		case raft.Server:
			out[i] = plainServer(v)
		case hclog.Format:
			out[i] = plainFormat(v)
		}
	}
	return out
}

// plainFormat is what raft would have formatted.
func plainFormat(f hclog.Format) string {
	if len(f) < 2 {
		return fmt.Sprint(f...)
	}
	if servers, ok := f[1].([]raft.Server); ok {
		list := make([]string, len(servers))
		for i, s := range servers {
			list[i] = plainServer(s)
		}
		return strings.Join(list, ", ")
	}
	format, _ := f[0].(string)
	return fmt.Sprintf(format, f[1:]...)
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

func plainServer(s raft.Server) string {
	return fmt.Sprintf("%s at %s (%s)", s.ID, s.Address, strings.ToLower(s.Suffrage.String()))
}

// plainKey is a key of raft's, such as "last-leader-id", as ours are spelled.
func plainKey(key string) string {
	words := strings.FieldsFunc(key, func(c rune) bool { return c == '-' || c == ' ' })
	for i := 1; i < len(words); i++ {
		words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
	}
	return strings.Join(words, "")
}
