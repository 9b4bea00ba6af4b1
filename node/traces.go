package node

import (
	"context"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/proxy/tracing"
)

// openTraces begins to send spans, where there is a collector.
func (n *Node) openTraces() (func(context.Context) error, error) {
	if n.cfg.OTLPEndpoint == "" {
		return nil, nil
	}
	var err error
	n.tracer, err = tracing.Open(context.Background(), tracing.Config{
		Endpoint: n.cfg.OTLPEndpoint, Ratio: n.cfg.TraceRatio,
		NodeID: n.cfg.ID, Version: n.cfg.Version, Logger: n.cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("--otlp-endpoint: %w", err)
	}
	return n.closeTraces, n.tracer.Register(n.registry)
}

// flushTime bounds what a stop waits for a collector.
const flushTime = time.Second

// closeTraces sends the spans that wait. That a collector does not take them
// keeps no node from stopping in good order.
func (n *Node) closeTraces(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := n.tracer.Close(ctx); err != nil {
		n.cfg.Logger.Warn("spans are lost", "error", err)
	}
	return nil
}
