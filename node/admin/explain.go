package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/store/catalog"
)

// maxExplainBytes caps the body of an explain: more header than a gateway
// takes as it comes, and what JSON adds to it.
const maxExplainBytes = 128 << 10

// explain answers what this node would do with a request that nobody sends.
// A request that a client could send but the gateway refuses is no problem of
// the body: the refusal is the explanation.
func (s *server) explain(r *request) (any, error) {
	var method, target, clientIP *string
	var fields json.RawMessage
	problems, err := r.object(maxExplainBytes,
		field{"method", &method},
		field{"url", &target},
		field{"headers", &fields},
		field{"clientIp", &clientIP},
	)
	if err != nil {
		return nil, err
	}
	var asked proxy.ExplainRequest
	bad := func(path, message string) {
		problems = merge(problems, []catalog.Problem{{Path: path, Message: message}})
	}
	if asked.Method = valueOf(method); asked.Method == "" {
		bad("$.method", "is missing: must be the method of the request, such as GET")
	}
	if asked.URL = valueOf(target); asked.URL == "" {
		bad("$.url", "is missing: must be path and query as a client sends them, such as /shop/items?page=2")
	}
	if text := valueOf(clientIP); clientIP != nil {
		if asked.ClientIP, err = netip.ParseAddr(text); err != nil {
			bad("$.clientIp", fmt.Sprintf("must be an IP address, such as 203.0.113.7, is %q", printable(text)))
		}
	}
	var more []catalog.Problem
	asked.Headers, more = headers(fields)
	if problems = merge(problems, more); problems != nil {
		return nil, wrong("the explain", problems)
	}
	return s.Control.Explain(r.Context(), asked)
}

func valueOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// headers reads the header fields of an explain, raw being an object, null or
// nothing.
func headers(raw json.RawMessage) (map[string]string, []catalog.Problem) {
	fields := map[string]string{}
	if len(raw) == 0 || kindOf(raw) != "an object" {
		return fields, nil
	}
	var problems []catalog.Problem
	seen := map[string]string{} // names in lower case to the first spelling
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token() // the {
	for dec.More() {
		token, _ := dec.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value)
		bad := func(message string) {
			problems = append(problems, catalog.Problem{Path: "$.headers" + pathOf(name)[len("$"):], Message: message})
		}
		if first, twice := seen[strings.ToLower(name)]; twice {
			bad("is given before, as " + printable(first) + "; give all its values in one list")
			continue
		}
		seen[strings.ToLower(name)] = name
		values, ok := texts(value)
		if !ok {
			bad("must be a string or a list of strings, at least one")
			continue
		}
		addField(fields, name, values)
	}
	return fields, problems
}

// texts reads a string, or a list of one or more of them.
func texts(raw json.RawMessage) (list []string, ok bool) {
	switch kindOf(raw) {
	case "a string":
		var text string
		_ = json.Unmarshal(raw, &text) // of the right kind: cannot fail
		return []string{text}, true
	case "an array":
		var items []*string // a pointer tells null from ""
		if json.Unmarshal(raw, &items) != nil || len(items) == 0 {
			return nil, false
		}
		for _, item := range items {
			if item == nil {
				return nil, false
			}
			list = append(list, *item)
		}
		return list, true
	}
	return nil, false
}

// addField adds a field with all its values. Lines of one name mean the same
// as one line with commas (RFC 9110 5.3), of Cookie with semicolons (RFC 9113
// 8.2.3). A field that must come once stays more than one line, by the case of
// its name, so that the gateway refuses it as it would.
func addField(fields map[string]string, name string, values []string) {
	switch lower, upper := strings.ToLower(name), strings.ToUpper(name); {
	case len(values) == 1:
		fields[name] = values[0]
	case header.Lookup([]byte(name))&header.Single != 0:
		fields[lower], fields[upper] = values[0], values[1]
	case lower == "cookie":
		fields[name] = strings.Join(values, "; ")
	default:
		fields[name] = strings.Join(values, ", ")
	}
}

// reads tells whether a call changes nothing, whatever its method.
func reads(r *http.Request) bool { return safe(r.Method) || r.URL.Path == api.ExplainPath }
