package proxy

import (
	"errors"
	"io"
	"strconv"
	"time"
	"unsafe"

	"github.com/tollgate/tollgate/proxy/accesslog"
	"github.com/tollgate/tollgate/proxy/body"
	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/plugin"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/valyala/fasthttp"
)

// call is one request with the deployment that serves it. Calls are reused.
type call struct {
	plugin.Call
	proxy *Proxy
	conn  *clientConn
	// who is the client that it counts for, nil until it is known; behind is
	// true where that is so for this call only. address is the text of its
	// address and prefix that of what has been cut off the path, where a trusted
	// proxy says them.
	who             *clientUse
	behind          bool
	address, prefix []byte
	// domain is nil until it is known, and held from then on. chain is that of
	// the endpoint, nil until that is known.
	domain *domain
	chain  *plugin.Chain
	// endpoint is the ID for logs, empty until it is known.
	endpoint string
	// series counts the calls of the endpoint, or those without one.
	series   *series
	answered bool
	// retryAfter backs the value of Retry-After, freshID an ID made here.
	retryAfter [20]byte
	freshID    [2 * 16]byte
	// trace is the call's record; nil: it is not traced.
	trace Trace
	// logged is what the access log tells of the call.
	logged accesslog.Entry
	// lines is where the answer's fields are put together.
	lines []byte
	// held is a body that does not fit into the connection's buffer, window one
	// that does.
	held   body.Held
	window [1][]byte
}

func (p *Proxy) begin(ctx *fasthttp.RequestCtx) *call {
	c := p.calls.Get().(*call)
	c.Ctx = ctx
	c.conn = ctx.Conn().(*clientConn)
	c.name()
	c.conn.unserved = false
	c.conn.readPace = pace{timeout: p.cfg.WriteTimeout}
	c.series = p.metrics.calls.unknown
	c.conn.ending.reset()
	return c
}

func (p *Proxy) release(c *call) {
	if c.domain != nil {
		c.domain.release()
	}
	c.held.Release()
	if u := c.Upstream.Coming; u != nil { // nobody has begun to send it
		u.Close()
	}
	p.over(c.who, c.behind)
	if c.Ctx.Response.ConnectionClose() {
		if c.conn.upload != nil { // Close waits for it
			c.conn.outlived.Store(true)
		} else {
			c.conn.dropBuffer()
		}
	}
	c.Call.Reset()
	*c = call{Call: c.Call, proxy: p, held: c.held, lines: c.lines[:0], address: c.address[:0], prefix: c.prefix[:0]}
	p.calls.Put(c)
}

// over counts a call of a client out; nil: of none.
func (p *Proxy) over(who *clientUse, behind bool) {
	if who == nil {
		return
	}
	who.calls.Add(-1)
	if behind {
		p.clients.end(who)
	}
}

// whole is the way of a call: everything that can be is decided before a byte
// of the body is read.
func (c *call) whole() error {
	if err := c.admit(); err != nil || c.answered {
		return err
	}
	if err := c.readBody(); err != nil {
		return err
	}
	err := c.chain.Finish(&c.Call)
	if err != nil {
		var cut *upstream.SourceError
		if errors.As(err, &cut) {
			c.By = "" // the client
			return bodyRefusal(cut.Err)
		}
	}
	return err
}

// locate checks the request's head and finds the domain that it is for. Where
// the head is refused it is looked for all the same: if it has CORS, a script
// can only read an answer that says so.
func (c *call) locate() error {
	err := c.readHead()
	if err != nil {
		c.Request.Salvage(c.conn.present())
	}
	c.identify(err == nil)
	c.settleID()
	c.beginTrace()
	if d := c.proxy.table.Load().domains[string(c.Request.Key)]; d != nil && !c.Request.Asterisk {
		c.domain, c.series = d, d.unrouted
		d.hold()
	} else if err == nil && !c.Request.Asterisk {
		err = envelope.UnknownDomain
	}
	return err
}

