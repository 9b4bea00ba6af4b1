package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// The members of Extension beside the plugins. They say what the rest of the
// document leaves open or says otherwise, and are read first.
const (
	memberKey            = "key"
	memberName           = "name"
	memberSchemes        = "schemes"
	memberEndpointServer = "endpointServer"
	// memberFormat is the format in which the document came; an export has
	// none, since it is in that format.
	memberFormat = "format"
)

const formatYAML = "yaml"

// beside is where a message says that a value could come from.
const beside = "or give it beside the document"

var extensionPath = (*path)(nil).member(Extension)

// set has the stored document say raw under a member of Extension.
func (p *parser) set(name, raw string) { p.sets = append(p.sets, [2]string{name, raw}) }

// store makes the edits that sets asks for. ext is nil where the document has
// no Extension.
func (p *parser) store(root, ext *object) {
	added := ""
	for _, s := range p.sets {
		if ext != nil {
			if v, ok := ext.take(s[0]); ok {
				if v.raw != s[1] {
					p.edits = append(p.edits, edit{v.at, v.at + len(v.raw), s[1]})
				}
				continue
			}
		}
		added += quote(s[0]) + ":" + s[1] + ","
	}
	if added == "" {
		return
	}
	if ext != nil {
		if ext.in.raw == "{}" {
			added = strings.TrimSuffix(added, ",")
		}
		p.edits = append(p.edits, edit{ext.in.at + 1, ext.in.at + 1, added})
		return
	}
	end := root.in.at + len(root.in.raw) - 1
	p.edits = append(p.edits, edit{end, end, "," + quote(Extension) + ":{" + strings.TrimSuffix(added, ",") + "}"})
}

// given reports what is wrong with a value that was given beside the document.
func (p *parser) given(o *object, member, what, fault string) {
	p.problems.add(o.in.at, extensionPath.member(member), what+" given beside the document "+fault)
}

// title is info.title, "" where there is none and none is needed.
func (p *parser) title(o *object, needed bool) (title string) {
	const want = "an object with the domain's name as its title"
	v, ok := o.take("info")
	if !ok {
		if needed {
			o.missing("info", want)
		}
		return ""
	}
	info, ok := p.object(v, want)
	if !ok {
		return ""
	}
	v, ok = info.take("title")
	if !ok && needed {
		info.missing("title", wantName)
	}
	if !ok {
		return ""
	}
	title, ok = p.text(v, wantName)
	if fault := nameFault(title); ok && fault != "" && needed {
		p.fail(v, "%s: must be %s", fault, wantName)
	}
	return title
}

// names reads the domain's name, and the title that a replacement must have.
func (p *parser) names(o, ext *object) (name, title string) {
	var own value
	said := false
	if ext != nil {
		own, said = ext.take(memberName)
	}
	if name = p.title(o, !said && p.opts.Name == ""); name != "" {
		title = name
	}
	if said {
		if s, ok := p.text(own, wantName); ok {
			if fault := nameFault(s); fault != "" {
				p.fail(own, "%s: must be %s", fault, wantName)
			}
			name = s
		}
	}
	if given := p.opts.Name; given != "" && given != name {
		if fault := nameFault(given); fault != "" {
			p.given(o, memberName, "the name", fault+": must be "+wantName)
		}
		p.set(memberName, quote(given))
		name = given
	}
	if title == "" {
		title = name
	}
	return name, title
}

