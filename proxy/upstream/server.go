// Package upstream sends requests to servers behind the gateway, the endpoint
// servers of a domain or a Pre API, over kept connections. Pool and exchange are our own, so
// that targets and names go through as spelled, retries are visible, answers
// are read strictly and with constant memory, names are looked up again, and a
// connection that holds bytes nobody asked for is never given to the next
// client (pitfalls 2(a) 2, 6, 16 to 18, 20 to 29, 33, 34).
package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config bounds what a server may cost. All fields but TLS, Memory, Network and
// Clock are required.
type Config struct {
	// TLS is for https servers; nil means the system's roots.
	TLS *tls.Config
	// MaxConns bounds the connections to the server, ConnWait the wait for one
	// of them.
	MaxConns int
	ConnWait time.Duration
	// ConnectTimeout bounds name look-up, connect and TLS handshake.
	ConnectTimeout time.Duration
	// Timeout bounds the time to the head of an answer: wait, connect, send,
	// retry; and each pause in its body, but never the whole. A Request may
	// have its own, which does.
	Timeout time.Duration
	// IdleTimeout is how long an unused connection is kept, MaxConnAge how long
	// any may be used again.
	IdleTimeout, MaxConnAge time.Duration
	// Hold is how long the end of an answer of unknown length is waited for behind
	// its head, before what has come goes to the client: it may be a stream of
	// events.
	Hold time.Duration
	// MaxHeader bounds the head of an answer, in bytes.
	MaxHeader int
	// BodyBuffer is how long a body may be to be held, in bytes; a longer one
	// streams. MaxBody bounds the bodies of requests that say Whole.
	BodyBuffer, MaxBody int
	// Memory is asked for the memory of answers; nil: there is no bound.
	Memory Memory
	// Network is how the server is reached; nil: the system's.
	Network Network
	// Clock says how old the addresses of names are, and how long a target is
	// ejected; nil: time.Now.
	Clock func() time.Time
}

// uploadShare is the part of the connections that requests may have whose
// bodies are still coming: clients that send slowly leave the rest to others.
const uploadShare = 2

// Server is one server. Its methods may be called at the same time.
type Server struct {
	cfg Config
	// host is what Host says, base what is put before a request's path: "" or
	// "/some/path" without a slash at its end.
	host, base string
	port       int
	tls        *tls.Config // nil for http
	names      *names
	pool       pool
	readers    readers
	uploads    places
	switched   places
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
	s.port, err = strconv.Atoi(or(port, "80"))
	if err != nil || s.port < 1 || s.port > 65535 {
		return nil, fmt.Errorf("server %q: the port must be 1 to 65535", rawURL)
	}
	if s.cfg.Network == nil {
		s.cfg.Network = &system{}
	}
	if s.cfg.Clock == nil {
		s.cfg.Clock = time.Now
	}
	s.names = newNames(&s.cfg, u.Hostname())
	s.pool = pool{
		dial: s.dial, fits: func(c *conn) bool { return s.names.has(c.addr) },
		max: cfg.MaxConns, wait: cfg.ConnWait, idleTime: cfg.IdleTimeout, maxTime: cfg.MaxConnAge,
	}
	s.readers.size = cfg.MaxHeader
	s.switched = make(places, cfg.MaxConns)
	s.uploads = make(places, max(1, cfg.MaxConns/uploadShare))
	return s, nil
}

// CloseIdle closes the connections that no call is using. The Server stays
// usable.
func (s *Server) CloseIdle() { s.pool.closeIdle() }

// URL is the address of what a request asks for.
func (s *Server) URL(path, query []byte) string {
	return s.scheme() + "://" + s.host + s.base + string(path) + string(query)
}

// Host is what the server is sent as Host.
func (s *Server) Host() string { return s.host }

// Conns returns the number of open connections, idle ones included.
func (s *Server) Conns() int { return s.pool.conns() }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
