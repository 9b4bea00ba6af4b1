package catalog

import (
	"strings"
	"time"
)

// DefaultPreAPITimeout bounds a PRE_API call that sets no timeoutMillis.
const DefaultPreAPITimeout = 5 * time.Second

const (
	maxPreAPIMillis = 60_000
	maxRewriteBytes = 4096
)

func readPreAPI(o *object) *PreAPI {
	const want = "one of " + methodNames
	p := &PreAPI{}
	if v, ok := o.need("method", want); ok {
		if p.Method, ok = o.p.text(v, want); ok && !isMethod(p.Method) {
			o.p.wrong(v, want)
		}
	}
	p.URL = o.url("url", true)
	p.TimeoutMillis = o.integerOrZero("timeoutMillis", maxPreAPIMillis)
	return p
}

// readURIRewrite leaves the syntax alone: the seed promises that a wrong one
// can be deployed and answers 20005 or 20006.
func readURIRewrite(o *object) *URIRewrite {
	r := &URIRewrite{
		URIPattern: o.text("uriPattern", true, "a path pattern, such as /{version}/{path}"),
		RewriteURI: o.text("rewriteUri", true, "a rewrite form, such as /{path}/{version}"),
	}
	for _, s := range []string{r.URIPattern, r.RewriteURI} {
		if len(s) > maxRewriteBytes {
			o.p.fail(o.in, "has a pattern of %d bytes, at most %d are allowed", len(s), maxRewriteBytes)
			return r
		}
	}
	if check := o.p.opts.Rewrite; check != nil {
		if err := check(r.URIPattern, r.RewriteURI); err != nil {
			o.p.warnings.add(o.in.at, o.in.path, "is accepted, but calls will be answered by an error: "+err.Error())
		}
	}
	if hint := o.p.opts.RewriteHint; hint != nil {
		wide := o.p.endpoint == "" || strings.ContainsAny(o.p.endpoint, "*?{")
		if text := hint(r.URIPattern, r.RewriteURI, wide); text != "" {
			o.p.warn(o.in, "%s", text)
		}
	}
	return r
}

func readHeader(o *object) *Header {
	return &Header{
		RequestHeaders:  o.headers("requestHeaders", true),
		ResponseHeaders: o.headers("responseHeaders", false),
	}
}

func readMock(o *object) *Mock { return &Mock{Response: readResponse(o)} }

// readResponse reads the fields that MAINTENANCE and MOCK share.
func readResponse(o *object) Response {
	const want = "a string (JSON goes in as text)"
	r := Response{
		StatusCode: int(o.integer("statusCode", 200, 599)),
		Headers:    o.headers("headers", false),
		Body:       o.text("body", false, want),
	}
	switch r.StatusCode {
	case 204, 205, 304: // RFC 9110 15.3.5, 15.3.6, 15.4.5
		if r.Body != "" {
			v, _ := o.take("body")
			o.p.fail(v, "an answer with status %d has no body: leave it out, or use another statusCode", r.StatusCode)
		}
	}
	return r
}
