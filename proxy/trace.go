package proxy

import (
	"bytes"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/plugin"
)

// Tracer records calls in traces. Begin may be called at the same time.
type Tracer interface {
	// Begin begins the record of a call whose head came at a time, in the trace
	// that its traceparent and tracestate say, empty where it has none. Nothing
	// of the two is kept.
	Begin(at time.Time, parent, state []byte) Trace
}

// Trace is the record of one call.
type Trace interface {
	plugin.Trace
	// ID is that of the trace, 32 hexadecimal digits.
	ID() string
	// Answered is told what is known when the answer has been made. Nothing of
	// the call's texts is kept.
	Answered(c *TracedCall)
	// Ended is told when the answer has been sent, or who has cut it off; see
	// accesslog.Entry. It is the last, and perhaps another goroutine's.
	Ended(bytesIn, bytesOut int64, cut string)
}

// TracedCall is what a record tells of a call.
type TracedCall struct {
	// Method is empty where the request line could not be read.
	Method string
	// Path is the target without its query. Host, Scheme and Client are those
	// that the client, or a trusted proxy, says.
	Path, Host, Client []byte
	Scheme             string
	// Domain is the key, Pattern the endpoint's; empty where none was found.
	Domain, Pattern string
	// Status is that of the answer, Code that of the envelope, or 0.
	Status, Code int
	// Plugin is the one that made the answer.
	Plugin string
	// RequestID is the call's X-Request-Id.
	RequestID []byte
}

// beginTrace begins the record of the call, where calls are recorded.
func (c *call) beginTrace() {
	tracer := c.proxy.cfg.Tracer
	if tracer == nil {
		return
	}
	var parent, state []byte
	if traceID(c.Request.Fields) != nil {
		for i := range c.Request.Fields {
			f := &c.Request.Fields[i]
			switch {
			case !isEndToEnd(f):
			case isParent(f):
				parent = f.Value
			case state == nil:
				state = f.Value
			default: // W3C Trace Context 3.3: several are one list
				state = append(append(state[:len(state):len(state)], ','), f.Value...)
			}
		}
	}
	c.trace = tracer.Begin(c.Ctx.Time(), parent, state)
	c.Trace = c.trace
}

// traced is what the record tells of the call.
func (c *call) traced(code int) *TracedCall {
	f := &c.Upstream.Forwarded
	_, pattern, _ := strings.Cut(c.endpoint, " ")
	return &TracedCall{
		Method: c.Request.Method, Path: withoutQuery(c.Request.Target), Host: f.Host, Client: f.Client, Scheme: f.Scheme,
		Domain: c.key(), Pattern: pattern, Status: c.Ctx.Response.StatusCode(), Code: code, Plugin: c.By, RequestID: c.ID,
	}
}

// isEndToEnd tells whether a field belongs to a trace and goes through gateways.
func isEndToEnd(f *header.Field) bool {
	return f.Rules&header.Trace != 0 && f.Rules&header.Hop == 0
}

// isParent tells traceparent from tracestate.
func isParent(f *header.Field) bool { return len(f.Name) == len("traceparent") }

// traceID is that of the trace which a request belongs to, by its traceparent
// (W3C Trace Context 3.2); nil where there is none, or none that is valid.
func traceID(fields header.List) []byte {
	var parent []byte
	for i := range fields {
		f := &fields[i]
		if !isEndToEnd(f) || !isParent(f) {
			continue
		}
		if parent != nil {
			return nil
		}
		parent = f.Value
	}
	// version "-" trace-id "-" parent-id "-" trace-flags
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	switch {
	case len(parent) < length,
		len(parent) > length && (string(parent[:2]) == "00" || parent[length] != '-'),
		string(parent[:2]) == "ff",
		parent[2] != '-', parent[35] != '-', parent[52] != '-',
		!isHex(parent[:2]), !isHex(parent[53:length]):
		return nil
	}
	id, from := parent[3:35], parent[36:52]
	if !isHex(id) || !isHex(from) || len(bytes.Trim(id, "0")) == 0 || len(bytes.Trim(from, "0")) == 0 {
		return nil
	}
	return id
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// withoutQuery cuts the query off a target.
func withoutQuery(target []byte) []byte {
	path, _, _ := bytes.Cut(target, []byte{'?'})
	return path
}
