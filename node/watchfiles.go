package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// filePause is how often the node looks whether a file that it read has changed.
const filePause = time.Second

// watchedFiles is something that is made of files, and made anew when they
// change. What cannot be made leaves the former in use.
type watchedFiles struct {
	what  string // for the log
	paths []string
	load  func() error

	mu   sync.Mutex
	seen []os.FileInfo // nil where there was no file
}

// watchFiles loads what paths hold, now and whenever one of them changes.
func (n *Node) watchFiles(what string, load func() error, paths ...string) error {
	w := &watchedFiles{what: what, paths: paths, load: load}
	w.changed()
	if err := load(); err != nil {
		return err
	}
	n.files = append(n.files, w)
	return nil
}

// changed tells whether a file is another one than it was when changed was
// called last.
func (w *watchedFiles) changed() bool {
	now := make([]os.FileInfo, len(w.paths))
	changed := w.seen == nil
	for i, path := range w.paths {
		if info, err := os.Stat(path); err == nil {
			now[i] = info
		}
		if w.seen != nil && !sameFile(w.seen[i], now[i]) {
			changed = true
		}
	}
	w.seen = now
	return changed
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// reload loads the files anew if they changed, or in any case.
func (n *Node) reload(w *watchedFiles, always bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	// The state is noted before the files are read: what changes meanwhile is
	// seen the next time.
	if changed := w.changed(); !changed && !always {
		return nil
	}
	if err := w.load(); err != nil {
		n.cfg.Logger.Error("cannot reload; what was loaded before stays in use", "what", w.what, "error", err)
		return fmt.Errorf("%s: %w", w.what, err)
	}
	n.cfg.Logger.Info("reloaded", "what", w.what)
	return nil
}

// Reload reads certificates and token files anew and reopens the access log, as
// SIGHUP asks. What cannot be read or opened stays as it was.
func (n *Node) Reload() error {
	var errs []error
	for _, w := range n.files {
		errs = append(errs, n.reload(w, true))
	}
	return errors.Join(append(errs, n.reopenAccessLog())...)
}

// watchSecrets reads the files of secrets and keeps up with them.
func (n *Node) watchSecrets() (func(context.Context) error, error) {
	if err := n.loadSecrets(); err != nil {
		return nil, err
	}
	if len(n.files) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(filePause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				for _, w := range n.files {
					_ = n.reload(w, false) // it has been logged
				}
			}
		}
	})
	return func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	}, nil
}
