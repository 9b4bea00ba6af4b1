package plugin

import (
	"slices"

	"github.com/tollgate/tollgate/proxy/jwtauth"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// order is the way of a call through the plugins (spec section 3). Answers go
// back through it the other way round, past the steps that are Returners: so
// HEADER acts on the answers of MOCK and of the endpoint server, and CORS, last
// of all, on every answer of the domain.
var order = [...]place{
	// Before an endpoint is looked for: a browser asks with OPTIONS, which few
	// APIs have as an endpoint, and without the credentials that it asks for.
	// It is the only step that a call passes without an endpoint.
	{[]string{catalog.PluginCORS}, ofDomain(buildCORS), nil},
	// It is the first of those that refuse, because it costs least. A client that may
	// not come in sees no maintenance, uses no quota and has no signature checked.
	{[]string{catalog.PluginIPACL}, ofDomain(buildIPACL), nil},
	// It is behind IPACL, whose refusals are for good, and before the quota: a call that
	// was never meant to be served is not charged.
	{[]string{catalog.PluginMaintenance}, ofDomain(buildMaintenance), nil},
	// Behind what refuses without counting, before authentication, as in the
	// original: whoever guesses keys uses up the quota. Domain and endpoint are
	// one step, because one decision is taken over both.
	{[]string{catalog.PluginUsageQuota, catalog.PluginEndpointUsageQuota}, nil, buildUsageQuota(quota.BeforeAuth)},
	// Who calls comes before what proves it: a key that is unknown is refused without
	// checking a signature.
	{[]string{catalog.PluginAPIKey}, buildAPIKey, nil},
	// One of the two at most. Before all that acts in the client's name.
	{[]string{catalog.PluginHMAC}, buildHMAC, nil},
	{[]string{catalog.PluginJWT}, buildJWT, nil},
	// Conditions by who has been let in, and those that nobody else is to use up.
	{[]string{catalog.PluginUsageQuota, catalog.PluginEndpointUsageQuota}, nil, buildUsageQuota(quota.AfterAuth)},
	// It is the first behind authentication, because it may refuse as well. It gets the
	// header as the client sent it: HEADER is for the endpoint server.
	{[]string{catalog.PluginPreAPI}, nil, buildPreAPI},
	// It is behind everything that may refuse: nobody who may not call is to see a broken
	// rewrite.
	{[]string{catalog.PluginURIRewrite}, buildDomainRewrite, buildEndpointRewrite},
	// Last of those that change the request, and before the two that answer it,
	// for it changes their answers too.
	{[]string{catalog.PluginHeader}, nil, buildHeader},
	// Behind quota and authentication: a mocked endpoint behaves like the real
	// one to those who may not call it.
	{[]string{catalog.PluginMock}, nil, buildMock},
	// Last: it is the answer, and the only step that needs the request's body.
	{[]string{catalog.PluginHTTPProxy}, buildHTTPProxy, buildSettledProxy},
}

// firstCustom is the first place behind authentication (spec section 3, step 5).
var firstCustom = slices.IndexFunc(order[:], func(p place) bool { return p.plugins[0] == catalog.PluginPreAPI })

// place is a plugin, or two, at its place. A builder returns nil where the
// plugin is not configured. An endpoint's step stands in for the domain's.
type place struct {
	plugins []string
	// domain builds the step that all endpoints share, once.
	domain func(env *Env, d *catalog.Domain) (Step, error)
	// endpoint builds the step of one endpoint.
	endpoint func(env *Env, d *catalog.Domain, e *catalog.Endpoint) (Step, error)
}

// ofDomain is a builder that needs nothing but the domain.
func ofDomain(build func(*catalog.Domain) (Step, error)) func(*Env, *catalog.Domain) (Step, error) {
	return func(_ *Env, d *catalog.Domain) (Step, error) { return build(d) }
}

// Env is what the steps of one domain are built with.
type Env struct {
	Quota Quota
	// Admitted counts the calls admitted by onUnavailable, Shadowed those that shadow
	// conditions would have refused, and Unsettled those whose answer did not say what
	// they were worth.
	Admitted, Shadowed, Unsettled Counter
	// OverReserve counts the units that calls were worth beyond what they had reserved.
	OverReserve Counter

	// Keys knows the consumers' API keys.
	Keys Keys

	// Tokens remembers those of JWT that are good.
	Tokens *jwtauth.Cache

	// Servers are the endpoint servers, Upstream is told about the calls to them.
	Servers  *upstream.Group
	Upstream Observer

	// PreAPIServer gives the server of an "http://host:port", the same for the
	// same. It is only called while the domain is built.
	PreAPIServer func(origin string) (*upstream.Server, error)
	// PreAPI is told about the calls to Pre APIs, Ended counts the calls that
	// such a one has ended with an answer of its own.
	PreAPI Observer
	Ended  Counter
}

// Counter is one number of the metrics that only grows. Inc may be called at
// the same time.
type Counter interface {
	Inc()
	Add(n float64)
}
