package proxy

import (
	"context"
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
	c := p.begin(ctx)
	defer p.release(c)
	p.answer(c, p.guard(c, (*call).whole))
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
		c.series.refused(e.Code)
		code = e.Code
	}
	if p.guard(c, (*call).leave) != nil {
		c.refuse(envelope.Internal)
	}
	// Stopping: what is in flight is finished, then the client should go.
	if c.Request.Close || p.phase.Load() == stopping {
		resp.SetConnectionClose()
	}
	c.settle()
	length := c.answerLength()
	c.send()
	c.series.answered(resp.StatusCode())
	if c.Server != "" {
		c.series.called(c.Server, resp.StatusCode(), code)
	}
	c.awaitEnd(code, length)
	if p.log.Enabled(context.Background(), slog.LevelDebug) {
		c.logTo(p.log, resp.StatusCode(), code)
	}
}

func (c *call) logTo(log *slog.Logger, status, code int) {
	log.Debug("request", keyMethod, c.Request.Method, keyDomain, c.key(), keyEndpoint, c.endpoint,
		keyStatus, status, keyCode, code, keyTookSeconds, time.Since(c.Ctx.Time()).Seconds(), keyCause, c.Cause)
}
