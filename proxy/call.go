package proxy

import (
	"strconv"
	"unsafe"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/plugin"
	"github.com/valyala/fasthttp"
)

// call is one request with the deployment that serves it. Calls are reused.
type call struct {
	plugin.Call
	proxy *Proxy
	conn  *clientConn
	// domain is nil until it is known, and held from then on. chain is that of
	// the endpoint, nil until that is known.
	domain *domain
	chain  *plugin.Chain
	// endpoint is the ID for logs, empty until it is known.
	endpoint string
	answered bool
	// retryAfter backs the value of Retry-After.
	retryAfter [20]byte
	// lines is where the answer's fields are put together.
	lines []byte
}

func (p *Proxy) begin(ctx *fasthttp.RequestCtx) *call {
	c := p.calls.Get().(*call)
	c.Ctx = ctx
	c.conn = ctx.Conn().(*clientConn)
	c.name()
	return c
}

func (p *Proxy) release(c *call) {
	if c.domain != nil {
		c.domain.release()
	}
	c.Call.Reset()
	*c = call{Call: c.Call, proxy: p, lines: c.lines[:0]}
	p.calls.Put(c)
}

// Close releases a call whose body never came.
func (c *call) Close() error {
	c.proxy.release(c)
	return nil
}

// whole is the way of a call whose body is there.
func (c *call) whole() error {
	if err := c.admit(); err != nil || c.answered {
		return err
	}
	return c.finish()
}

// locate checks the request's head and finds the domain that it is for.
func (c *call) locate() error {
	h := &c.Ctx.Request.Header
	raw := gate.Raw{Method: h.Method(), Target: h.RequestURI(), Protocol: h.Protocol(), Header: h.RawHeaders()}
	if err := c.Request.Read(raw, c.proxy.cfg.MaxHeaderFields); err != nil {
		return err
	}
	d := c.proxy.table.Load().domains[string(c.Request.Key)]
	if d == nil {
		return envelope.UnknownDomain
	}
	c.domain = d
	d.hold()
	c.Client = c.conn.ip
	c.Upstream.Client, c.Upstream.Scheme = c.conn.address, c.conn.scheme
	return nil
}

// admit decides a call as far as that is possible without its body.
func (c *call) admit() error {
	// The domain is wanted for whatever is answered: if it has CORS, a script
	// can only read an answer that says so.
	err := c.locate()
	switch {
	case c.proxy.phase.Load() != open:
		return envelope.NotReady
	case c.Ctx.Request.Header.ContentLength() > c.proxy.cfg.MaxRequestBody:
		return envelope.BodyTooLarge // a body that is still with the client
	case err != nil:
		return err
	case c.circles():
		return envelope.Loop
	}
	if c.answered, err = c.domain.plugins.Admit(&c.Call); c.answered || err != nil {
		return err
	}
	if err := c.route(); err != nil {
		return err
	}
	c.Prepare()
	c.answered, err = c.chain.Admit(&c.Call)
	return err
}

// route finds the endpoint.
func (c *call) route() error {
	// The table keeps nothing of the path, so it may look like a string.
	path := unsafe.String(unsafe.SliceData(c.Request.Route), len(c.Request.Route))
	i, ok := c.domain.routes.Find(c.Request.Method, path)
	if !ok {
		return envelope.NoEndpoint
	}
	c.chain, c.endpoint = c.domain.chains[i], c.domain.ids[i]
	return nil
}

func (c *call) finish() error { return c.chain.Finish(&c.Call) }

// leave is the last that happens to an answer, whoever has made it.
func (c *call) leave() error {
	if c.domain != nil {
		c.domain.plugins.Return(&c.Call)
	}
	return nil
}

// refuse writes an envelope over whatever the answer has been so far: a failed
// exchange leaves pieces of the endpoint server's (pitfalls 2(a) 36).
func (c *call) refuse(e *envelope.Sealed) {
	a := &c.Answer
	a.Make(e.Status, e.Body)
	a.Add(contentType, envelopeType)
	if c.RetryAfter > 0 {
		a.Add(retryAfter, strconv.AppendInt(c.retryAfter[:0], c.RetryAfter, 10))
	}
	if e.Closes {
		c.Ctx.Response.SetConnectionClose()
		c.conn.lingerOnClose()
	}
}

// key is the domain's for logs, empty until it is known.
func (c *call) key() string {
	if c.domain == nil {
		return ""
	}
	return c.domain.key
}

func (c *call) metrics() *domainMetrics {
	if c.domain == nil {
		return c.proxy.metrics.unknown
	}
	return c.domain.metrics
}
