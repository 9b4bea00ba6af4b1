package node

import (
	"fmt"
	"time"

	"github.com/tollgate/tollgate/proxy"
)

// UpstreamLimits bound what endpoint servers and Pre APIs can take of a node.
// Zero means the default; proxy.Config has them all with their bounds.
type UpstreamLimits struct {
	// Timeout bounds the time to the head of an endpoint server's answer and
	// the pauses in its body.
	Timeout time.Duration
	// MaxConnAge is how long a connection may be used again.
	MaxConnAge time.Duration
	// BodyBuffer is bytes of an answer that are held; a larger one streams.
	BodyBuffer int64
}

// apply puts the limits into the data plane's configuration.
func (l *UpstreamLimits) apply(c *proxy.Config) {
	c.UpstreamTimeout, c.UpstreamMaxConnAge, c.BodyBuffer = l.Timeout, l.MaxConnAge, int(l.BodyBuffer)
}

// upstreamFlags are the flags that set them, by their names in proxy.Config.
var upstreamFlags = map[string]string{
	"UpstreamTimeout": "upstream-timeout", "UpstreamMaxConnAge": "upstream-max-conn-age", "BodyBuffer": "body-buffer",
}

// settle puts in the defaults and lists what is out of bounds.
func (l *UpstreamLimits) settle() (errs []error) {
	var c proxy.Config
	l.apply(&c)
	problems := c.OutOfBounds()
	*l = UpstreamLimits{c.UpstreamTimeout, c.UpstreamMaxConnAge, int64(c.BodyBuffer)}
	for _, p := range problems {
		errs = append(errs, fmt.Errorf("--%s %v: must be %v to %v", upstreamFlags[p.Setting], p.Value, p.Low, p.High))
	}
	return errs
}
