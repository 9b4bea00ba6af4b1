package tracing

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/proxy/plugin"
	"github.com/tollgate/tollgate/proxy/upstream"
)

// call is the record of a call: a server span. It implements proxy.Trace.
type call struct {
	tracer trace.Tracer
	ctx    context.Context // of the span
	span   trace.Span
}

// ID implements proxy.Trace.
func (c *call) ID() string { return c.span.SpanContext().TraceID().String() }

// Answered implements proxy.Trace.
func (c *call) Answered(t *proxy.TracedCall) {
	if !c.span.IsRecording() {
		return
	}
	method := t.Method
	if method == "" {
		method = "_OTHER" // what the convention calls those that are not known
	}
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(method),
		semconv.URLScheme(t.Scheme), semconv.URLPath(string(t.Path)),
		semconv.HTTPResponseStatusCode(t.Status), semconv.ClientAddress(string(t.Client)),
		keyRequestID.String(string(t.RequestID)),
	}
	attributes = append(attributes, serverOf(string(t.Host))...)
	name := method
	if t.Method == "" {
		name = "HTTP"
	}
	if t.Pattern != "" {
		route := "/" + t.Domain + t.Pattern
		name += " " + route
		attributes = append(attributes, semconv.HTTPRoute(route))
	}
	if t.Domain != "" {
		attributes = append(attributes, keyDomain.String(t.Domain))
	}
	if t.Plugin != "" {
		attributes = append(attributes, keyPlugin.String(t.Plugin))
	}
	if t.Code != 0 {
		attributes = append(attributes, keyResultCode.Int(t.Code))
	}
	if t.Status >= 500 { // what a client has done wrong is no error of a server span
		attributes = append(attributes, semconv.ErrorTypeKey.String(strconv.Itoa(t.Status)))
		c.span.SetStatus(codes.Error, "")
	}
	c.span.SetName(name)
	c.span.SetAttributes(attributes...)
}

// Ended implements proxy.Trace.
func (c *call) Ended(bytesIn, bytesOut int64, cut string) {
	if c.span.IsRecording() {
		c.span.SetAttributes(semconv.HTTPRequestBodySize(int(bytesIn)), semconv.HTTPResponseBodySize(int(bytesOut)))
		if cut != "" {
			c.span.SetAttributes(keyCut.String(cut))
			c.span.SetStatus(codes.Error, "the answer was cut off")
		}
	}
	c.span.End()
}

// Call implements plugin.Trace.
func (c *call) Call(name string, r *upstream.Request) plugin.Span {
	ctx, span := c.tracer.Start(c.ctx, r.Method, trace.WithSpanKind(trace.SpanKindClient))
	var to carrier
	parentage.Inject(ctx, &to)
	r.Trace = append(append(append(r.Trace[:0], "traceparent: "...), to.parent...), "\r\n"...)
	if to.state != "" {
		r.Trace = append(append(append(r.Trace, "tracestate: "...), to.state...), "\r\n"...)
	}
	return request{span, name}
}

// request is the record of a request to another server: a client span. It
// implements plugin.Span.
type request struct {
	span   trace.Span
	plugin string
}

// End implements plugin.Span.
func (q request) End(server plugin.URLer, r *upstream.Request, status int, resent bool, err error) {
	defer q.span.End()
	if !q.span.IsRecording() {
		return
	}
	attributes := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(r.Method), keyPlugin.String(q.plugin)}
	full := server.URL(r.Path, nil) // a query may hold keys
	if u, err := url.Parse(full); err == nil && full != "" {
		attributes = append(attributes, semconv.URLFull(full))
		host := u.Host
		if u.Port() == "" {
			host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		}
		attributes = append(attributes, serverOf(host)...)
	}
	if status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(status))
	}
	if resent {
		attributes = append(attributes, semconv.HTTPRequestResendCount(1))
	}
	switch {
	case err != nil:
		attributes = append(attributes, semconv.ErrorTypeKey.String(reasonOf(err)))
		q.span.SetStatus(codes.Error, err.Error())
	case status >= 400:
		attributes = append(attributes, semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		q.span.SetStatus(codes.Error, "")
	}
	q.span.SetAttributes(attributes...)
}

// reasonOf is one of few words for why there is no answer.
func reasonOf(err error) string {
	var failed *upstream.Error
	var cut *upstream.SourceError
	switch {
	case errors.As(err, &failed):
		return failed.Reason.String()
	case errors.As(err, &cut):
		return "request_body"
	}
	return "_OTHER"
}

// serverOf are the attributes of a host and port.
func serverOf(host string) []attribute.KeyValue {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		if host == "" {
			return nil
		}
		return []attribute.KeyValue{semconv.ServerAddress(host)}
	}
	attributes := []attribute.KeyValue{semconv.ServerAddress(name)}
	if n, err := strconv.Atoi(port); err == nil {
		attributes = append(attributes, semconv.ServerPort(n))
	}
	return attributes
}
