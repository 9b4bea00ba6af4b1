package proxy

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/route"
	"github.com/tollgate/tollgate/store/catalog"
)

// Reach says of each endpoint why no call reaches it, or why calls reach it
// otherwise than whoever wrote its path has meant, and what to do; "" where
// nothing is to be said.
func Reach(endpoints []catalog.Endpoint) []string {
	hints := make([]string, len(endpoints))
	routes := make([]route.Route, len(endpoints))
	for i := range endpoints {
		e := &endpoints[i]
		routes[i] = route.Route{Method: e.Method, Pattern: decoded(e.Pattern), Index: i}
		hints[i] = pathHint(e.Pattern)
	}
	for i, winner := range route.Shadowed(routes) {
		hints[i] = fmt.Sprintf("no call reaches this endpoint: %s matches every path that it matches, and wins each time; remove one of the two, or make this path more exact", endpoints[winner].ID())
	}
	return hints
}

var (
	// encodedWild are the characters that stay encoded in a pattern, for they
	// would mean something there; a request's path has them decoded.
	encodedWild = regexp.MustCompile(`%(2[aA]|3[fF]|7[bB]|7[dD]|25)`)
	colonName   = regexp.MustCompile(`/:([A-Za-z_][A-Za-z0-9_]*)`)
	plainName   = regexp.MustCompile(`^[\p{L}\p{N}_.$-]+$`)
	query       = regexp.MustCompile(`\?[^/?{}*]+=`)
)

// pathHint looks at one path by itself. Variables do not count where a path is
// judged as the gate judges one: what stands between braces never goes over the
// wire.
func pathHint(pattern string) string {
	plain, names := withoutVariables(pattern)
	switch {
	case strings.Contains(plain, "#"):
		return "no call reaches this endpoint as it is meant: a client keeps what follows a # to itself; leave it out, or write %23 for the character"
	case query.MatchString(plain):
		before, _, _ := strings.Cut(pattern, "?")
		return fmt.Sprintf("a query is no part of a path: here ? stands for one character; write %s, which calls with any query reach", before)
	}
	if m := encodedWild.FindString(plain); m != "" {
		return fmt.Sprintf("no call reaches this endpoint as it is meant: a request's path is matched decoded, so that %s matches only those three characters, encoded as %%25%s; write {name} for a variable, ? for the character", m, m[1:])
	}
	if fault := gateFault(plain); fault != "" {
		return "no call reaches this endpoint: the gateway answers 40000 (" + fault + "); write the path without it"
	}
	for _, name := range names {
		switch before, greedy := strings.CutSuffix(name, "+"); {
		case greedy && plainName.MatchString(before):
			return fmt.Sprintf("{%s} matches one segment here; write ** for the rest of the path, as in %s", name, strings.Replace(pattern, "{"+name+"}", "**", 1))
		case !plainName.MatchString(name):
			return fmt.Sprintf("{%s} is a variable with this name, which matches anything; write {name:%s} for one that must match the regular expression", name, name)
		}
	}
	if m := colonName.FindStringSubmatch(plain); m != nil {
		return fmt.Sprintf("/:%s is this text and no variable; write /{%s}", m[1], m[1])
	}
	return ""
}

// withoutVariables puts an x in the place of each variable, and lists the names
// of those without a regular expression.
func withoutVariables(pattern string) (plain string, names []string) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '{' {
			b.WriteByte(pattern[i])
			continue
		}
		from, depth := i+1, 0
		for ; i < len(pattern); i++ {
			switch pattern[i] {
			case '\\':
				i++
			case '{':
				depth++
			case '}':
				depth--
			}
			if depth == 0 {
				break
			}
		}
		if body := pattern[from:min(i, len(pattern))]; !strings.Contains(body, ":") {
			names = append(names, body)
		}
		b.WriteByte('x')
	}
	return b.String(), names
}

// gateFault is what the gate says of a path that has no wildcards to it.
func gateFault(plain string) string {
	var target []byte
	for _, c := range []byte(plain) {
		switch {
		case c == '*' || c == '?' || c == '{' || c == '}':
			c = 'x'
		case c <= ' ' || c >= 0x7f: // clients encode them
			target = fmt.Appendf(target, "%%%02X", c)
			continue
		}
		target = append(target, c)
	}
	var r gate.Request
	raw := gate.Raw{Method: []byte("GET"), Target: append([]byte("/k"), target...), Protocol: []byte("HTTP/1.0"), Header: []byte("\r\n")}
	if err := r.Read(raw, 1); err != nil {
		_, text, _ := strings.Cut(err.Error(), "(")
		return strings.TrimSuffix(text, ")")
	}
	return ""
}
