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

// Document is a document that passed Parse: the bytes to store and what they
// mean.
type Document struct {
	// JSON is the document as it is stored: compact, in the author's key
	// order, our extension under its canonical spelling. YAML is stored so too.
	JSON []byte
	// Title is info.title, or the name where there is none.
	Title string
	// Domain is what it configures.
	Domain *Domain
	// Warnings name what is accepted but does not do what it seems to.
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
		SingleUse:  d.Domain.singleUse(),
	}
}

// ParseOptions are the parts of Parse that its caller decides. The zero value
// reads a document by itself, as a stored one is read.
type ParseOptions struct {
	// Key, Name, Scheme ("http", "https" or "http,https") and EndpointServer,
	// a URL, decide what the document leaves open or says otherwise. They are
	// kept in it, beside the plugins.
	Key, Name, Scheme, EndpointServer string
	// Stored, if not nil, is the stored document of a domain, nil if there is
	// none: SecretPlaceholder keeps the secret that stands in its place there.
	// It is called at most once.
	Stored func(key string) []byte
	// Pattern, if not nil, judges an endpoint's path pattern beyond what
	// Parse checks by itself; its error becomes a problem.
	Pattern func(pattern string) error
	// Endpoints, if not nil, says for each endpoint why no call reaches it as
	// it was meant, "" where calls do; it becomes a warning.
	Endpoints func([]Endpoint) []string
	// Rewrite, if not nil, judges the syntax of a URI_REWRITE; its error
	// becomes a warning.
	Rewrite func(uriPattern, rewriteURI string) error
	// RewriteHint, if not nil, says what a URI_REWRITE does otherwise than
	// people expect and what to do, "" for nothing; wide tells that paths of
	// more than one form come to it.
	RewriteHint func(uriPattern, rewriteURI string, wide bool) string
	// Target, if not nil, says why no call may go to a URL of an endpoint
	// server or Pre API; its error becomes a problem.
	Target func(*url.URL) error
	// Built, if not nil, tells which plugins this version of the data plane
	// has; a document with another one is refused.
	Built func(plugin string) bool
}

// Parse reads a document, JSON or YAML, Swagger 2.0 or OpenAPI 3, as the
// configuration of a domain (spec sections 4 and 15). Its error is of type Problems and lists everything that is
// wrong, each with its JSON path, in document order.
//
// Parse of a Document's JSON, or of its Export with secrets, gives an equal
// Document.
func Parse(raw []byte, opts ParseOptions) (*Document, error) {
	text, isYAML, err := readText(raw)
	if err != nil {
		return nil, err
	}
	p := &parser{opts: opts, yaml: isYAML}
	d := &Domain{}
	title := ""
	if structure(text, &p.problems) {
		title = p.document(value{raw: text}, d)
	}
	if problems := p.problems.problems(); problems != nil {
		return nil, problems
	}
	stored := apply(text, p.edits)
	if len(stored) > MaxDocumentBytes {
		return nil, rootProblem("the document has %d bytes with what was given beside it, such as its endpoint server, at most %d are allowed", len(stored), MaxDocumentBytes)
	}
	return &Document{JSON: stored, Title: title, Domain: d, Warnings: p.warnings.problems()}, nil
}

func (p *parser) document(root value, d *Domain) (title string) {
	o, ok := p.object(root, wantDocument+", which is an object")
	if !ok || !p.version(o) {
		return ""
	}
	ext, isExt := p.extension(o)
	if !isExt {
		ext = nil
	}
	d.Name, title = p.names(o, ext)
	b := p.basePath(o)
	d.Key = p.key(o, ext, b)
	d.Schemes = p.schemes(o, ext)
	if b.path == "/"+d.Key {
		b.path = ""
	}
	p.domain = d.Key
	p.domainPlugins(o, ext, &d.Plugins, b.path)
	p.format(ext)
	p.store(o, ext)
	p.paths(o, d)
	p.checkQuotas(d)
	if n := len(d.Conditions()); n > MaxConditions {
		p.fail(root, "has %d quota conditions, at most %d are allowed", n, MaxConditions)
	}
	return title
}

const wantDocument = "a Swagger 2.0 or OpenAPI 3.0 or 3.1 document in JSON or YAML"

// version tells whether it makes sense to read on: a document of another
// format would be wrong all over. YAML that leaves the quotes out makes a
// number of a version.
func (p *parser) version(o *object) bool {
	const want, want3 = `"2.0"`, `"3.0.x" or "3.1.x"`
	spelled := func(v value) string {
		if v.kind() == kindString {
			return v.text()
		}
		return v.raw
	}
	openapi, isOpenAPI := o.take("openapi")
	v, isSwagger := o.take("swagger")
	switch {
	case isOpenAPI && isSwagger:
		p.fail(openapi, "stands beside swagger: a document is of one version, keep one of the two")
	case isOpenAPI:
		if version := spelled(openapi); !strings.HasPrefix(version+".", "3.0.") && !strings.HasPrefix(version+".", "3.1.") {
			p.fail(openapi, "must be %s, not %s: Swagger 2.0 and OpenAPI 3.0 and 3.1 are read", want3, show(openapi))
			return false
		}
		p.openapi = true
	case !isSwagger:
		o.missing("swagger", want+", or openapi "+want3)
	default:
		switch spelled(v) {
		case "2.0", "2":
		default:
			p.fail(v, "must be %s, not %s: Swagger 2.0 and OpenAPI 3.0 and 3.1 are read", want, show(v))
			return false
		}
	}
	return true
}

// format checks and keeps in what format the document came.
func (p *parser) format(ext *object) {
	if ext != nil {
		if v, ok := ext.take(memberFormat); ok && v.raw != quote(formatYAML) {
			p.wrong(v, quote(formatYAML))
		}
	}
	if p.yaml { // in front, where an export's import puts it too
		p.sets = append([][2]string{{memberFormat, quote(formatYAML)}}, p.sets...)
	}
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
