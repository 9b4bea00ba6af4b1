// Package upstream sends requests to one server behind the gateway, an endpoint
// server or a Pre API, over kept connections. fasthttp's HostClient is used as the pool; the exchange is our
// own, so that targets go out as spelled, retries are visible, and a
// connection that holds bytes nobody asked for is never given to the next
// client (pitfalls 2(a) 2, 6, 16 to 18, 22, 23, 33, 34).
package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// Config bounds what a server may cost. All fields but TLS are
// required.
type Config struct {
	// TLS is for https servers; nil means the system's roots.
	TLS *tls.Config
	// MaxConns bounds the connections to the server, ConnWait the wait for one
	// of them.
	MaxConns int
	ConnWait time.Duration
	// ConnectTimeout bounds name look-up, connect and TLS handshake.
	ConnectTimeout time.Duration
	// Timeout bounds a call as a whole: wait, connect, send, receive, retry;
	// a Request may have its own.
	Timeout time.Duration
	// IdleTimeout is how long an unused connection is kept.
	IdleTimeout time.Duration
	// MaxHeader and MaxBody bound an answer, in bytes.
	MaxHeader, MaxBody int
}

// Server is one server. Its methods may be called at the same time.
type Server struct {
	cfg Config
	// host is what Host says, addr where to connect, base what is put before a
	// request's path: "" or "/some/path" without a slash at its end.
	host, addr, base string
	tls              *tls.Config // nil for http
	pool             fasthttp.HostClient
}

// New makes a Server of an http or https URL with a host, perhaps a port and a
// path. It connects when it is first used.
func New(rawURL string, cfg Config) (*Server, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("the server's URL cannot be read")
	}
	if u.User != nil { // not repeated: it may be a password
		return nil, errors.New("the server's URL has a user, which is not allowed")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("server %q: it must be http:// or https:// with a host", rawURL)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server %q: only host, port and path are allowed, no query or fragment", rawURL)
	}
	s := &Server{cfg: cfg, host: u.Host, base: strings.TrimRight(u.EscapedPath(), "/")}
	port := u.Port()
	if u.Scheme == "https" {
		s.tls = cfg.TLS.Clone()
		if s.tls == nil {
			s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if s.tls.ServerName == "" {
			s.tls.ServerName = u.Hostname()
		}
		port = or(port, "443")
	}
	s.addr = net.JoinHostPort(u.Hostname(), or(port, "80"))
	s.pool = fasthttp.HostClient{
		Addr:                "endpoint-server", // not resolved: dial knows where to
		DialTimeout:         s.dial,
		MaxConns:            cfg.MaxConns,
		MaxConnWaitTimeout:  cfg.ConnWait,
		MaxIdleConnDuration: cfg.IdleTimeout,
		ReadBufferSize:      cfg.MaxHeader,
		// The freshest first: when that one is stale, the rest is as well.
		ConnPoolStrategy: fasthttp.LIFO,
	}
	return s, nil
}

// CloseIdle closes the connections that no call is using. The Server stays
// usable.
func (s *Server) CloseIdle() { s.pool.CloseIdleConnections() }

// URL is the address of what a request asks for.
func (s *Server) URL(path, query []byte) string {
	scheme := "http://"
	if s.tls != nil {
		scheme = "https://"
	}
	return scheme + s.host + s.base + string(path) + string(query)
}

// Host is what the server is sent as Host.
func (s *Server) Host() string { return s.host }

// Conns returns the number of open connections, idle ones included.
func (s *Server) Conns() int { return s.pool.ConnsCount() }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Reason is why a call failed.
type Reason uint8

// The reasons.
const (
	// Timeout: no whole answer within the call's Timeout, or no connection
	// within ConnectTimeout.
	Timeout Reason = iota
	// Connect: the name, the connection or TLS failed.
	Connect
	// Busy: all Config.MaxConns connections were in use for Config.ConnWait.
	Busy
	// Broken: the connection broke, or what came is no answer.
	Broken
	// TooLarge: the answer's body has more than Config.MaxBody bytes.
	TooLarge
	// Reasons is their number.
	Reasons
)

func (r Reason) String() string {
	return [Reasons]string{"timeout", "connect", "busy", "broken", "too_large"}[r]
}

// Error is a call without an answer that can be passed on.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Reason.String() + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// fail makes an Error of whatever went wrong; otherwise is its reason when it
// is neither a timeout nor one of the pool's or reader's own.
func (s *Server) fail(err error, otherwise Reason) *Error {
	var t interface{ Timeout() bool }
	switch {
	case errors.As(err, &t) && t.Timeout():
		return &Error{Timeout, err}
	case errors.Is(err, fasthttp.ErrNoFreeConns):
		return &Error{Busy, fmt.Errorf("all UpstreamMaxConns=%d connections were in use for UpstreamConnWait=%v", s.cfg.MaxConns, s.cfg.ConnWait)}
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return &Error{TooLarge, fmt.Errorf("the answer's body is larger than %d bytes (MaxResponseBody; 1 MiB for a Pre API)", s.cfg.MaxBody)}
	}
	return &Error{otherwise, err}
}
