// Package gate checks what a client sent before anything is decided with it:
// bytes from outside are checked once, at the door. What passes has one
// meaning, the same for the route, the signature and the endpoint server
// behind (pitfalls 2(a) and 4).
//
// It works on the bytes of the request line and header as they came, because
// fasthttp's parsed forms already have decoded paths, merged headers and
// trailers in them.
package gate

import (
	"bytes"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
)

// Raw is a request's head as it came.
type Raw struct {
	Method, Target, Protocol []byte
	// Header is the header block without the request line, with the empty line
	// at its end; it may be empty when there are no fields.
	Header []byte
}

// Request is a request's head that passed. Its slices are cut from Raw's or
// belong to the Request; they are good until the next Read.
type Request struct {
	// Method is one of GET POST PUT DELETE HEAD PATCH OPTIONS.
	Method string
	// Target is path and query exactly as on the request line: what is signed.
	Target []byte
	// Key is the first segment of the path: perhaps a domain's key, perhaps
	// anything else, as spelled.
	Key []byte
	// Path is the path behind /{key} as spelled, what the endpoint server gets;
	// "/" where there is none, so that /{key} is read as /{key}/.
	Path []byte
	// Route is Path with its percent-encoding decoded once: what patterns are
	// matched against, so that no spelling of a path slips past its pattern.
	Route []byte
	// Query is the query with its question mark, or empty.
	Query []byte
	// Fields are the header fields, trailers not among them.
	Fields header.List
	// Host is the value of Host, empty where an HTTP/1.0 client sent none.
	Host []byte
	// Framed is true when the client declared a body, even an empty one.
	Framed bool
	// Length is the body's length in bytes, Chunked where only its end will
	// tell.
	Length int64
	// Continue is true when the client waits for "100 Continue" before it
	// sends the body.
	Continue bool
	// Close is true when the client wants the connection to be closed.
	Close bool
	// Upgrade is what the client would go on with on this connection, such as
	// "websocket"; empty for all but a GET without a body that may (RFC 9110
	// 7.8). Protocols that are HTTP again, or TLS, are left out.
	Upgrade []byte
	// Asterisk is true for OPTIONS *, which asks about the gateway itself.
	Asterisk bool

	// authority is that of a target in absolute form, absolute the rest of it
	// where its path is empty.
	authority, absolute []byte
	decoded             []byte
	switches            bool // Connection lists Upgrade
	protocols           []byte
}

// Chunked is the Length of a body that comes in chunks.
const Chunked = -1

// Read checks a request's head and fills r with it. Its error is the answer to
// the client, always an *envelope.Sealed. maxFields bounds the header fields.
func (r *Request) Read(raw Raw, maxFields int) error {
	if !header.IsToken(raw.Method) {
		return badMethod
	}
	old := string(raw.Protocol) == http10
	if !old && string(raw.Protocol) != http11 {
		return badVersion
	}
	if r.Method = method(raw.Method); r.Method == "" {
		return envelope.UnknownMethod
	}
	if err := r.readTarget(raw.Target); err != nil {
		return err
	}
	seen, err := r.readHeader(raw.Header, maxFields)
	switch {
	case err != nil:
		return err
	case r.authority != nil && !bytes.EqualFold(r.authority, r.Host):
		return badAuthority
	case !old && seen&header.Host == 0:
		return badHost
	case old && seen&header.TransferEncoding != 0: // RFC 9112 6.1
		return badFraming
	}
	if seen&header.Upgrade != 0 && r.switches && !old && r.Method == "GET" && r.Length == 0 {
		r.readUpgrade()
	}
	if old { // RFC 9110 10.1.1, RFC 9112 9.3
		r.Continue = false
		r.Close = r.Close || !r.keepAlive()
	}
	return nil
}

const http10, http11 = "HTTP/1.0", "HTTP/1.1"

// Reset drops everything that refers to a request.
func (r *Request) Reset() {
	clear(r.Fields)
	*r = Request{Fields: r.Fields[:0], absolute: r.absolute[:0], decoded: r.decoded[:0], protocols: r.protocols[:0]}
}

// method returns the constant for an allowed method, so that it can outlive
// the request, or "". Methods are case-sensitive.
func method(b []byte) string {
	for _, m := range [...]string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"} {
		if string(b) == m {
			return m
		}
	}
	return ""
}

func malformed(what string) *envelope.Sealed { return envelope.Malformed(what) }

var (
	badMethod  = malformed("the method is not a token")
	badVersion = malformed("HTTP version not 1.1 or 1.0")
)

// cut splits a path at the slash behind its first segment.
func cut(path []byte) (key, rest []byte) {
	path = path[1:]
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, nil
}
