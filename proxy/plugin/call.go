// Package plugin is what the plugins of a domain do to a call, one small type
// a plugin, and the one list of their order.
package plugin

import (
	"net/netip"
	"time"

	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/valyala/fasthttp"
)

// Call is one client's request on its way through the steps. It is reused:
// nothing of it may be kept when a step returns.
type Call struct {
	// Ctx is fasthttp's; it holds nothing of the request, which is in Request,
	// and from Chain.Finish on its body in Upstream.
	Ctx *fasthttp.RequestCtx
	// Answer is the answer, once a step has made one.
	Answer upstream.Answer
	// Via is this gateway's entry in Via; empty until its cluster is known.
	Via []byte
	// ID is the call's X-Request-Id.
	ID []byte
	// Client is the client's address, IPv4 as IPv4 and without a zone: that of
	// the connection, or what a trusted proxy says. It is the zero Addr where it
	// is not known.
	Client netip.Addr
	// Request is what the client sent, checked.
	Request gate.Request
	// Upstream is what the endpoint server will get; steps may change it.
	Upstream upstream.Request
	// TooLarge is true when the head announces a body over the limit.
	TooLarge bool
	// RetryAfter goes with a refusal, in whole seconds, unless it is 0.
	RetryAfter int64
	// Cause is why a step refused, for the log line only; it may be nil.
	Cause error

	// By is the plugin that has answered or refused, empty: none has.
	By string
	// Units is what the call took of each quota condition that applies to it.
	Units int64
	// Shadowed is true when a condition that only counts would have refused the call.
	Shadowed bool
	// Consumer is the ID of the consumer whose key the client has sent, and
	// ConsumerPlan its plan; both are empty where there is none.
	Consumer, ConsumerPlan string
	// Server is the host and port of the endpoint server, empty until it has been
	// called; its answer came ServerTook later.
	Server     string
	ServerTook time.Duration

	// Trace is the call's record; nil: it is not traced.
	Trace Trace

	// Broken is told when Answer.Coming breaks off; it may be called when the
	// call is over.
	Broken func(*upstream.Error)

	// Plan is the targets that HTTP_PROXY would call one of; a hash decides on the
	// first. Explain fills it.
	Plan []upstream.Plan

	// count is what quotas and API keys make of the call; nil until they do.
	count *counting
	// preflight is true when CORS has decided the call.
	preflight bool
	// preAPI is what the Pre API gets.
	preAPI upstream.Request
	// path holds a rewritten path, location a rewritten Location, list a list of
	// names.
	path, location, list []byte
}

// Prepare fills Upstream from Request; where it comes from is already there.
func (c *Call) Prepare() {
	r, u := &c.Request, &c.Upstream
	u.Method, u.Path, u.Query = r.Method, r.Path, r.Query
	u.Fields, u.Framed, u.Via, u.ID = r.Fields, r.Framed, c.Via, c.ID
	u.Upgrade = r.Upgrade
}

// Reset drops everything that refers to a request.
func (c *Call) Reset() {
	c.SettleUnits(c.Units) // nobody has said what it was worth
	c.count.release()
	c.Request.Reset()
	c.Upstream.Reset()
	c.preAPI.Reset()
	c.Answer.Reset()
	*c = Call{Request: c.Request, Upstream: c.Upstream, preAPI: c.preAPI, Answer: c.Answer, path: c.path[:0], location: c.location[:0], list: c.list[:0]}
}

// Step is one plugin at work on the calls of a domain or of one endpoint. It
// may be called at the same time for many calls.
type Step interface {
	// Serve returns true when it has written the answer into c.Answer, which ends the call, and an error to refuse the call: an *envelope.Sealed,
	// anything else is answered 500.
	Serve(c *Call) (answered bool, err error)
	// Explain says what Serve would do and changes c.Upstream like it, but
	// calls and counts nothing and writes no answer: c.Ctx is nil.
	Explain(c *Call) Finding
}

// Returner is a Step that also acts on the answers that are made behind it, on
// their way back to the client.
type Returner interface {
	Return(c *Call)
}
