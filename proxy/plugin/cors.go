package plugin

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/valyala/fasthttp"
)

// cors is CORS (the Fetch standard, 3.3): it answers preflights by itself and
// tells browsers which scripts may read the domain's answers.
//
// Ours: a preflight that asks for what is not allowed is refused, 40300; any
// other request is served whatever its origin, because browsers send Origin
// with requests to their own site as well, and an answer that is not marked is
// kept from the script by the browser.
type cors struct {
	origins, methods, headers allowList
	// What the answers say; nil is left out.
	allowMethods, allowHeaders, exposeHeaders, maxAge []byte
	credentials                                       bool
}

// allowList is a list of a document in which "*" is everything.
type allowList struct {
	any   bool
	names map[string]struct{}
}

func newAllowList(names []string, spell func(string) string) (l allowList) {
	l.names = make(map[string]struct{}, len(names))
	for _, n := range names {
		l.any = l.any || n == "*"
		l.names[spell(n)] = struct{}{}
	}
	return l
}

func (l *allowList) has(name []byte) bool {
	_, ok := l.names[string(name)]
	return ok || l.any
}

func buildCORS(d *catalog.Domain) (Step, error) {
	from := d.Plugins.CORS
	if from == nil {
		return nil, nil
	}
	methods := from.AllowedMethods
	if len(methods) == 0 {
		// What browsers let scripts send anyway (Fetch: CORS-safelisted methods).
		methods = []string{"GET", "HEAD", "POST"}
	}
	asIs := func(s string) string { return s }
	s := &cors{
		origins:       newAllowList(from.AllowedOrigins, asIs),
		methods:       newAllowList(methods, asIs),
		headers:       newAllowList(from.AllowedHeaders, strings.ToLower),
		exposeHeaders: joined(from.ExposedHeaders),
		maxAge:        strconv.AppendInt(nil, from.MaxCredentialsAge, 10),
		credentials:   from.AllowCredentials,
	}
	// Where everything is allowed, the answer repeats what was asked for: "*"
	// would not cover Authorization, nor mean anything to older browsers.
	if !s.methods.any {
		s.allowMethods = joined(methods)
	}
	if !s.headers.any {
		s.allowHeaders = joined(from.AllowedHeaders)
	}
	return s, nil
}

// joined is a list as one header value, nil when it is empty.
func joined(names []string) []byte {
	if len(names) == 0 {
		return nil
	}
	return []byte(strings.Join(names, ", "))
}

// preflight returns what a preflight asks for; ok is false for all that is
// none, such as an OPTIONS of an API of its own.
func preflight(r *gate.Request) (origin, method []byte, ok bool) {
	if r.Method != "OPTIONS" {
		return nil, nil, false
	}
	origin, _ = r.Fields.First(header.Origin)
	method, _ = r.Fields.First(header.RequestMethod)
	return origin, method, len(origin) > 0 && len(method) > 0
}

// Serve answers preflights.
func (s *cors) Serve(c *Call) (answered bool, err error) {
	origin, method, ok := preflight(&c.Request)
	if !ok {
		return false, nil
	}
	c.preflight = true
	if refusal := s.decide(c, origin, method); refusal != nil {
		return false, refusal
	}
	a := &c.Answer
	a.Make(fasthttp.StatusOK, nil)
	a.Add(varyName, preflightVary)
	s.allow(a, origin)
	if s.allowMethods != nil {
		a.Add(allowMethodsName, s.allowMethods)
	} else {
		a.Add(allowMethodsName, method)
	}
	switch {
	case s.allowHeaders != nil:
		a.Add(allowHeadersName, s.allowHeaders)
	case len(c.list) > 0:
		a.Add(allowHeadersName, c.list)
	}
	a.Add(maxAgeName, s.maxAge)
	return true, nil
}

// decide returns what refuses a preflight, or nil. The headers that it asks
// for are in c.list then.
func (s *cors) decide(c *Call, origin, method []byte) *envelope.Sealed {
	if !s.origins.has(origin) {
		return envelope.PreflightOrigin
	}
	if !s.methods.has(method) || !header.IsToken(method) {
		return envelope.PreflightMethod
	}
	c.list = c.list[:0]
	for i := range c.Request.Fields {
		f := &c.Request.Fields[i]
		if f.Rules&header.RequestHeaders == 0 {
			continue
		}
		token, rest, done := header.NextToken(f.Value)
		for ; !done; token, rest, done = header.NextToken(rest) {
			if len(token) == 0 {
				continue
			}
			if !header.IsToken(token) || !s.hasHeader(token) {
				return envelope.PreflightHeaders
			}
			if len(c.list) > 0 {
				c.list = append(c.list, ", "...)
			}
			c.list = append(c.list, token...)
		}
	}
	return nil
}

