//go:build unix

package accesslog

import (
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
)

// TestUnreadPipe: a pipe that nobody reads does not hang a start.
func TestUnreadPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := Open(path, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("opened: %v", err)
	}
}
