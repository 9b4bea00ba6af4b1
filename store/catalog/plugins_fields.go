package catalog

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Bounds of single fields.
const (
	maxURLBytes         = 2048
	maxHeaders          = 100
	maxHeaderNameBytes  = 256
	maxHeaderValueBytes = 8192
)

// text reads a string; one that is missing and not needed is empty.
func (o *object) text(name string, needed bool, want string) string {
	v, ok := o.take(name)
	if !ok {
		if needed {
			o.missing(name, want)
		}
		return ""
	}
	s, _ := o.p.text(v, want)
	return s
}

// oneOf reads one of the words; a missing one is empty.
func (o *object) oneOf(name string, words ...string) string {
	v, ok := o.take(name)
	if !ok {
		return ""
	}
	for _, w := range words {
		if v.kind() == kindString && v.text() == w {
			return w
		}
	}
	o.p.wrong(v, `"`+strings.Join(words, `" or "`)+`"`)
	return ""
}

// strings reads a list of strings; fault says what is wrong with one.
func (o *object) strings(name string, needed bool, want string, fault func(string) string) []string {
	var list []string
	for _, item := range o.listed(name, needed, want) {
		s, ok := o.p.text(item, "a string")
		if !ok {
			continue
		}
		if f := fault(s); f != "" {
			o.p.fail(item, "%s %s", show(item), f)
		}
		list = append(list, s)
	}
	return list
}

// listed is array for a list that the original also takes as one text with commas.
func (o *object) listed(name string, needed bool, want string) []value {
	v, ok := o.take(name)
	if !ok || v.kind() != kindString || strings.Trim(v.text(), ", ") == "" {
		return o.array(name, needed, want)
	}
	var items []value
	for part := range strings.SplitSeq(v.text(), ",") {
		if part = strings.TrimSpace(part); part != "" {
			items = append(items, value{quote(part), v.at, v.path})
		}
	}
	return items
}

// headers reads an object of header values. Two spellings of one name would
// be set in no certain order, and are refused.
func (o *object) headers(name string, request bool) map[string]string {
	const want = `an object of header values, such as {"x-a":"1"}`
	v, ok := o.take(name)
	if !ok {
		return nil
	}
	if v.kind() != kindObject {
		o.p.wrong(v, want)
		return nil
	}
	members := v.members()
	if len(members) > maxHeaders {
		o.p.fail(v, "has %d headers, at most %d are allowed", len(members), maxHeaders)
		return nil
	}
	headers, spelled := map[string]string{}, map[string]string{}
	for _, m := range members {
		lower := strings.ToLower(m.key)
		if fault := headerFault(lower, request); fault != "" {
			o.p.fail(m.value, "%s", fault)
		}
		if other, twice := spelled[lower]; twice && other != m.key {
			o.p.fail(m.value, "is the same header as %s: keep one", shorten(other, maxShown))
		}
		spelled[lower] = m.key
		s, ok := o.p.text(m.value, "a string")
		switch {
		case !ok:
		case len(s) > maxHeaderValueBytes:
			o.p.fail(m.value, "has %d bytes, a header value has at most %d", len(s), maxHeaderValueBytes)
		case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			o.p.fail(m.value, "contains a control character: must be one line of text")
		default:
			headers[strings.Clone(m.key)] = s
		}
	}
	return headers
}

// headerFault says what is wrong with a name, given in lower case. What frames
// a message or belongs to one connection is the gateway's own (RFC 9110 7.6.1).
func headerFault(lower string, request bool) string {
	switch {
	case !isToken(lower):
		return "is no header name: must be letters, digits and !#$%&'*+-.^_`|~ only"
	case len(lower) > maxHeaderNameBytes:
		return "is too long: a header name has at most " + strconv.Itoa(maxHeaderNameBytes) + " bytes"
	case strings.HasPrefix(lower, "proxy-"):
		return "belongs to one connection, the gateway sets it: leave it out"
	}
	switch lower {
	case "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade":
		return "belongs to one connection, the gateway sets it: leave it out"
	case "host", "expect":
		if request {
			return "is set by the gateway: leave it out"
		}
	}
	return ""
}

