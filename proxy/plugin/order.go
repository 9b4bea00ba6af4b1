package plugin

import (
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
)

// order is the way of a call through the plugins (spec section 3). A place
// builds its step for one endpoint, or returns nil where neither the domain
// nor the endpoint configures it.
var order = [...]place{
	// Behind what refuses without counting, before authentication, as in the
	// original: whoever guesses keys uses up the quota. Domain and endpoint are
	// one step, because one decision is taken over both.
	{[]string{"USAGE_QUOTA", "ENDPOINT_USAGE_QUOTA"}, buildUsageQuota},
	// Behind quota and authentication: a mocked endpoint behaves like the real
	// one to those who may not call it.
	{[]string{"MOCK"}, buildMock},
	// Last: it is the answer, and the only step that needs the request's body.
	{[]string{"HTTP_PROXY"}, buildHTTPProxy},
}

type place struct {
	plugins []string
	build   func(env *Env, d *catalog.Domain, e *catalog.Endpoint) Step
}

// Built lists the plugins that the data plane implements. A domain with any
// other must not be deployed: see Unbuilt.
var Built = func() (names []string) {
	for _, p := range order {
		names = append(names, p.plugins...)
	}
	return names
}()

// Env is what the steps of one domain share.
type Env struct {
	Quota  Quota
	Server *upstream.Server
	// Admitted counts the calls admitted by onUnavailable.
	Admitted Counter
	Upstream Observer
}

// Counter is one number of the metrics that only grows. Inc may be called at
// the same time.
type Counter interface{ Inc() }

// Chain is the steps of one endpoint in their order.
type Chain struct {
	before []Step
	last   Step
}

// Build makes the chain of one endpoint. It fails on plugins that are not
// built, because leaving out an access check would open the endpoint.
func Build(env *Env, d *catalog.Domain, e *catalog.Endpoint) (*Chain, error) {
	if names := Unbuilt(d); len(names) > 0 {
		return nil, fmt.Errorf("configures %s, which this version does not implement", strings.Join(names, ", "))
	}
	var steps []Step
	for _, p := range order {
		if s := p.build(env, d, e); s != nil {
			steps = append(steps, s)
		}
	}
	n := len(steps) - 1
	return &Chain{before: steps[:n], last: steps[n]}, nil
}

// Admit runs the steps that can decide without the request's body.
func (ch *Chain) Admit(c *Call) (answered bool, err error) {
	for _, s := range ch.before {
		if answered, err = s.Serve(c); answered || err != nil {
			return answered, err
		}
	}
	return false, nil
}

// Finish answers a call that Admit has let through.
func (ch *Chain) Finish(c *Call) error {
	_, err := ch.last.Serve(c)
	return err
}
