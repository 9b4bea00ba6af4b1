package upstream

import (
	"bytes"
	"fmt"

	"github.com/tollgate/tollgate/proxy/header"
	"github.com/valyala/fasthttp"
)

var (
	connection = []byte("Connection")
	http11     = []byte("HTTP/1.1")
)

// strip takes out of an answer what concerns the connection to the endpoint
// server only, and tells whether that can be kept. An answer with a header
// name that is none is refused: readers differ on it.
func (s *Server) strip(req *Request, resp *fasthttp.Response) (keep bool, err error) {
	h := &resp.Header
	keep = !h.ConnectionClose()
	h.Del("Trailer") // first: listing the fields would allocate for it
	hop := false
	listed := req.head[:0] // the request is out, its buffer is free
	for name, value := range h.All() {
		if !header.IsToken(name) {
			return false, fmt.Errorf("header name %q", name)
		}
		hop = hop || header.Lookup(name)&header.Hop != 0
		if bytes.Equal(name, connection) {
			listed = append(append(listed, value...), ',')
		}
	}
	req.head = listed
	if hop {
		for _, name := range hopNames { // "Connection: close" among them
			h.Del(name)
		}
	}
	token, rest, done := header.NextToken(listed)
	for ; !done; token, rest, done = header.NextToken(rest) {
		switch {
		case bytes.EqualFold(token, []byte("close")):
			keep = false
		case len(token) > 0 && header.Lookup(token)&header.Protected == 0:
			h.DelBytes(token)
		}
	}
	h.SetProtocol(http11) // to the client we speak our own version
	if resp.StatusCode() == fasthttp.StatusNoContent {
		h.Del("Content-Length") // RFC 9110 8.6
	}
	return keep, nil
}

// hopNames are the hop-by-hop fields that an answer can have.
var hopNames = [...]string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate",
	"Te", "Transfer-Encoding", "Upgrade",
}
