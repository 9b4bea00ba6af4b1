package catalog

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Extension is the member that holds the plugins, at the top of a document
// and in each operation. extensionAlias is another spelling of it in use; it
// is stored as Extension.
const (
	Extension      = "x-toastcloud-apigw"
	extensionAlias = "x-cloudtoast-apigw"
)

// Document is a Swagger document that passed Parse: the bytes to store and
// what they mean.
type Document struct {
	// JSON is the document as it is stored and exported: compact, in the
	// author's key order, our extension under its canonical spelling.
	JSON []byte
	// Domain is what it configures.
	Domain *Domain
	// Warnings name what is accepted but will answer 20005 or 20006.
	Warnings []Problem
}

// Draft is the document as the catalogue takes it.
func (d *Document) Draft() Draft {
	return Draft{
		Key:        d.Domain.Key,
		Name:       d.Domain.Name,
		Endpoints:  len(d.Domain.Endpoints),
		Document:   d.JSON,
		Conditions: d.Domain.Conditions(),
	}
}

// ParseOptions are the parts of Parse that its caller decides. The zero value
// reads a document by itself, as a stored one is read.
type ParseOptions struct {
	// EndpointServer, if not empty, is the URL that becomes the HTTP_PROXY
	// plugin of a document without one.
	EndpointServer string
	// Pattern, if not nil, judges an endpoint's path pattern beyond what
	// Parse checks by itself; its error becomes a problem.
	Pattern func(pattern string) error
	// Rewrite, if not nil, judges the syntax of a URI_REWRITE; its error
	// becomes a warning.
	Rewrite func(uriPattern, rewriteURI string) error
	// Target, if not nil, says why no call may go to a URL of an endpoint
	// server or Pre API; its error becomes a problem.
	Target func(*url.URL) error
	// Built, if not nil, tells which plugins this version of the data plane
	// has; a document with another one is refused.
	Built func(plugin string) bool
}

// Parse reads a Swagger 2.0 document as the configuration of a domain (spec
// section 4). Its error is of type Problems and lists everything that is
// wrong, each with its JSON path, in document order.
//
// Parse of a Document's JSON, or of its Export with secrets, gives an equal
// Document.
func Parse(raw []byte, opts ParseOptions) (*Document, error) {
	text, err := compact(raw)
	if err != nil {
		return nil, err
	}
	p := &parser{opts: opts}
	d := &Domain{}
	if structure(text, &p.problems) {
		p.document(value{raw: text}, d)
	}
	if problems := p.problems.problems(); problems != nil {
		return nil, problems
	}
	stored := apply(text, p.edits)
	if len(stored) > MaxDocumentBytes {
		return nil, rootProblem("the document has %d bytes with its endpoint server, at most %d are allowed", len(stored), MaxDocumentBytes)
	}
	return &Document{JSON: stored, Domain: d, Warnings: p.warnings.problems()}, nil
}

func (p *parser) document(root value, d *Domain) {
	o, ok := p.object(root, "a Swagger 2.0 document, which is an object")
	if !ok || !p.version(o) {
		return
	}
	d.Name = p.name(o)
	d.Key = p.key(o)
	d.Scheme = p.scheme(o)
	p.domainPlugins(o, &d.Plugins)
	p.paths(o, d)
	if n := len(d.Conditions()); n > MaxConditions {
		p.fail(root, "has %d quota conditions, at most %d are allowed", n, MaxConditions)
	}
}

// version tells whether it makes sense to read on: a document of another
// format would be wrong all over.
func (p *parser) version(o *object) bool {
	const want = `the string "2.0"`
	openapi, isOpenAPI := o.take("openapi")
	v, ok := o.take("swagger")
	switch {
	case !ok && isOpenAPI:
		p.fail(openapi, "is %s: OpenAPI 3 is not supported, convert the document to Swagger 2.0", show(openapi))
		return false
	case !ok:
		o.missing("swagger", want+", only Swagger 2.0 is read")
	case v.kind() != kindString:
		p.wrong(v, want)
	case v.text() != "2.0":
		p.fail(v, "must be %s, not %s: only Swagger 2.0 is read, OpenAPI 3 is not supported", want, show(v))
		return false
	}
	return true
}

func (p *parser) name(o *object) string {
	const want = "an object with the domain's name as its title"
	v, ok := o.need("info", want)
	if !ok {
		return ""
	}
	info, ok := p.object(v, want)
	if !ok {
		return ""
	}
	if v, ok = info.need("title", wantName); !ok {
		return ""
	}
	name, ok := p.text(v, wantName)
	if fault := nameFault(name); ok && fault != "" {
		p.fail(v, "%s: must be %s", fault, wantName)
	}
	return name
}

const wantName = "the domain's name, 1 to 256 characters"

func nameFault(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "is empty"
	case utf8.RuneCountInString(name) > MaxNameRunes:
		return fmt.Sprintf("has %d characters", utf8.RuneCountInString(name))
	case strings.ContainsFunc(name, unicode.IsControl):
		return "contains a control character"
	case strings.ContainsRune(name, utf8.RuneError):
		return "contains U+FFFD, which broken text turns into"
	}
	return ""
}

func (p *parser) key(o *object) string {
	v, ok := o.need("basePath", `"/" and the domain's key, such as "/my-api"`)
	if !ok {
		return ""
	}
	s, ok := p.text(v, `"/" and the domain's key, such as "/my-api"`)
	if !ok {
		return ""
	}
	key, slash := strings.CutPrefix(s, "/")
	if !slash {
		p.wrong(v, `"/" and the domain's key, such as "/my-api"`)
		return ""
	}
	if fault := keyFault(key); fault != "" {
		p.fail(v, `%s; must be "/" and the domain's key, %s`, fault, wantKey)
	}
	return key
}

const wantKey = "1 to 64 of A-Z a-z 0-9 . _ ~ -"

func keyFault(key string) string {
	switch {
	case key == "":
		return "has no key"
	case key == "." || key == "..":
		return "has the key " + quote(key) + ", which is a path step of its own"
	case strings.Contains(key, "/"):
		return shorten(quote(key), maxShown) + " has a slash: a key has no path"
	case len(key) > MaxKeyBytes:
		return shorten(quote(key), maxShown) + " is too long for a key"
	}
	for _, r := range key {
		if !isUnreserved(r) {
			return quote(string(r)) + " is not allowed in a key"
		}
	}
	return ""
}

// isUnreserved tells the characters of a key: RFC 3986's unreserved ones,
// which have one spelling only in a URL.
func isUnreserved(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._~-", r)
}

func (p *parser) scheme(o *object) string {
	const want = `one of ["http"] and ["https"]`
	v, ok := o.take("schemes")
	if !ok {
		return "http"
	}
	if v.kind() != kindArray {
		p.wrong(v, want)
		return ""
	}
	items := v.items()
	if len(items) != 1 {
		p.fail(v, "has %d schemes: must be %s", len(items), want)
		return ""
	}
	switch items[0].raw {
	case `"http"`:
		return "http"
	case `"https"`:
		return "https"
	}
	p.wrong(items[0], `"http" or "https"`)
	return ""
}
