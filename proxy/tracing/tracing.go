// Package tracing records the calls of the data plane as OpenTelemetry spans and
// sends them to a collector by OTLP over HTTP.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollgate/tollgate/proxy"
)

const (
	// maxQueue is how many ended spans wait at most to be sent; more are lost.
	maxQueue = 8192
	// batchSpans is how many are sent at once at most, batchTime how long the
	// first of them waits.
	batchSpans = 512
	batchTime  = time.Second
	// exportTime bounds sending them, tries after failures included.
	exportTime = 10 * time.Second
	// tracesPath is where a collector takes traces, below its base URL (OTLP).
	tracesPath = "/v1/traces"
)

// Config is what a Tracer needs.
type Config struct {
	// Endpoint is the collector's URL, http or https; CheckEndpoint says what it
	// may be.
	Endpoint string
	// Ratio is the part of the traces begun here that is recorded, 0 to 1. A
	// call that belongs to a trace already is recorded if that is.
	Ratio float64
	// NodeID and Version are told with all spans.
	NodeID, Version string
	// Logger is told, at most once a minute, that spans cannot be sent.
	Logger *slog.Logger
}

// Tracer records calls. It implements proxy.Tracer.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	counts   *counts
}

// CheckEndpoint says what is wrong with a collector's URL; nil: nothing is.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("must be an http:// or https:// URL of an OTLP collector, such as http://127.0.0.1:4318")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("must have no user, query or fragment; OTEL_EXPORTER_OTLP_HEADERS may hold credentials")
	}
	return nil
}

// tracesURL is where spans are sent: /v1/traces is put behind the collector's
// URL, unless it stands there.
func tracesURL(endpoint string) string {
	base := strings.TrimRight(endpoint, "/")
	if strings.HasSuffix(base, tracesPath) {
		return base
	}
	return base + tracesPath
}

// Open makes a Tracer. The collector need not be there: what cannot be sent is
// lost, and no call waits for it.
func Open(ctx context.Context, cfg Config) (*Tracer, error) {
	if err := CheckEndpoint(cfg.Endpoint); err != nil {
		return nil, err
	}
	client, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(tracesURL(cfg.Endpoint)),
		otlptracehttp.WithTimeout(exportTime),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 2 * time.Second, MaxElapsedTime: exportTime}),
	)
	if err != nil {
		return nil, err
	}
	n := &counts{}
	t := &Tracer{counts: n, provider: sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName("tollgate"), semconv.ServiceVersion(cfg.Version), semconv.ServiceInstanceID(cfg.NodeID))),
		sdktrace.WithSpanProcessor(n),
		sdktrace.WithBatcher(&exporter{SpanExporter: client, counts: n, log: cfg.Logger},
			sdktrace.WithMaxQueueSize(maxQueue), sdktrace.WithMaxExportBatchSize(batchSpans),
			sdktrace.WithBatchTimeout(batchTime), sdktrace.WithExportTimeout(exportTime)),
	)}
	t.tracer = t.provider.Tracer("github.com/tollgate/tollgate")
	return t, nil
}

// Close sends the spans that wait, within ctx, and ends the Tracer.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("traces: spans were not sent: %w", err)
	}
	return nil
}

// parentage reads traceparent and tracestate.
var parentage propagation.TraceContext

// carrier is the two fields, as read or as to be sent.
type carrier struct{ parent, state string }

func (c *carrier) Get(key string) string {
	switch key {
	case "traceparent":
		return c.parent
	case "tracestate":
		return c.state
	}
	return ""
}

func (c *carrier) Set(key, value string) {
	switch key {
	case "traceparent":
		c.parent = value
	case "tracestate":
		c.state = value
	}
}

func (c *carrier) Keys() []string { return []string{"traceparent", "tracestate"} }

// Begin implements proxy.Tracer.
func (t *Tracer) Begin(at time.Time, parent, state []byte) proxy.Trace {
	ctx := context.Background()
	if len(parent) > 0 {
		ctx = parentage.Extract(ctx, &carrier{string(parent), string(state)})
	}
	// The name is settled when the endpoint is known.
	ctx, span := t.tracer.Start(ctx, "HTTP", trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindServer))
	return &call{tracer: t.tracer, ctx: ctx, span: span}
}

// Keys of attributes that no convention has.
const (
	keyDomain     = attribute.Key("tollgate.domain")
	keyPlugin     = attribute.Key("tollgate.plugin")
	keyResultCode = attribute.Key("tollgate.result_code")
	keyRequestID  = attribute.Key("tollgate.request_id")
	keyCut        = attribute.Key("tollgate.cut")
)
