package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

const (
	// stopTime is how long a stop may take beyond --lame-duck and
	// --drain-timeout, stopReserve how long before that a process that hangs is
	// ended.
	stopTime    = 5 * time.Second
	stopReserve = 250 * time.Millisecond
)

// watchdog ends the process, whatever hangs, when it has taken longer to stop
// than it may: a process that was told to stop must not stay.
type watchdog struct {
	app     *app
	limit   time.Duration
	running atomic.Pointer[runningNode] // nil while it starts

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

// begin starts the time that a stop may take.
func (w *watchdog) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil && !w.over {
		w.timer = time.AfterFunc(w.limit, w.bite)
	}
}

func (w *watchdog) bite() {
	step := "the start"
	if n := w.running.Load(); n != nil {
		step = (*n).Stopping()
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		fmt.Fprintf(w.app.Stderr, "tollgate node: the stop hangs at: %s; the process ends without it\n", step)
	}()
	select {
	case <-said:
	case <-time.After(stopReserve / 2): // it may be the log that hangs
	}
	w.app.exit(cli.Failed)
}

// end is called when the stop is over.
func (w *watchdog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over = true; w.timer != nil {
		w.timer.Stop()
	}
}
