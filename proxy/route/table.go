package route

import (
	"errors"
	"fmt"
	"slices"
)

// Route is one endpoint: a method, the pattern of its path, and what Find
// returns for it.
type Route struct {
	Method  string
	Pattern string
	Index   int
}

// Table finds the endpoint that matches a request best. It is immutable and
// safe for concurrent use.
type Table struct {
	methods map[string]*index
}

// NewTable compiles the routes. Every route that is wrong is in the error, one
// to a line. The order of the routes has no meaning.
func NewTable(routes []Route) (*Table, error) {
	type key struct{ method, pattern string }
	seen := make(map[key]int, len(routes))
	entries := make(map[string][]entry)
	var problems []error
	for i, r := range routes {
		if r.Method == "" {
			problems = append(problems, fmt.Errorf("route %d (%s): no method: name the one it is for, such as GET", i, r.Pattern))
			continue
		}
		k := key{r.Method, r.Pattern}
		if before, twice := seen[k]; twice {
			problems = append(problems, fmt.Errorf("route %d: %s %s is route %d already: merge the two or remove one", i, r.Method, r.Pattern, before))
			continue
		}
		seen[k] = i
		p, err := Compile(r.Pattern)
		if err != nil {
			problems = append(problems, fmt.Errorf("route %d: %s %w", i, r.Method, err))
			continue
		}
		entries[r.Method] = append(entries[r.Method], entry{p, r.Index})
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	t := &Table{methods: make(map[string]*index, len(entries))}
	for method, list := range entries {
		// From here on the place in the list stands for the weight.
		slices.SortFunc(list, func(a, b entry) int { return compareWeight(a.pattern, b.pattern) })
		t.methods[method] = newIndex(list)
	}
	return t, nil
}

// Find returns the Index of the route of exactly this method whose pattern is
// the best of those that match path. It does not allocate unless a path and
// the patterns are such that dozens of partial matches go on side by side.
func (t *Table) Find(method, path string) (index int, ok bool) {
	ix := t.methods[method]
	if ix == nil || path == "" || path[0] != '/' {
		return 0, false
	}
	at := ix.find(path)
	if at == none {
		return 0, false
	}
	return ix.entries[at].index, true
}
