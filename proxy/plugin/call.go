// Package plugin is what the plugins of a domain do to a call, one small type
// a plugin, and the one list of their order.
package plugin

import (
	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/valyala/fasthttp"
)

// Call is one client's request on its way through the steps. It is reused:
// nothing of it may be kept when a step returns.
type Call struct {
	// Ctx holds the answer, and from Chain.Finish on the request's body. What
	// the client sent besides is in Request: fasthttp's own form of it has
	// trailers merged into the header.
	Ctx *fasthttp.RequestCtx
	// Request is what the client sent, checked.
	Request gate.Request
	// Upstream is what the endpoint server will get; steps may change it.
	Upstream upstream.Request
	// RetryAfter goes with a refusal, in whole seconds, unless it is 0.
	RetryAfter int64
	// Cause is why a step refused, for the log line only; it may be nil.
	Cause error
}

// Prepare fills Upstream from Request; the client's address and the scheme it
// used are already there.
func (c *Call) Prepare() {
	r, u := &c.Request, &c.Upstream
	u.Method, u.Path, u.Query = r.Method, r.Path, r.Query
	u.Fields, u.Host, u.Framed = r.Fields, r.Host, r.Framed
}

// Reset drops everything that refers to a request.
func (c *Call) Reset() {
	c.Request.Reset()
	c.Upstream.Reset()
	c.Ctx, c.RetryAfter, c.Cause = nil, 0, nil
}

// Step is one plugin at work on the calls of one endpoint. It may be called at
// the same time for many calls. It returns true when it has written the answer
// into c.Ctx.Response, which ends the call, and an error to refuse the call: an
// *envelope.Sealed, anything else is answered 500.
type Step interface {
	Serve(c *Call) (answered bool, err error)
}
