package proxy

import (
	"log/slog"
	"sync"
	"time"

	"github.com/tollgate/tollgate/proxy/upstream"
)

// failurePause is how long a failure of the same domain and reason is only
// counted after one was logged: servers fail at the rate of requests.
const failurePause = 10 * time.Second

// failureLog logs the failures of the servers of one domain.
type failureLog struct {
	log         *slog.Logger
	msg, domain string

	mu sync.Mutex
	by [upstream.Reasons]struct {
		last    time.Time
		omitted int
	}
}

// add logs a failure with its reason, or counts it for the next line.
func (l *failureLog) add(server string, e *upstream.Error, now time.Time) {
	l.mu.Lock()
	by := &l.by[e.Reason]
	if !by.last.IsZero() && now.Sub(by.last) < failurePause {
		by.omitted++
		l.mu.Unlock()
		return
	}
	omitted := by.omitted
	by.last, by.omitted = now, 0
	l.mu.Unlock()
	l.log.Warn(l.msg, keyDomain, l.domain, keyServer, server, keyReason, e.Reason.String(), keyError, e.Err, keyOmitted, omitted)
}
