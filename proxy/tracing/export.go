package tracing

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// counts is how many spans there were. It is a span processor that only counts.
type counts struct{ ended, sent, failed atomic.Uint64 }

// Register tells reg about the numbers of spans.
func (t *Tracer) Register(reg prometheus.Registerer) error {
	counter := func(state string, n *atomic.Uint64) error {
		return reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "tollgate_trace_spans_total",
			Help:        "Spans of traces: ended are all that are recorded, of which those are sent that a collector took, and failed that it did not take; the rest waits or did not fit into the queue.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(n.Load()) }))
	}
	return errors.Join(counter("ended", &t.counts.ended), counter("sent", &t.counts.sent), counter("failed", &t.counts.failed))
}

// OnStart implements sdktrace.SpanProcessor.
func (*counts) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (c *counts) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.ended.Add(1)
	}
}

// Shutdown implements sdktrace.SpanProcessor.
func (*counts) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (*counts) ForceFlush(context.Context) error { return nil }

// exporter counts what is sent, and keeps errors from the SDK, which would write
// each to standard error.
type exporter struct {
	sdktrace.SpanExporter
	counts *counts
	log    *slog.Logger
	warned time.Time // one call of ExportSpans is made at a time
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.counts.sent.Add(uint64(len(spans)))
		return nil
	}
	e.counts.failed.Add(uint64(len(spans)))
	if time.Since(e.warned) >= time.Minute {
		e.warned = time.Now()
		e.log.Warn("spans of traces cannot be sent, and are lost", "spans", len(spans), "error", err)
	}
	return nil
}
