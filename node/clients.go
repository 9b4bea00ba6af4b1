package node

import (
	"fmt"
	"time"

	"github.com/tollgate/tollgate/proxy"
)

// ClientLimits bound what clients can take of a node. Zero means the default;
// proxy.Config has them all with their bounds.
type ClientLimits struct {
	// MaxConns is connections of all clients, MaxConnsPerClient of one address
	// or /64 of IPv6, and MaxCallsPerClient its calls in flight.
	MaxConns, MaxConnsPerClient, MaxCallsPerClient int
	// MaxRequestBody is bytes of one body, BodyMemory of the memory that all
	// may hold.
	MaxRequestBody, BodyMemory int64
	// BodyTimeout is how long a client may pause in a body.
	BodyTimeout time.Duration
}

// apply puts the limits into the data plane's configuration.
func (l *ClientLimits) apply(c *proxy.Config) {
	c.MaxConns, c.MaxConnsPerClient, c.MaxCallsPerClient = l.MaxConns, l.MaxConnsPerClient, l.MaxCallsPerClient
	c.MaxRequestBody, c.BodyMemory, c.BodyTimeout = int(l.MaxRequestBody), l.BodyMemory, l.BodyTimeout
}

// limitFlags are the flags that set them, by their names in proxy.Config.
var limitFlags = map[string]string{
	"MaxConns": "max-conns", "MaxConnsPerClient": "max-conns-per-client", "MaxCallsPerClient": "max-calls-per-client",
	"MaxRequestBody": "max-request-body", "BodyMemory": "body-memory", "BodyTimeout": "body-timeout",
}

// settle puts in the defaults and lists what is out of bounds.
func (l *ClientLimits) settle() (errs []error) {
	var c proxy.Config
	l.apply(&c)
	problems := c.OutOfBounds()
	*l = ClientLimits{c.MaxConns, c.MaxConnsPerClient, c.MaxCallsPerClient, int64(c.MaxRequestBody), c.BodyMemory, c.BodyTimeout}
	for _, p := range problems {
		errs = append(errs, fmt.Errorf("--%s %v: must be %v to %v", limitFlags[p.Setting], p.Value, p.Low, p.High))
	}
	return errs
}
