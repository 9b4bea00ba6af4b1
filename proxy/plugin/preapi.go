package plugin

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/valyala/fasthttp"
)

// MaxPreAPIBody bounds the answer of a Pre API, in bytes (ours). A larger one
// is answered 20008.
const MaxPreAPIBody = 1 << 20

// preAPI is PRE_API: another server is asked before the endpoint server.
type preAPI struct {
	server      *upstream.Server
	method      string
	path, query []byte
	timeout     time.Duration
	observer    Observer
	ended       Counter
}

func buildPreAPI(env *Env, _ *catalog.Domain, e *catalog.Endpoint) (Step, error) {
	from := e.Plugins.PreAPI
	if from == nil {
		return nil, nil
	}
	origin, path, query, err := splitURL(from.URL)
	if err != nil {
		return nil, err
	}
	server, err := env.PreAPIServer(origin)
	if err != nil {
		return nil, err
	}
	timeout := catalog.DefaultPreAPITimeout
	if from.TimeoutMillis > 0 {
		timeout = time.Duration(from.TimeoutMillis) * time.Millisecond
	}
	return &preAPI{server, from.Method, []byte(path), []byte(query), timeout, env.PreAPI, env.Ended}, nil
}

// splitURL cuts a URL into what names a server and what is asked of it, as
// spelled; the query keeps its question mark.
func splitURL(s string) (origin, path, query string, err error) {
	if _, err := url.Parse(s); err != nil { // its error repeats the URL, which may hold a key
		return "", "", "", errors.New("the url cannot be read")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return "", "", "", errors.New("the url has no scheme: write http:// or https:// before it")
	}
	rest, _, _ = strings.Cut(rest, "#")
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		rest, query = rest[:i], rest[i:]
	}
	path = "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest, path = rest[:i], rest[i:]
	}
	return scheme + "://" + rest, path, query, nil
}

// prepare fills in what the Pre API gets: the client's header fields, neither
// its body nor its URL, nor the fields that only mean something with them. It
// is asked once: it may count what it is asked, or log somebody in.
func (p *preAPI) prepare(c *Call) *upstream.Request {
	r := &c.preAPI
	r.Method, r.Path, r.Query = p.method, p.path, p.query
	r.Fields, r.Without = c.Request.Fields, header.Subject
	r.Forwarded = c.Upstream.Forwarded
	r.Forwarded.Prefix, r.Forwarded.Key = nil, nil // of a URL that it does not get
	r.Once, r.Whole, r.Timeout, r.Via = true, true, p.timeout, c.Via
	r.ID = c.ID
	return r
}

func (p *preAPI) Serve(c *Call) (answered bool, err error) {
	start := time.Now()
	r := p.prepare(c)
	span := c.begin(catalog.PluginPreAPI, r)
	_, err = p.server.Do(r, &c.Answer)
	c.end(span, p.server, r, false, err)
	if err != nil {
		c.Cause = fmt.Errorf("calling the Pre API: %w", err)
		var failed *upstream.Error
		if !errors.As(err, &failed) {
			return false, err
		}
		p.observer.Failed(p.server.Host(), failed)
		if failed.Reason == upstream.Full {
			return false, envelope.AnswersFull
		}
		return false, envelope.PreAPIFailed
	}
	p.observer.Answered(time.Since(start))
	if c.Answer.Status == fasthttp.StatusOK {
		c.Answer.DropBody() // its memory is wanted by the answer to come
		return false, nil
	}
	p.ended.Inc()
	if p.method == "HEAD" && c.Request.Method != "HEAD" {
		c.Answer.WantBody()
	}
	return true, nil
}

func (p *preAPI) Explain(*Call) Finding {
	where := p.server.URL(p.path, nil)
	if len(p.query) > 0 {
		where += "?…" // it may hold a key
	}
	return unknown(fmt.Sprintf("%s %s is asked, with the client's header: 200 lets the call go on, any other status is the answer, none within %v is 20008",
		p.method, where, p.timeout))
}
