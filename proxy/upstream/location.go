package upstream

import (
	"bytes"
	"strings"
)

// Below returns what a Location under the server's own address names behind the
// server's path: it begins with a slash, or is empty. ok is false for what is
// elsewhere, or above that path, and for what is relative to the request's own
// path. asHost is what the request said in Host in place of the server's own
// address, which the server may then take for that, with whatever scheme; it may
// be empty.
func (s *Server) Below(location, asHost []byte) (rest []byte, ok bool) {
	path := location
	if !bytes.HasPrefix(location, slash) || bytes.HasPrefix(location, doubleSlash) {
		if path, ok = s.cutAddress(location, asHost); !ok {
			return nil, false
		}
	}
	rest, ok = bytes.CutPrefix(path, []byte(s.base))
	if !ok || len(rest) > 0 && strings.IndexByte("/?#", rest[0]) < 0 {
		return nil, false
	}
	return rest, true
}

var slash, doubleSlash = []byte("/"), []byte("//")

// cutAddress takes scheme, host and port off a URL that has the server's.
func (s *Server) cutAddress(url, asHost []byte) (path []byte, ok bool) {
	scheme, rest, ok := bytes.Cut(url, []byte(":"))
	if !ok {
		scheme, rest = nil, url
	}
	if bytes.HasPrefix(url, doubleSlash) { // the scheme is that of the request
		scheme, rest = nil, url
	}
	rest, ok = bytes.CutPrefix(rest, doubleSlash)
	if !ok {
		return nil, false
	}
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if len(asHost) > 0 && bytes.EqualFold(rest[:end], asHost) && (scheme == nil || isHTTP(scheme)) {
		return rest[end:], true
	}
	if scheme != nil && !strings.EqualFold(string(scheme), s.scheme()) {
		return nil, false
	}
	return rest[end:], strings.EqualFold(s.withPort(string(rest[:end])), s.withPort(s.host))
}

func isHTTP(scheme []byte) bool {
	return strings.EqualFold(string(scheme), "http") || strings.EqualFold(string(scheme), "https")
}

// withPort adds the scheme's port to a host without one.
func (s *Server) withPort(host string) string {
	host = strings.TrimSuffix(host, ":")
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host
	}
	if s.tls != nil {
		return host + ":443"
	}
	return host + ":80"
}

func (s *Server) scheme() string {
	if s.tls != nil {
		return "https"
	}
	return "http"
}