func (c *call) readHead() error {
	if c.conn.refusal != nil {
		return c.conn.refusal
	}
	raw, ok := gate.Cut(c.conn.present())
	if !ok {
		return badRequestLine
	}
	if err := c.Request.Read(raw, c.proxy.cfg.MaxHeaderFields); err != nil {
		return err
	}
	c.conn.beginBody(c.Request.Length, c.Request.Continue)
	return nil
}

var badRequestLine = envelope.Malformed("the request line is not METHOD target HTTP/1.1")

// admit decides a call as far as that is possible without its body.
func (c *call) admit() error {
	err := c.locate()
	switch {
	case c.proxy.phase.Load() != open:
		return envelope.NotReady
	case c.who.calls.Load() > int64(c.proxy.cfg.MaxCallsPerClient) && c.Client.IsValid():
		return envelope.TooManyCalls
	case err != nil:
		return err
	case c.circles():
		return envelope.Loop
	case c.Request.Asterisk:
		c.options()
		return nil
	case c.domain.secure && c.Upstream.Forwarded.Scheme != "https":
		return envelope.HTTPSRequired
	}
	if c.answered, err = c.domain.plugins.Admit(&c.Call); c.answered || err != nil {
		return err
	}
	if err := c.route(); err != nil {
		return err
	}
	c.Prepare()
	c.Upstream.Interim = c
	c.TooLarge = c.Request.Length > c.domain.maxBody
	c.conn.body.Limit(c.domain.maxBody)
	c.answered, err = c.chain.Admit(&c.Call)
	return err
}

// options answers OPTIONS *, which asks about the gateway as such.
func (c *call) options() {
	c.Answer.Make(fasthttp.StatusOK, nil)
	c.Answer.Add(allow, allMethods)
	c.answered = true
}

// readBody reads the body to its end. A short one stays in the connection's
// buffer, a longer one is held in memory that is bounded. One that is longer
// still, or that pauses before its length is known, streams from then on.
func (c *call) readBody() error {
	r := &c.conn.body
	for n := r.Rest(); n >= 0 && n <= c.conn.bodyRoom(); {
		if whole, ok := r.Window(); ok {
			if c.window[0] = whole; len(whole) > 0 {
				c.Upstream.Body = c.window[:]
			}
			return nil
		}
		if err := (*bodySource)(c.conn).Fill(); err != nil {
			c.Cause = err
			return bodyRefusal(err)
		}
	}
	most := c.proxy.cfg.BodyBuffer
	length := r.Rest()
	if length < 0 || length > int64(most) {
		c.conn.hold = time.Now().Add(holdTime)
	}
	err := c.held.Collect(c.proxy.bodies, c.proxy.budget.Of(c.who.key), r, most)
	c.conn.hold = time.Time{}
	switch err {
	case io.EOF:
		c.Upstream.Body = c.held.Pieces
	case nil, body.ErrPause:
		c.conn.upload = &upload{conn: c.conn, held: c.held, done: make(chan struct{})}
		c.Upstream.Coming, c.Upstream.Length = c.conn.upload, length
		c.held = body.Held{}
	default:
		c.Cause = err
		return bodyRefusal(err)
	}
	return nil
}

// route finds the endpoint.
func (c *call) route() error {
	// The table keeps nothing of the path, so it may look like a string.
	path := unsafe.String(unsafe.SliceData(c.Request.Route), len(c.Request.Route))
	i, ok := c.domain.routes.Find(c.Request.Method, path)
	if !ok {
		return envelope.NoEndpoint
	}
	c.chain, c.endpoint, c.series = c.domain.chains[i], c.domain.ids[i], c.domain.series[i]
	return nil
}

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

// settle decides what becomes of a connection with a body that nobody has read.
// A short one is read later, before the next request; from a client that waits
// for leave to send it, or that has much to send, one goes away.
func (c *call) settle() {
	b := &c.conn.body
	if !c.conn.underWay() && b.Skip() {
		return
	}
	// Of a body that streams the endpoint server did not want the rest.
	if c.conn.upload != nil || b.Err() != nil || c.conn.expectant || b.Rest() > lingerBytes {
		c.Ctx.Response.SetConnectionClose()
	}
	if c.Ctx.Response.ConnectionClose() {
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
