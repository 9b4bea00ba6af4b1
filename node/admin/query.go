package admin

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/store/catalog"
)

// kind is what a query parameter holds.
type kind int

const (
	boolean kind = iota // "true" or "false"
	text
)

// params are the query parameters that a call knows.
type params map[string]kind

// query is what a request gave for them.
type query map[string]string

// is tells whether a boolean parameter was given as true.
func (q query) is(name string) bool { return q[name] == "true" }

// read checks a raw query. A parameter that a call does not know is refused:
// a misspelt dryRun must not become a change.
func (p params) read(raw string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refusal(http.StatusBadRequest, "the query is not readable: %v", err)
	}
	var problems []catalog.Problem
	bad := func(name, format string, args ...any) {
		problems = append(problems, catalog.Problem{Path: "?" + name, Message: fmt.Sprintf(format, args...)})
	}
	q := query{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		kind, known := p[name]
		switch {
		case !known:
			bad(printable(name), "unknown parameter; %s", p.names())
		case len(value) > 1:
			bad(name, "is given %d times; give it once", len(value))
		case kind == boolean && value[0] != "true" && value[0] != "false":
			bad(name, "must be true or false, is %q", printable(value[0]))
		default:
			q[name] = value[0]
		}
	}
	if problems != nil {
		return nil, wrong("the query", problems)
	}
	return q, nil
}

func (p params) names() string {
	if len(p) == 0 {
		return "this call takes none"
	}
	return "this call takes " + strings.Join(slices.Sorted(maps.Keys(p)), ", ")
}
