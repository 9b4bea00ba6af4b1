package plugin

import "github.com/tollgate/tollgate/proxy/upstream"

// Trace is the record of a call in a trace. Its methods are called by the
// goroutine that serves the call.
type Trace interface {
	// Call begins the record of a request that one of the plugins sends to
	// another server, and has r say which record that is.
	Call(plugin string, r *upstream.Request) Span
}

// Span is the record of one request to another server.
type Span interface {
	// End ends it. The status is 0 where no answer came, and err says why;
	// resent is true where the request was sent twice. Of server only the URL is
	// asked for, and nothing is kept of r.
	End(server URLer, r *upstream.Request, status int, resent bool, err error)
}

// URLer names what a server is asked for.
type URLer interface {
	URL(path, query []byte) string
}

// begin begins the record of a request that a plugin sends; nil: the call is not
// traced.
func (c *Call) begin(plugin string, r *upstream.Request) Span {
	if c.Trace == nil {
		return nil
	}
	return c.Trace.Call(plugin, r)
}

// end ends what begin has begun.
func (c *Call) end(span Span, server URLer, r *upstream.Request, retried bool, err error) {
	if span == nil {
		return
	}
	status := c.Answer.Status
	if err != nil {
		status = 0
	}
	span.End(server, r, status, retried, err)
}
