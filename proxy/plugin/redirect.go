package plugin

import (
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/upstream"
)

// redirects rewrites where answers of endpoint servers send the client: below
// the domain's path, which no endpoint server knows. It is path-absolute, so
// that it means whatever address the client has used.
type redirects struct {
	// prefix is "/{key}".
	prefix []byte
}

func newRedirects(key string) *redirects { return &redirects{[]byte("/" + key)} }

// rewrite acts on an answer of one of the servers. A Location elsewhere stays as
// it is.
func (r *redirects) rewrite(c *Call, servers *upstream.Group) {
	for i := range c.Answer.Fields {
		f := &c.Answer.Fields[i]
		if f.Rules&header.Location == 0 {
			continue
		}
		if rest, ok := servers.Below(&c.Answer, f.Value, c.Upstream.HostHeader); ok {
			begin := len(c.location)
			c.location = append(append(c.location, r.prefix...), rest...)
			f.Value = c.location[begin:]
		}
	}
}
