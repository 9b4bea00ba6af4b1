package catalog

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	methodMembers = "get, post, put, delete, head, patch, options"
	methodNames   = "GET, POST, PUT, DELETE, HEAD, PATCH, OPTIONS"
)

// isMethod tells the seven methods an endpoint can have.
func isMethod(method string) bool {
	switch method {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS":
		return true
	}
	return false
}

// paths reads the endpoints.
func (p *parser) paths(o *object, d *Domain) {
	const want = "an object of paths"
	v, ok := o.take("paths")
	if !ok && p.openapi {
		p.warnings.add(o.in.at, o.in.path.member("paths"), "is missing: the domain has no endpoint, every call is answered 40401")
		return
	}
	if !ok {
		o.missing("paths", want)
		return
	}
	if v.kind() != kindObject {
		p.wrong(v, want)
		return
	}
	for _, m := range v.members() {
		switch {
		case m.key == Extension || m.key == extensionAlias:
			p.misplaced(m.value)
		case strings.HasPrefix(m.key, "x-"):
		default:
			p.pattern(m)
			p.pathItem(m, d)
		}
		if len(d.Endpoints) > MaxEndpoints {
			p.fail(v, "has more than %d endpoints, which is the most one domain may have", MaxEndpoints)
			return
		}
	}
	p.warnEndpoints(v, d)
	slices.SortFunc(d.Endpoints, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Method, b.Method))
	})
}

// warnEndpoints tells of the endpoints that are not reached as they were meant.
func (p *parser) warnEndpoints(paths value, d *Domain) {
	if p.opts.Endpoints == nil || p.problems.list != nil {
		return
	}
	var hints map[string]string
	for i, hint := range p.opts.Endpoints(d.Endpoints) {
		if hint != "" {
			if hints == nil {
				hints = map[string]string{}
			}
			hints[d.Endpoints[i].ID()] = hint
		}
	}
	if hints == nil {
		return
	}
	for _, item := range paths.members() {
		if item.kind() != kindObject {
			continue
		}
		for _, m := range item.members() {
			if hint := hints[strings.ToUpper(m.key)+" "+item.key]; hint != "" {
				p.warn(m.value, "%s", hint)
			}
		}
	}
}

// pattern checks what any path pattern must be.
func (p *parser) pattern(m member) {
	switch {
	case !strings.HasPrefix(m.key, "/"):
		p.fail(m.value, `must start with "/", such as "/v1/**"`)
	case len(m.key) > MaxPatternBytes:
		p.fail(m.value, "has %d bytes, a path pattern has at most %d", len(m.key), MaxPatternBytes)
	case strings.ContainsFunc(m.key, unicode.IsControl) || strings.ContainsRune(m.key, utf8.RuneError):
		p.fail(m.value, "contains a control character or U+FFFD: must be a path pattern of printable characters")
	case p.opts.Pattern != nil:
		if err := p.opts.Pattern(m.key); err != nil {
			p.fail(m.value, "is no path pattern: %v", err)
		}
	}
}

func (p *parser) pathItem(path member, d *Domain) {
	if path.kind() != kindObject {
		p.wrong(path.value, "an object with the path's endpoints: "+methodMembers)
		return
	}
	for _, m := range path.members() {
		method := strings.ToUpper(m.key)
		if !isMethod(method) || m.key != strings.ToLower(method) {
			p.notEndpoint(m, method)
			continue
		}
		e := Endpoint{Method: method, Pattern: strings.Clone(path.key)}
		if o, ok := p.object(m.value, "an operation, which is an object"); ok {
			p.endpoint, p.method = e.Pattern, e.ID()
			p.endpointPlugins(o, &e.Plugins)
		}
		d.Endpoints = append(d.Endpoints, e)
	}
}

// notEndpoint reports members of a path item that look like endpoints and
// would silently be none.
func (p *parser) notEndpoint(m member, method string) {
	switch {
	case m.key == "$ref":
		p.warn(m.value, "is kept and not followed: the path has no endpoint but those that stand here; write its operations here")
	case m.key == Extension || m.key == extensionAlias:
		p.misplaced(m.value)
	case strings.HasPrefix(m.key, "x-"):
	case p.openapi && m.key == "trace":
		p.warn(m.value, "the method TRACE is not served: a call of it is answered 50100")
	case method == "TRACE" || method == "CONNECT":
		p.fail(m.value, "the method %s is not served: must be one of %s", method, methodMembers)
	case isMethod(method):
		p.fail(m.value, "must be spelled %q: methods are in lower case here", strings.ToLower(method))
	case m.kind() == kindObject:
		p.fail(m.value, "is no method: must be one of %s", methodMembers)
	}
}

// misplaced reports plugins at a place where nothing would read them.
func (p *parser) misplaced(v value) {
	p.fail(v, "does nothing here: put an endpoint's plugins into its operation (get, post, …), the domain's at the top of the document")
}
