package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/valyala/fasthttp"
)

// serve is fasthttp's handler and the outermost wrapper: whatever happens to a
// call becomes status, body, log line and metric here.
func (p *Proxy) serve(ctx *fasthttp.RequestCtx) {
	if c := pending(ctx); c != nil {
		defer p.release(c)
		p.answer(c, p.guard(c, (*call).finish))
		return
	}
	c := p.begin(ctx)
	defer p.release(c)
	p.answer(c, p.guard(c, (*call).whole))
}

// expect is called instead when the client waits for "100 Continue" before it
// sends the body. Whoever is refused learns it without having sent one. A call
// that is let in waits, decided, in the request for its body.
func (p *Proxy) expect(ctx *fasthttp.RequestCtx) int {
	c := p.begin(ctx)
	err := p.guard(c, (*call).admit)
	if err == nil && !c.answered {
		ctx.SetUserValue(pendingKey{}, c)
		return fasthttp.StatusContinue
	}
	defer p.release(c)
	p.answer(c, err)
	c.conn.lingerOnClose() // the client may have begun to send it anyway
	return ctx.Response.StatusCode()
}

// pendingKey is where a call waits for its body. If that never comes, fasthttp
// resets the request and thereby calls the call's Close.
type pendingKey struct{}

func pending(ctx *fasthttp.RequestCtx) *call {
	c, _ := ctx.UserValue(pendingKey{}).(*call)
	if c != nil {
		ctx.RemoveUserValue(pendingKey{})
	}
	return c
}

// unreadable is fasthttp's handler for what is no request, or too large a one.
// fasthttp closes the connection behind it.
func (p *Proxy) unreadable(ctx *fasthttp.RequestCtx, err error) {
	refusal := unreadable
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		refusal = envelope.BodyTooLarge
	case errors.As(err, &small):
		refusal = envelope.HeaderTooLarge
	}
	c := p.begin(ctx)
	defer p.release(c)
	if refusal == envelope.BodyTooLarge {
		// The head is there, so the domain can have its say about the answer,
		// unless the body came in chunks: fasthttp has dropped the head then.
		_ = p.guard(c, (*call).locate)
	}
	c.Cause = err
	p.answer(c, refusal)
}

var unreadable = envelope.Malformed("it cannot be read, or did not come in time")

// bodyDeadline is called by fasthttp between a request's header and body.
func (p *Proxy) bodyDeadline(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if n := h.ContentLength(); n > 0 || n == -1 { // -1: chunked
		c.ReadTimeout = p.cfg.BodyTimeout
	}
	return c
}

// guard runs one stretch of a call's way and turns a panic into an error: in
// fasthttp it would end the process (pitfalls 2(a) 42).
func (p *Proxy) guard(c *call, stretch func(*call) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.metrics.panics.Inc()
			p.log.Error("a request panicked", keyPanic, fmt.Sprint(v), keyDomain, c.key(), keyEndpoint, c.endpoint, keyStack, string(debug.Stack()))
			err = envelope.Internal
		}
	}()
	return stretch(c)
}

// answer writes what has become of a call. Without an error the answer is
// already there.
func (p *Proxy) answer(c *call, err error) {
	resp := &c.Ctx.Response
	code := 0
	if err != nil {
		e, ok := err.(*envelope.Sealed)
		if !ok {
			p.log.Error("a request failed unexpectedly", keyError, err, keyDomain, c.key(), keyEndpoint, c.endpoint)
			e = envelope.Internal
		}
		c.refuse(e)
		p.metrics.refused(e.Code)
		code = e.Code
	}
	if p.guard(c, (*call).leave) != nil {
		c.refuse(envelope.Internal)
	}
	// Stopping: what is in flight is finished, then the client should go.
	if c.Request.Close || p.phase.Load() == stopping {
		resp.SetConnectionClose()
	}
	c.send()
	c.metrics().answered(resp.StatusCode())
	if p.log.Enabled(context.Background(), slog.LevelDebug) {
		c.logTo(p.log, resp.StatusCode(), code)
	}
}

func (c *call) logTo(log *slog.Logger, status, code int) {
	took := time.Duration(0)
	if start := c.Ctx.Time(); !start.IsZero() { // fasthttp sets it when the body is there
		took = time.Since(start)
	}
	log.Debug("request", keyMethod, c.Request.Method, keyDomain, c.key(), keyEndpoint, c.endpoint,
		keyStatus, status, keyCode, code, keyTook, took, keyCause, c.Cause)
}