// maxHeaderName is the longest name that allowedHeaders can allow.
const maxHeaderName = 256

func (s *cors) hasHeader(name []byte) bool {
	var lower [maxHeaderName]byte
	if s.headers.any {
		return true
	}
	if len(name) > len(lower) {
		return false
	}
	n := copy(lower[:], name)
	for i, c := range lower[:n] {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	return s.headers.has(lower[:n])
}

// allow marks an answer for scripts of an origin that is allowed.
func (s *cors) allow(a *upstream.Answer, origin []byte) {
	if s.origins.any { // and without credentials: the catalogue sees to that
		origin = asterisk
	}
	a.Add(allowOriginName, origin)
	if s.credentials {
		a.Add(allowCredentialsName, yes)
	}
}

// Return marks an answer to an actual request. What the endpoint server or a
// MOCK says of CORS is taken out: two opinions would cancel each other, for a
// browser refuses an answer with two allowed origins.
func (s *cors) Return(c *Call) {
	a := &c.Answer
	marked, varies := false, false
	for i := range a.Fields {
		f := &a.Fields[i]
		marked = marked || len(f.Name) > len(ownPrefix) && bytes.EqualFold(f.Name[:len(ownPrefix)], ownPrefix)
		varies = varies || len(f.Name) == len(varyName) && bytes.EqualFold(f.Name, varyName) && variesByOrigin(f.Value)
	}
	// Answers without a mark too: else a cache would give them to others.
	if !varies {
		a.Add(varyName, originName)
	}
	if c.preflight {
		return
	}
	if marked {
		for _, name := range ownNames {
			a.Delete(name)
		}
	}
	origin, _ := c.Request.Fields.First(header.Origin)
	if len(origin) == 0 || !s.origins.has(origin) {
		return
	}
	s.allow(a, origin)
	if s.exposeHeaders != nil {
		a.Add(exposeHeadersName, s.exposeHeaders)
	}
}

func variesByOrigin(value []byte) bool {
	token, rest, done := header.NextToken(value)
	for ; !done; token, rest, done = header.NextToken(rest) {
		if bytes.EqualFold(token, originName) || bytes.Equal(token, asterisk) {
			return true
		}
	}
	return false
}

// Explain implements Step.
func (s *cors) Explain(c *Call) Finding {
	origin, method, ok := preflight(&c.Request)
	if !ok {
		origin, _ = c.Request.Fields.First(header.Origin)
		switch {
		case len(origin) == 0:
			return pass("no Origin: nothing to do with CORS")
		case s.origins.has(origin):
			return pass("the origin is allowed: the answer says that its scripts may read it")
		}
		return pass("the origin is not in allowedOrigins: the request is served, the browser keeps the answer from the script")
	}
	c.preflight = true
	if refusal := s.decide(c, origin, method); refusal != nil {
		return refuse(refusal, "a preflight that asks for what is not allowed")
	}
	return Finding{
		Decision: Answered, Reason: "a preflight that asks for what is allowed; it counts on no quota",
		Answer: &Answer{Status: fasthttp.StatusOK},
	}
}

// Names and values of fields.
var (
	allowOriginName      = []byte("Access-Control-Allow-Origin")
	allowCredentialsName = []byte("Access-Control-Allow-Credentials")
	allowMethodsName     = []byte("Access-Control-Allow-Methods")
	allowHeadersName     = []byte("Access-Control-Allow-Headers")
	exposeHeadersName    = []byte("Access-Control-Expose-Headers")
	maxAgeName           = []byte("Access-Control-Max-Age")

	ownPrefix = []byte("Access-Control-")
	ownNames  = [...][]byte{
		allowOriginName, allowCredentialsName, allowMethodsName, allowHeadersName, exposeHeadersName, maxAgeName,
		[]byte("Access-Control-Allow-Private-Network"),
	}

	varyName      = []byte("Vary")
	preflightVary = []byte("Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	originName    = []byte("Origin")
	asterisk      = []byte("*")
	yes           = []byte("true")
)
