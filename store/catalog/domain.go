package catalog

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tollgate/tollgate/store/quota"
)

// Domain is one published API as a Swagger document configures it, checked
// and typed. It is read-only once Parse has returned it.
type Domain struct {
	// Key is the first path segment of the domain's URL on every node.
	Key string
	// Name is for people; it decides nothing.
	Name string
	// Schemes are "http", "https" or both, in this order: what clients use to
	// reach the domain.
	Schemes []string
	// Plugins act on every endpoint of the domain.
	Plugins DomainPlugins
	// Endpoints is sorted by pattern, then method.
	Endpoints []Endpoint
}

// Endpoint is one HTTP method of one path pattern of a domain.
type Endpoint struct {
	// Method is one of GET POST PUT DELETE HEAD PATCH OPTIONS.
	Method string
	// Pattern is the AntPattern the path after /{domainKey} is matched against.
	Pattern string
	// Plugins act on this endpoint alone.
	Plugins EndpointPlugins
}

// ID is the endpoint's name in quota conditions, read-outs and metrics,
// such as "GET /x/**".
func (e *Endpoint) ID() string { return e.Method + " " + e.Pattern }

// DomainPlugins holds a domain's plugins; a nil one is not configured.
type DomainPlugins struct {
	HTTPProxy   *HTTPProxy
	IPACL       *IPACL
	Maintenance *Maintenance
	HMAC        *HMAC
	JWT         *JWT
	APIKey      *APIKey
	UsageQuota  *UsageQuota
	CORS        *CORS
	URIRewrite  *URIRewrite
}

// EndpointPlugins holds an endpoint's plugins; a nil one is not configured.
type EndpointPlugins struct {
	UsageQuota *UsageQuota // ENDPOINT_USAGE_QUOTA
	UsageCost  *UsageCost
	PreAPI     *PreAPI
	URIRewrite *URIRewrite
	Header     *Header
	Mock       *Mock
}