// isToken is RFC 9110's token.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if !isAlnum(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (o *object) url(name string, query bool) string {
	const want = `an http or https URL, such as "http://10.0.0.5:8080"`
	v, ok := o.need(name, want)
	if !ok {
		return ""
	}
	s, ok := o.p.text(v, want)
	if !ok {
		return ""
	}
	if fault := o.p.targetFault(s, query); fault != "" {
		o.p.fail(v, "%s %s", showURL(s), fault)
	}
	return s
}

// targetFault says what is wrong with a URL that calls go to.
func (p *parser) targetFault(s string, query bool) string {
	fault := urlFault(s, query)
	if fault != "" || p.opts.Target == nil {
		return fault
	}
	u, err := url.Parse(s)
	if err == nil {
		err = p.opts.Target(u)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// showURL is a URL as a message repeats it, without what may be a password.
func showURL(s string) string {
	if strings.Contains(s, "@") {
		return "the URL"
	}
	return shorten(quote(s), maxShown)
}

// urlFault says what is wrong with the URL of an endpoint server, or of a Pre
// API, which may have a query.
func urlFault(s string, query bool) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return `must start with "http://" or "https://"`
	}
	if len(s) > maxURLBytes {
		return "has " + strconv.Itoa(len(s)) + " bytes, at most " + strconv.Itoa(maxURLBytes) + " are allowed"
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return "has a character that a URL cannot hold: it must be percent-encoded"
		}
	}
	if strings.Contains(s, "#") {
		return "has a fragment: drop what follows the #"
	}
	target, _, isQuery := strings.Cut(rest, "?")
	if isQuery && !query {
		return "has a query: drop what follows the ?"
	}
	authority, path, _ := strings.Cut(target, "/")
	if strings.Contains(authority, "@") {
		return "has a user name before the host: drop everything up to the @"
	}
	if fault := authorityFault(authority); fault != "" {
		return fault
	}
	for step := range strings.SplitSeq(path, "/") {
		step = strings.ReplaceAll(strings.ToLower(step), "%2e", ".")
		if step == "." || step == ".." {
			return "has a . or .. step in its path: write the path without it"
		}
	}
	if _, err := url.Parse(s); err != nil {
		return "has a percent sign that encodes nothing: must be % and two hexadecimal digits"
	}
	return ""
}

// authorityFault says what is wrong with host[:port].
func authorityFault(authority string) string {
	host, port := authority, "80"
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "has the port " + shorten(quote(port), maxShown) + ": must be 1 to 65535"
	}
	if host == "" {
		return "has no host"
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(inner); !closed || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "has a host in brackets that is no IPv6 address"
		}
		return ""
	}
	return hostFault(host)
}

func hostFault(host string) string {
	const fault = "has a host that is neither a name (letters, digits, - and . only) nor an IP address"
	if len(host) > 253 {
		return fault
	}
	last := ""
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		for _, c := range []byte(label) {
			if !isAlnum(c) && c != '-' && c != '_' {
				return fault
			}
		}
		if label == "" || len(label) > 63 {
			return fault
		}
		last = label
	}
	// A name that ends in a number is taken for IPv4 (RFC 3986 3.2.2).
	if _, err := strconv.ParseUint(last, 0, 64); err == nil {
		if _, err := netip.ParseAddr(host); err != nil {
			return fault
		}
	}
	return ""
}

// originFault says what is wrong with an origin: browsers send scheme, host
// and, unless it is the scheme's own, port, all in lower case.
func originFault(s string) string {
	if s == "*" {
		return ""
	}
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return `must be "*" or an origin, such as "https://example.com"`
	}
	switch {
	case strings.ContainsAny(authority, "/?#@"):
		return "is more than an origin: must be scheme://host or scheme://host:port, without a slash behind"
	case s != strings.ToLower(s):
		return "must be in lower case, as browsers send it"
	case scheme == "http" && strings.HasSuffix(authority, ":80"), scheme == "https" && strings.HasSuffix(authority, ":443"):
		return "must go without its port, which is the scheme's own: browsers leave it out"
	}
	return authorityFault(authority)
}

// isScheme is RFC 3986's scheme: apps in browsers have their own.
func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := isAlnum(c) && (c < '0' || c > '9')
		if !letter && (i == 0 || !isAlnum(c) && strings.IndexByte("+-.", c) < 0) {
			return false
		}
	}
	return s != ""
}
