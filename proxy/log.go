package proxy

import (
	"context"
	"fmt"
	"log/slog"
)

// Keys of log lines.
const (
	keyAddress     = "address"
	keyCause       = "cause"
	keyCode        = "code"
	keyDomain      = "domain"
	keyEndpoint    = "endpoint"
	keyError       = "error"
	keyMaxConns    = "maxConns"
	keyMaxEach     = "maxConnsPerClient"
	keyMethod      = "method"
	keyOmitted     = "omitted"
	keyPanic       = "panic"
	keyReason      = "reason"
	keySeconds     = "seconds"
	keyServer      = "server"
	keyStack       = "stack"
	keyStatus      = "status"
	keyTookSeconds = "tookSeconds"
)

// debugLogger is fasthttp's logger: what it has to say concerns one client.
type debugLogger struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (l debugLogger) Printf(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...))
	}
}
