package plugin

import (
	"errors"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
)

// Observer is told about the calls to an endpoint server or a Pre API. Its methods may be
// called at the same time.
type Observer interface {
	// Answered: an answer came after this time.
	Answered(time.Duration)
	// Failed: none came that could be passed on.
	Failed(upstream.Reason)
	// Retried: the request was sent a second time.
	Retried()
}

// httpProxy is HTTP_PROXY: the way to the endpoint server.
type httpProxy struct {
	server   *upstream.Server
	observer Observer
}

func buildHTTPProxy(env *Env, _ *catalog.Domain) (Step, error) {
	return &httpProxy{env.Server, env.Upstream}, nil
}

func (p *httpProxy) Serve(c *Call) (answered bool, err error) {
	start := time.Now()
	retried, err := p.server.Do(&c.Upstream, &c.Ctx.Response)
	if retried {
		p.observer.Retried()
	}
	if err == nil {
		p.observer.Answered(time.Since(start))
		return true, nil
	}
	c.Cause = err
	var failed *upstream.Error
	if !errors.As(err, &failed) {
		return false, err
	}
	p.observer.Failed(failed.Reason)
	if failed.Reason == upstream.Timeout {
		return false, envelope.TimedOut
	}
	return false, envelope.Unreachable
}

func (p *httpProxy) Explain(c *Call) Finding {
	return Finding{Decision: Called, Reason: c.Upstream.Method + " " + p.server.URL(c.Upstream.Path, c.Upstream.Query)}
}
