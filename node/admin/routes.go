package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// route is one call of the API.
type route struct {
	method, path string
	// role is the least that a caller needs; raise, if there is one, says what
	// more the query asks for. nodes lets a node's certificate do too.
	role  Role
	raise func(query) Role
	nodes bool
	// conditional: If-Match and If-None-Match are honoured.
	conditional bool
	params      params
	timeout     time.Duration
	// do answers the call: the resource, or why not.
	do func(*request) (any, error)
}

// request is one call on its way through a route.
type request struct {
	*http.Request
	query query
	cond  catalog.Precondition // of a conditional call
	w     http.ResponseWriter
	// deadline is when the route's timeout ends; it bounds the reading of
	// the body too, which no context reaches.
	deadline time.Time
}

// routes lists the calls. GET serves HEAD as well. A timeout of 0 is
// Config.Timeout.
func (s *server) routes() []route {
	put := params{"deploy": boolean, "dryRun": boolean, "name": text, "scheme": text, "endpointServer": text, "note": text}
	save := params{"key": text, "replace": boolean, "diff": boolean}
	maps.Copy(save, put)
	show := params{"deployed": boolean, "secrets": boolean}
	return []route{
		{method: http.MethodGet, path: api.ClusterPath, role: RoleRead, params: params{"clocks": boolean}, do: s.getCluster},
		{method: http.MethodGet, path: api.SelfPath, role: RoleRead, nodes: true, do: s.getSelf},
		{method: http.MethodGet, path: api.WhoamiPath, role: RoleMetrics, do: s.whoami},
		{method: http.MethodPost, path: api.JoinPath, role: RoleAdmin, nodes: true, timeout: s.JoinTimeout, do: s.join},
		{method: http.MethodPost, path: api.LeavePath, role: RoleAdmin, do: s.leave},
		{method: http.MethodPost, path: api.TransferPath, role: RoleAdmin, do: s.transfer},
		{method: http.MethodGet, path: api.DomainsPath, role: RoleRead, do: s.listDomains},
		{method: http.MethodPost, path: api.DomainsPath, role: RoleRead, raise: saving, conditional: true, params: save, do: s.postDomain},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}", role: RoleRead, raise: showing, params: show, do: s.getDomain},
		{method: http.MethodPut, path: api.DomainsPath + "/{key}", role: RoleRead, raise: saving, conditional: true, params: put, do: s.putDomain},
		{method: http.MethodDelete, path: api.DomainsPath + "/{key}", role: RoleAdmin, conditional: true, params: params{"confirm": text}, do: s.deleteDomain},
		{method: http.MethodPost, path: api.DomainsPath + "/{key}/deploy", role: RoleDeploy, conditional: true, do: s.deployDomain},
		{method: http.MethodPost, path: api.DomainsPath + "/{key}/clone", role: RoleDeploy, do: s.cloneDomain},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}/quota", role: RoleRead, params: params{"caller": text, "top": text, "holders": boolean}, do: s.getQuota},
		{method: http.MethodPost, path: api.DomainsPath + "/{key}/quota/reset", role: RoleAdmin, do: s.resetQuota},
		{method: http.MethodPost, path: api.DomainsPath + "/{key}/quota/adjust", role: RoleAdmin, do: s.adjustQuota},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}/consumers", role: RoleRead, params: params{"after": text, "limit": text}, do: s.listConsumers},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}/consumers/{id}", role: RoleRead, do: s.getConsumer},
		{method: http.MethodPut, path: api.DomainsPath + "/{key}/consumers/{id}", role: RoleAdmin, do: s.putConsumer},
		{method: http.MethodDelete, path: api.DomainsPath + "/{key}/consumers/{id}", role: RoleAdmin, do: s.deleteConsumer},
		{method: http.MethodPost, path: api.DomainsPath + "/{key}/consumers/{id}/keys", role: RoleAdmin, do: s.postKey},
		{method: http.MethodDelete, path: api.DomainsPath + "/{key}/consumers/{id}/keys/{prefix}", role: RoleAdmin, do: s.deleteKey},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}/diff", role: RoleRead, params: params{"from": text, "to": text}, do: s.diffDomain},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}/revisions", role: RoleRead, do: s.listRevisions},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}/revisions/{n}", role: RoleRead, raise: showing, params: params{"secrets": boolean}, do: s.getRevision},
		{method: http.MethodGet, path: api.DomainsPath + "/{key}/stats", role: RoleRead, params: params{"from": text, "to": text, "step": text, "endpoint": text}, do: s.getStats},
		{method: http.MethodGet, path: api.AuditPath, role: RoleRead, params: params{"limit": text}, do: s.getAudit},
		{method: http.MethodPost, path: api.RestorePath, role: RoleAdmin, params: params{"confirm": boolean}, timeout: restoreTimeout, do: s.restore},
		{method: http.MethodPost, path: api.ExplainPath, role: RoleRead, do: s.explain},
	}
}

// saving is the role that an import needs: a dry run only reads.
func saving(q query) Role {
	if q.is("dryRun") {
		return RoleRead
	}
	return RoleDeploy
}

// showing is the role that an export needs.
func showing(q query) Role {
	if q.is("secrets") {
		return RoleAdmin
	}
	return RoleRead
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
	s.mountEvents()
	s.mountBackup()
	s.mountConsole()
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
	timeout := rt.timeout
	if timeout == 0 {
		timeout = s.Timeout
	}
	if r.ContentLength > 0 { // a large document has more to go through the log
		timeout += time.Duration(r.ContentLength/bytesASecond) * time.Second
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	req := &request{Request: r.WithContext(ctx), w: w, deadline: deadline}

	answer, err := s.do(req, rt)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, r, answer)
}

// do answers a call of a caller who may make it.
func (s *server) do(r *request, rt route) (_ any, err error) {
	if err := s.permit(r.Request, rt.role, rt.nodes); err != nil {
		return nil, err
	}
	if r.query, err = rt.params.read(r.URL.RawQuery); err != nil {
		return nil, err
	}
	if rt.raise != nil {
		if err := s.permit(r.Request, rt.raise(r.query), false); err != nil {
			return nil, err
		}
	}
	switch {
	case rt.conditional:
		if r.cond, err = precondition(r.Header); err != nil {
			return nil, err
		}
	case !reads(r.Request):
		if err := refusePrecondition(r.Header); err != nil {
			return nil, err
		}
	}
	return rt.do(r)
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