// HTTPProxy says where a domain's requests go (plugin HTTP_PROXY, required).
type HTTPProxy struct {
	// URL is the endpoint server: http or https, host, optional port and
	// path. The path is put before the request's. It is empty where there are
	// Targets.
	URL string `json:"url,omitempty"`
	// Targets are the endpoint servers where there are several, up to
	// MaxTargets. All that follows is ours, not the original's.
	Targets []Target `json:"targets,omitempty"`
	// Balance is LeastRequests, RoundRobin or Hash; empty means the first.
	Balance string `json:"balance,omitempty"`
	// HashHeader is the header that Hash goes by; empty means the client's
	// address.
	HashHeader string `json:"hashHeader,omitempty"`
	// HealthCheck asks each target again and again; nil: nobody does.
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`
	// CACertificate is the certificates, in PEM, that alone are trusted at https
	// servers; empty means those that the node trusts.
	CACertificate string `json:"caCertificate,omitempty"`
	// ClientCertificate is shown to https servers; nil: none is.
	ClientCertificate *ClientCertificate `json:"clientCertificate,omitempty"`
	// HostHeader is HostOfTarget or HostOfClient; empty means the first.
	HostHeader string `json:"hostHeader,omitempty"`
	// RewriteRedirects makes a Location under the endpoint server's address one
	// of the gateway's; nil means true.
	RewriteRedirects *bool `json:"rewriteRedirects,omitempty"`
	// MaxRequestBody is bytes of a request's body, up to 1 TiB; 0: what the node
	// allows, which more never is.
	MaxRequestBody int64 `json:"maxRequestBody,omitempty"`
}

// Target is one of several endpoint servers.
type Target struct {
	// URL is as HTTPProxy.URL.
	URL string `json:"url"`
	// Weight is its share of the calls, beside the other targets', 1 to 1,000; 0
	// means 1.
	Weight int64 `json:"weight,omitempty"`
}

// HealthCheck is a GET that a healthy target answers with 200 to 399.
type HealthCheck struct {
	// Path is the whole path, perhaps with a query.
	Path string `json:"path"`
	// IntervalSeconds is the pause between two checks of a target, 1 to 3,600; 0
	// means DefaultCheckInterval.
	IntervalSeconds int64 `json:"intervalSeconds,omitempty"`
	// TimeoutMillis bounds one check, 10 to 60,000; 0 means DefaultCheckTimeout.
	TimeoutMillis int64 `json:"timeoutMillis,omitempty"`
}

// ClientCertificate is a certificate with its private key, both in PEM.
type ClientCertificate struct {
	// Certificate is the certificate, then those between it and its CA.
	Certificate string `json:"certificate"`
	// Key is the certificate's, without a passphrase.
	Key string `json:"key"`
}

// IPACL admits or refuses clients by address (plugin IPACL).
type IPACL struct {
	// IsPermit true admits only the listed addresses, false all but them.
	IsPermit bool   `json:"isPermit"`
	IPList   []IPIn `json:"ipList"`
}

// IPIn is one address ("192.0.2.1") or subnet ("192.0.2.0/24"), IPv4 or IPv6.
type IPIn struct {
	IP string `json:"ip"`
}

// Maintenance answers every call of the domain by itself (plugin MAINTENANCE).
type Maintenance struct {
	// IsUse false keeps the setting without acting on it.
	IsUse bool `json:"isUse"`
	Response
}

// Response is an answer the gateway gives by itself.
type Response struct {
	// StatusCode is 200 to 599.
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

// HMAC checks signed requests (plugin HMAC, spec section 6).
type HMAC struct {
	SecretKey string `json:"secretKey"`
	// ClockSkew in seconds, 0 to 86400; 0 switches the time check off.
	ClockSkew int64 `json:"clockSkew"`
	// SingleUse has each signature be good once in the cluster; ClockSkew is not 0
	// then. Ours.
	SingleUse bool `json:"singleUse,omitempty"`
}

// APIKey lets in who sends the key of a consumer (plugin API_KEY). Ours.
type APIKey struct {
	// Header holds the key; empty means DefaultAPIKeyHeader.
	Header string `json:"header,omitempty"`
}

// DefaultAPIKeyHeader is the header of an APIKey that names none.
const DefaultAPIKeyHeader = "X-Api-Key"

// JWT checks HS256 tokens (plugin JWT, spec section 7).
type JWT struct {
	SecretKey string `json:"secretKey"`
	// ClockSkew in seconds, 0 to 86400: leeway for exp and nbf.
	ClockSkew int64 `json:"clockSkew"`
	// Issuer that the iss claim must equal; empty accepts any.
	Issuer string `json:"issuer"`
}

// UsageQuota limits calls (plugins USAGE_QUOTA and ENDPOINT_USAGE_QUOTA).
type UsageQuota struct {
	Beans []UsageQuotaBean `json:"usageQuotaBeans"`
	// OnUnavailable is what happens to a call that cannot be decided in
	// time: "reject" or "admit". Empty means reject; at an endpoint it means
	// what the domain says. Ours, not the original's.
	OnUnavailable string `json:"onUnavailable,omitempty"`
	// Order is OrderAfterAuthentication, or empty: conditions by consumer or claim
	// are decided behind authentication, the others before. Ours.
	Order string `json:"order,omitempty"`
	// Headers has every answer tell where the call stands. Ours.
	Headers bool `json:"headers,omitempty"`
}

// OrderAfterAuthentication has all conditions of a quota decided behind authentication.
const OrderAfterAuthentication = "afterAuthentication"

// UsageCost is what a call of the endpoint takes of every condition (plugin USAGE_COST).
// Ours.
type UsageCost struct {
	// Units is 1 to 10^9.
	Units int64 `json:"units"`
	// SettleHeader, unless it is empty, is the header of the endpoint server's answer
	// that says how many units it was; Units are reserved until then.
	SettleHeader string `json:"settleHeader,omitempty"`
}

// UsageQuotaBean is one condition of a quota.
type UsageQuotaBean struct {
	// MaxUsageQuota is calls per window, 1 to 10^12.
	MaxUsageQuota uint64 `json:"maxUsageQuota"`
	// ResetTimeSeconds is the window's length, 1 to 31,536,000 s; 0 where there is
	// a Period. Conditions of one quota differ in window, By or Shadow.
	ResetTimeSeconds uint32 `json:"resetTimeSeconds,omitempty"`
	// The rest is ours, and as in quota.Condition.
	Period       *Period           `json:"period,omitempty"`
	By           string            `json:"by,omitempty"`
	Plans        map[string]uint64 `json:"plans,omitempty"`
	PlanClaim    string            `json:"planClaim,omitempty"`
	MaxCallers   uint32            `json:"maxCallers,omitempty"` // 0 means quota.DefaultMaxCallers
	Shadow       bool              `json:"shadow,omitempty"`
	AlertPercent []uint8           `json:"alertPercent,omitempty"`
}

// Period is a window of the calendar.
type Period struct {
	// Unit is "minute", "hour", "day", "week" or "month".
	Unit string `json:"unit"`
	// TimeZone is a name of the IANA database, such as "Asia/Seoul".
	TimeZone string `json:"timeZone"`
}

// CORS answers preflights and marks responses (plugin CORS).
type CORS struct {
	AllowedOrigins []string `json:"allowedOrigins"`
	AllowedMethods []string `json:"allowedMethods"`
	AllowedHeaders []string `json:"allowedHeaders"`
	ExposedHeaders []string `json:"exposedHeaders"`
	// MaxCredentialsAge in seconds, 0 to 86400: Access-Control-Max-Age.
	MaxCredentialsAge int64 `json:"maxCredentialsAge"`
	AllowCredentials  bool  `json:"allowCredentials"`
}

// PreAPI is asked before the endpoint server (plugin PRE_API, spec section 8).
type PreAPI struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	// TimeoutMillis bounds the call; 0 means DefaultPreAPITimeout. Ours.
	TimeoutMillis int64 `json:"timeoutMillis,omitempty"`
}

// URIRewrite changes the path sent to the endpoint server (plugin
// URI_REWRITE, spec section 9). Its syntax is checked when called: the seed
// promises 20005 and 20006 from a deployed domain.
type URIRewrite struct {
	URIPattern string `json:"uriPattern"`
	RewriteURI string `json:"rewriteUri"`
}

// Header sets headers, overwriting what is there (plugin HEADER).
type Header struct {
	RequestHeaders  map[string]string `json:"requestHeaders"`
	ResponseHeaders map[string]string `json:"responseHeaders"`
}

// Mock answers an endpoint's calls by itself (plugin MOCK).
type Mock struct {
	Response
}

// Conditions lists the domain's quota conditions, its own first, then its
// endpoints' in order: what a deploy hands to the quota state machine.
func (d *Domain) Conditions() []quota.Condition {
	var list []quota.Condition
	add := func(endpoint string, q *UsageQuota) {
		if q == nil {
			return
		}
		for _, b := range q.Beans {
			list = append(list, b.condition(endpoint, q.Order))
		}
	}
	add("", d.Plugins.UsageQuota)
	for i := range d.Endpoints {
		add(d.Endpoints[i].ID(), d.Endpoints[i].Plugins.UsageQuota)
	}
	return list
}

// singleUse is Draft.SingleUse.
func (d *Domain) singleUse() uint32 {
	if h := d.Plugins.HMAC; h != nil && h.SingleUse {
		return uint32(h.ClockSkew)
	}
	return 0
}

// condition is the bean as the quota state machine takes it.
func (b *UsageQuotaBean) condition(endpoint, order string) quota.Condition {
	c := quota.Condition{
		Endpoint: endpoint, Max: b.MaxUsageQuota, ResetSeconds: b.ResetTimeSeconds,
		By: quota.By(b.By), Shadow: b.Shadow, PlanClaim: b.PlanClaim, Alerts: b.AlertPercent,
	}
	if b.Period != nil {
		c.Period.Unit, _ = quota.ParseUnit(b.Period.Unit)
		c.Period.Zone = b.Period.TimeZone
	}
	for _, name := range slices.Sorted(maps.Keys(b.Plans)) {
		c.Plans = append(c.Plans, quota.Plan{Name: name, Max: b.Plans[name]})
	}
	if c.By != quota.ByAll {
		c.MaxCallers = cmp.Or(b.MaxCallers, quota.DefaultMaxCallers)
	}
	_, byClaim := c.By.Claim()
	c.AfterAuth = order == OrderAfterAuthentication || byClaim || c.By == quota.ByConsumer
	return c
}

// AdmitsUndecided tells whether a call of the endpoint passes when its quotas
// cannot be decided in time: when each quota it counts on says so. One of an
// endpoint that says nothing does as the domain's.
func (d *Domain) AdmitsUndecided(e *Endpoint) bool {
	domain, endpoint := d.Plugins.UsageQuota, e.Plugins.UsageQuota
	switch {
	case domain != nil && domain.OnUnavailable != "admit":
		return false
	case endpoint != nil && endpoint.OnUnavailable != "":
		return endpoint.OnUnavailable == "admit"
	}
	return domain != nil
}
