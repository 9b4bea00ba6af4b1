package catalog

import "strings"

// base is the path that the document's own URLs begin with: basePath, or that
// of the first of servers.
type base struct {
	value        // where it stands, if it does
	said  bool   // it stands there
	path  string // without a slash at the end; "" for none
	owner string // the member's name
}

func (p *parser) basePath(o *object) base {
	if p.openapi {
		return p.serverPath(o)
	}
	const want = `"/" and the domain's key, such as "/my-api"`
	b := base{owner: "basePath"}
	if b.value, b.said = o.take("basePath"); !b.said {
		return b
	}
	s, ok := p.text(b.value, want)
	switch {
	case !ok:
	case s != "" && !strings.HasPrefix(s, "/"):
		p.wrong(b.value, want)
	default:
		b.path = strings.TrimRight(s, "/")
	}
	return b
}

// serverPath reads the path of servers[0]. Its variables have their defaults.
func (p *parser) serverPath(o *object) base {
	b := base{owner: "servers"}
	v, ok := o.take("servers")
	if !ok {
		return b
	}
	if v.kind() != kindArray {
		p.wrong(v, `a list of servers, such as [{"url":"/my-api"}]`)
		return b
	}
	items := v.items()
	if len(items) == 0 {
		return b
	}
	server, ok := p.object(items[0], `a server, such as {"url":"/my-api"}`)
	if !ok {
		return b
	}
	if b.value, b.said = server.take("url"); !b.said {
		return b
	}
	s, ok := p.text(b.value, "a URL")
	if !ok {
		return b
	}
	for _, variable := range find([]value{items[0]}, []string{"variables"}, nil) {
		for _, d := range find([]value{variable}, []string{"default"}) {
			if d.kind() == kindString {
				s = strings.ReplaceAll(s, "{"+variable.path.key+"}", d.text())
			}
		}
	}
	if _, rest, absolute := strings.Cut(s, "://"); absolute {
		_, s, _ = strings.Cut(rest, "/")
	} else if rest, ok := strings.CutPrefix(s, "//"); ok {
		_, s, _ = strings.Cut(rest, "/")
	}
	s, _, _ = strings.Cut(s, "?")
	s, _, _ = strings.Cut(s, "#")
	if s = strings.Trim(strings.TrimPrefix(s, "./"), "/"); s != "" {
		b.path = "/" + s
	}
	return b
}
