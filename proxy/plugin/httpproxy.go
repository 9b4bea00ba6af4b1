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
	// Answered: an answer came after this time, its head and what of its body
	// is held.
	Answered(time.Duration)
	// Failed: none came that could be passed on, or it broke off; server is
	// the host that was called.
	Failed(server string, e *upstream.Error)
	// Retried: the request was sent a second time.
	Retried()
}

// httpProxy is HTTP_PROXY: the way to the endpoint server.
type httpProxy struct {
	server    *upstream.Server
	observer  Observer
	redirects redirects
}

func buildHTTPProxy(env *Env, d *catalog.Domain) (Step, error) {
	return &httpProxy{env.Server, env.Upstream, newRedirects(d.Key)}, nil
}

func (p *httpProxy) Serve(c *Call) (answered bool, err error) {
	start := time.Now()
	retried, err := p.server.Do(&c.Upstream, &c.Answer)
	if retried {
		p.observer.Retried()
	}
	if err == nil {
		p.observer.Answered(time.Since(start))
		p.redirects.rewrite(c, p.server)
		if c.Answer.Coming != nil {
			c.Broken = func(e *upstream.Error) { p.observer.Failed(p.server.Host(), e) }
		}
		return true, nil
	}
	c.Cause = err
	var failed *upstream.Error
	if !errors.As(err, &failed) {
		return false, err
	}
	p.observer.Failed(p.server.Host(), failed)
	switch failed.Reason {
	case upstream.Timeout:
		return false, envelope.TimedOut
	case upstream.Full:
		return false, envelope.AnswersFull
	}
	return false, envelope.Unreachable
}

func (p *httpProxy) Explain(c *Call) Finding {
	return Finding{Decision: Called, Reason: c.Upstream.Method + " " + p.server.URL(c.Upstream.Path, c.Upstream.Query)}
}
