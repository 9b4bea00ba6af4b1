package admin

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"strings"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/node/admin/console"
)

// ServeHTTP lets a request in and keeps its panic from the process.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store") // exports hold secrets
	h.Set("X-Content-Type-Options", "nosniff")
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.Logger.Error("panic in an admin call", keyMethod, r.Method, keyPath, r.URL.Path,
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		s.refuse(w, r, refusal(http.StatusInternalServerError, "internal error; the node's log says more"))
	}()

	caller, err := s.guard(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	r = withAsker(r, caller)
	// The mux would redirect an unclean path, and a client's next request
	// would be another one than it meant.
	if p := r.URL.EscapedPath(); path.Clean(p) != p && p != console.Path {
		s.noSuchCall(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// roleNode is of a node of the cluster that shows its certificate. It may do
// what the routes say, and nothing that a token's role may.
const roleNode Role = "node"

// guard tells who calls, or why nobody may come in like that. What the caller
// may do is decided by each call (permit).
func (s *server) guard(r *http.Request) (Caller, error) {
	if r.URL.Path == api.HealthPath || r.URL.Path == api.ReadyPath || isConsole(r.URL.Path) {
		return Caller{}, nil
	}
	caller, err := s.identify(r)
	if err != nil {
		s.refusals.refused(r.Context(), r.RemoteAddr, err)
		return caller, err
	}
	return caller, s.checkBrowser(r)
}

// identify finds out who calls, by token or by certificate.
func (s *server) identify(r *http.Request) (Caller, error) {
	if s.Tokens == nil {
		return Caller{Role: RoleAdmin}, nil
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return s.identifyNode(r)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return Caller{}, unauthorized("the Authorization header must be one, and read: Bearer TOKEN")
	}
	caller, known := s.Tokens().find(strings.TrimSpace(token))
	if !known {
		return Caller{}, unauthorized("the token is unknown here: the node's --admin-token-file does not have it")
	}
	return caller, nil
}

// identifyNode finds out who calls without a token.
func (s *server) identifyNode(r *http.Request) (Caller, error) {
	missing := unauthorized("this needs a token: send the header Authorization: Bearer TOKEN")
	if s.Peer == nil || r.TLS == nil {
		return Caller{}, missing
	}
	id, err := s.Peer(r.TLS)
	switch {
	case err != nil:
		return Caller{}, unauthorized("the certificate that was shown is not a node's of this cluster: " + err.Error())
	case id == "":
		return Caller{}, missing
	}
	return Caller{Role: roleNode, Name: id}, nil
}

// permit says why a caller may not do what needs a role, nil if it may. nodes
// tells that nodes may too.
func (s *server) permit(r *http.Request, needed Role, nodes bool) error {
	caller := callerOf(r)
	switch {
	case caller.Role.allows(needed), caller.Role == roleNode && nodes:
		return nil
	case caller.Role == roleNode:
		return unauthorized("this needs a token: the certificate of node " + caller.Name + " is not enough")
	}
	return refusal(http.StatusForbidden, "this needs the role %s; the token of %s has the role %s", needed, caller.Name, caller.Role)
}

// crossSite knows the requests that a browser marks as caused by another site.
var crossSite = http.NewCrossOriginProtection()

// checkBrowser keeps web pages out. A page elsewhere can make a browser on
// this machine send requests, and by DNS rebinding even read the answers;
// without a token that would suffice. A rebound name is never an IP address.
func (s *server) checkBrowser(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return refusal(http.StatusForbidden, "requests of web pages from %s are not allowed", printable(origin))
		}
	}
	if crossSite.Check(r) != nil {
		return refusal(http.StatusForbidden, "requests that another web site causes are not allowed")
	}
	if s.Tokens == nil && !localName(r.Host) {
		return refusal(http.StatusForbidden, "the host name %s is not allowed: without a token this API answers at its IP address and localhost only", printable(r.Host))
	}
	return nil
}

// localName tells whether host, with or without a port, is an IP address or
// localhost.
func localName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