// key reads the domain's key.
func (p *parser) key(o, ext *object, b base) string {
	key := strings.TrimPrefix(b.path, "/")
	var own value
	said := false
	if ext != nil {
		if own, said = ext.take(memberKey); said {
			s, ok := p.text(own, wantKey)
			if fault := keyFault(s); ok && fault != "" {
				p.fail(own, "%s: must be %s", fault, wantKey)
			}
			key = s
		}
	}
	given := p.opts.Key
	switch {
	case given != "":
		if fault := keyFault(given); fault != "" {
			p.given(o, memberKey, "the key", fault+": must be "+wantKey)
		}
		if given != key {
			p.set(memberKey, quote(given))
		}
		return given
	case said:
		return key
	case !b.said:
		p.problems.add(o.in.at, o.in.path.member(b.owner), fmt.Sprintf(`is missing: must name the domain's key, such as "/my-api"; %s (?key=, --key)`, beside))
		return ""
	case b.kind() != kindString || b.path == "" && !p.openapi && strings.Trim(b.text(), "/") != "":
		return "" // reported by basePath
	}
	if fault := keyFault(key); fault != "" {
		p.fail(b.value, `%s; must be "/" and the domain's key, %s; %s (?key=, --key)`, fault, wantKey, beside)
	}
	return key
}

// schemes reads by what clients reach the domain: all of those named, both
// where none is. servers sets none: it says where the endpoint server is.
func (p *parser) schemes(o, ext *object) []string {
	list := []string{"http", "https"}
	v, said := value{}, false
	if !p.openapi {
		v, said = o.take("schemes")
	}
	if ext != nil {
		if own, ok := ext.take(memberSchemes); ok {
			v, said = own, true
		}
	}
	if said {
		list = p.schemeList(v)
	}
	if p.opts.Scheme == "" {
		return list
	}
	given := strings.Split(p.opts.Scheme, ",")
	for i, s := range given {
		if given[i] = schemeOf(strings.TrimSpace(s)); given[i] == "" {
			p.given(o, memberSchemes, "the scheme", fmt.Sprintf("is %s: must be http, https, or both with a comma between", shorten(quote(s), maxShown)))
			return list
		}
	}
	slices.Sort(given)
	if given = slices.Compact(given); !slices.Equal(given, list) {
		p.set(memberSchemes, `["`+strings.Join(given, `","`)+`"]`)
	}
	return given
}

func (p *parser) schemeList(v value) []string {
	const want = `a list of "http", "https", "ws" and "wss"`
	if v.kind() != kindArray {
		p.wrong(v, want)
		return nil
	}
	var list []string
	for _, item := range v.items() {
		scheme := ""
		if item.kind() == kindString {
			scheme = schemeOf(item.text())
		}
		if scheme == "" {
			p.wrong(item, `"http", "https", "ws" or "wss"`)
		}
		list = append(list, scheme)
	}
	if list == nil {
		return []string{"http", "https"}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// schemeOf is http or https; a WebSocket begins as a call by one of them.
func schemeOf(s string) string {
	switch s {
	case "http", "ws":
		return "http"
	case "https", "wss":
		return "https"
	}
	return ""
}

// server is the endpoint server that Extension or the caller says.
func (p *parser) server(o, ext *object, prefix string, own *HTTPProxy) (server string, at value, ok bool) {
	if ext != nil {
		if v, said := ext.take(memberEndpointServer); said {
			if server, ok = p.text(v, `an http or https URL, such as "http://10.0.0.5:8080"`); ok && p.opts.EndpointServer == "" {
				if fault := p.targetFault(joinURL(server, prefix), false); fault != "" {
					p.fail(v, "%s %s", showURL(joinURL(server, prefix)), fault)
				}
			}
			at = v
		}
	}
	if given := p.opts.EndpointServer; given != "" {
		fault := p.targetFault(given, false)
		if fault == "" && prefix != "" {
			if fault = p.targetFault(joinURL(given, prefix), false); fault != "" {
				fault = "with the path " + shorten(quote(prefix), maxShown) + " of the document behind it " + fault
			}
		}
		if fault != "" {
			p.problems.add(o.in.at, httpProxyPath.member("url"), "the endpoint server given beside the document "+fault)
		}
		if given != server && (at.raw != "" || own == nil || own.URL != given) {
			p.set(memberEndpointServer, quote(given))
		}
		server, ok = given, true
	}
	return server, at, ok
}

// joinURL puts a document's own path behind the URL of the endpoint server.
func joinURL(server, prefix string) string {
	if prefix == "" {
		return server
	}
	return strings.TrimRight(server, "/") + prefix
}
