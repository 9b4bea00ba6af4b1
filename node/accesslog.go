package node

import (
	"context"
	"fmt"

	"github.com/tollgate/tollgate/proxy/accesslog"
)

// accessLogOff is the path that means no access log.
const accessLogOff = "off"

// openAccessLog opens the access log, unless it is off.
func (n *Node) openAccessLog() (func(context.Context) error, error) {
	path := n.cfg.AccessLog
	if path == "" || path == accessLogOff {
		return nil, nil
	}
	log, err := accesslog.Open(path, n.cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("--access-log: %w", err)
	}
	n.accessLog = log
	return log.Close, log.Register(n.registry)
}

// reopenAccessLog lets go of a file that somebody has renamed.
func (n *Node) reopenAccessLog() error {
	if n.accessLog == nil {
		return nil
	}
	if err := n.accessLog.Reopen(); err != nil {
		n.cfg.Logger.Error("cannot reopen the access log; the file that was open stays in use", "error", err)
		return fmt.Errorf("--access-log: %w", err)
	}
	return nil
}
