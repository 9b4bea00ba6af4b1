package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
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

	if err := s.guard(r); err != nil {
		s.refuse(w, r, err)
		return
	}
	// The mux would redirect an unclean path, and a client's next request
	// would be another one than it meant.
	if p := r.URL.EscapedPath(); path.Clean(p) != p {
		s.noSuchCall(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// guard says why the caller may not come in, nil if it may.
func (s *server) guard(r *http.Request) error {
	if r.URL.Path == healthPath || r.URL.Path == readyPath {
		return nil
	}
	if err := s.checkToken(r); err != nil {
		return err
	}
	return s.checkBrowser(r)
}

// checkToken compares sums, so that neither content nor length of the token
// shows in the time it takes.
func (s *server) checkToken(r *http.Request) error {
	if s.Token == "" {
		return nil
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return unauthorized(40100, "this needs the cluster's token: send the header Authorization: Bearer TOKEN")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return unauthorized(40100, "the Authorization header must be one, and read: Bearer TOKEN")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(sum[:], s.tokenSum[:]) != 1 {
		return unauthorized(40101, "the token is not this cluster's")
	}
	return nil
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
	if s.Token == "" && !localName(r.Host) {
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
