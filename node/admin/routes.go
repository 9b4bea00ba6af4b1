package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// route is one call of the API.
type route struct {
	method, path string
	params       params
	timeout      time.Duration
	// do answers the call: the resource, or why not.
	do func(*request) (any, error)
}

// request is one call on its way through a route.
type request struct {
	*http.Request
	query query
	w     http.ResponseWriter
	// deadline is when the route's timeout ends; it bounds the reading of
	// the body too, which no context reaches.
	deadline time.Time
}

// routes lists the calls. GET serves HEAD as well.
func (s *server) routes() []route {
	save := params{"deploy": boolean, "dryRun": boolean, "endpointServer": text}
	show := params{"deployed": boolean, "secrets": boolean}
	return []route{
		{http.MethodGet, "/v1/cluster", nil, s.Timeout, s.getCluster},
		{http.MethodPost, "/v1/cluster/join", nil, s.JoinTimeout, s.join},
		{http.MethodPost, "/v1/cluster/leave", nil, s.Timeout, s.leave},
		{http.MethodPost, "/v1/cluster/transfer", nil, s.Timeout, s.transfer},
		{http.MethodGet, "/v1/domains", nil, s.Timeout, s.listDomains},
		{http.MethodPost, "/v1/domains", save, s.Timeout, s.postDomain},
		{http.MethodGet, "/v1/domains/{key}", show, s.Timeout, s.getDomain},
		{http.MethodPut, "/v1/domains/{key}", save, s.Timeout, s.putDomain},
		{http.MethodDelete, "/v1/domains/{key}", params{"confirm": text}, s.Timeout, s.deleteDomain},
		{http.MethodPost, "/v1/domains/{key}/deploy", nil, s.Timeout, s.deployDomain},
		{http.MethodPost, "/v1/domains/{key}/clone", nil, s.Timeout, s.cloneDomain},
		{http.MethodGet, "/v1/domains/{key}/quota", nil, s.Timeout, s.getQuota},
		{http.MethodGet, "/v1/domains/{key}/diff", nil, s.Timeout, s.diffDomain},
		{http.MethodPost, explainPath, nil, s.Timeout, s.explain},
	}
}

// mount puts the calls and the probes on the mux. Patterns name no method:
// the mux's own 405 and 404 are not envelopes.
func (s *server) mount() {
	byPath := map[string]map[string]route{}
	for _, rt := range s.routes() {
		if byPath[rt.path] == nil {
			byPath[rt.path] = map[string]route{}
		}
		byPath[rt.path][rt.method] = rt
	}
	for path, methods := range byPath {
		s.mux.Handle(path, s.dispatch(methods))
	}
	s.mountProbes()
	s.mux.HandleFunc("/", s.noSuchCall)
}

// dispatch serves one path: by its method, as far as there is a route.
func (s *server) dispatch(methods map[string]route) http.Handler {
	allowed := slices.Collect(maps.Keys(methods))
	if _, ok := methods[http.MethodGet]; ok {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		rt, ok := methods[method]
		if !ok {
			s.refuse(w, r, methodNotAllowed(w, r, allowed))
			return
		}
		s.serve(w, r, rt)
	})
}

// serve runs one call under its deadline and writes what comes of it.
func (s *server) serve(w http.ResponseWriter, r *http.Request, rt route) {
	ctx, cancel := context.WithTimeout(r.Context(), rt.timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	req := &request{Request: r.WithContext(ctx), w: w, deadline: deadline}

	var answer any
	var err error
	if req.query, err = rt.params.read(r.URL.RawQuery); err == nil {
		answer, err = rt.do(req)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, r, answer)
}

// getOnly serves a path outside /v1 that is only read.
func (s *server) getOnly(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.refuse(w, r, methodNotAllowed(w, r, []string{http.MethodGet, http.MethodHead}))
			return
		}
		h(w, r)
	})
}

func (s *server) noSuchCall(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, notFound("no such call: %s %s; the calls are those of /v1/cluster, /v1/domains and /v1/explain, and /healthz, /readyz, /metrics", r.Method, printable(r.URL.Path)))
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request, allowed []string) error {
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	return refusal(http.StatusMethodNotAllowed, "%s is no method of %s; allowed: %s", printable(r.Method), printable(r.URL.Path), list)
}
