package catalog

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxTargets bounds the targets of a domain.
const MaxTargets = 64

// What a field of HTTP_PROXY means that is left out.
const (
	DefaultCheckInterval = 10 * time.Second
	DefaultCheckTimeout  = 2 * time.Second
)

const (
	maxWeight        = 1000
	maxCheckSeconds  = 3600
	minCheckMillis   = 10
	maxCheckMillis   = 60_000
	maxPEMBytes      = 256 << 10
	maxPrivateKeyPEM = 16 << 10
	maxRequestBody   = 1 << 40
)

// The words of Balance, the first is meant where it is empty.
const (
	LeastRequests = "leastRequests"
	RoundRobin    = "roundRobin"
	Hash          = "hash"
)

// The words of HostHeader, the first is meant where it is empty.
const (
	HostOfTarget = "target"
	HostOfClient = "client"
)

func readHTTPProxy(o *object) *HTTPProxy {
	p := &HTTPProxy{}
	p.URL, p.Targets = readServers(o)
	p.Balance = o.oneOf("balance", LeastRequests, RoundRobin, Hash)
	p.HashHeader = readHashHeader(o, p.Balance)
	p.HealthCheck = readHealthCheck(o)
	p.CACertificate = readCACertificate(o)
	p.ClientCertificate = readClientCertificate(o)
	p.HostHeader = o.oneOf("hostHeader", HostOfTarget, HostOfClient)
	if _, ok := o.take("rewriteRedirects"); ok {
		on := o.boolean("rewriteRedirects", false, "true (Location under the endpoint server's address is made the gateway's) or false (it stays)")
		p.RewriteRedirects = &on
	}
	p.MaxRequestBody = o.optional("maxRequestBody", 1, maxRequestBody)
	return p
}

// warnOfPlain warns of what acts on https servers only where there are none. in
// is the plugin's object.
func (p *parser) warnOfPlain(proxy *HTTPProxy, in value) {
	if proxy.secure() || in.kind() != kindObject {
		return
	}
	for _, v := range find([]value{in}, []string{"caCertificate", "clientCertificate"}) {
		p.warn(v, "has no effect: no endpoint server of the domain is called by https")
	}
}

// readServers reads url or targets; there must be one of the two.
func readServers(o *object) (url string, targets []Target) {
	single, isURL := o.take("url")
	list, isList := o.take("targets")
	switch {
	case isURL && isList:
		later := single
		if list.at > single.at {
			later = list
		}
		o.p.fail(later, "url and targets exclude each other: url is for one endpoint server, targets for several")
		return o.url("url", false), readTargets(o)
	case isList:
		return "", readTargets(o)
	case !isURL:
		o.missing("url", `an http or https URL, such as "http://10.0.0.5:8080"; for several endpoint servers, targets`)
		return "", nil
	}
	return o.url("url", false), nil
}

func readTargets(o *object) (targets []Target) {
	const want = `a list of at least one {"url":"http://10.0.0.5:8080","weight":1}`
	items := o.array("targets", true, want)
	if len(items) > MaxTargets {
		o.p.fail(items[MaxTargets], "there are %d targets, at most %d are allowed", len(items), MaxTargets)
		return nil
	}
	seen := map[string]bool{}
	for _, item := range items {
		entry, ok := o.p.object(item, `an object such as {"url":"http://10.0.0.5:8080","weight":1}`)
		if !ok {
			continue
		}
		t := Target{URL: entry.url("url", false), Weight: entry.optional("weight", 1, maxWeight)}
		entry.done("an entry of targets")
		if same := sameServer(t.URL); t.URL != "" && seen[same] {
			v, _ := entry.take("url")
			o.p.fail(v, "%s is a target already: give that one more weight instead", showURL(t.URL))
		} else {
			seen[same] = true
		}
		targets = append(targets, t)
	}
	return targets
}

// sameServer is one spelling of the URL of an endpoint server.
func sameServer(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	authority, path, _ := strings.Cut(rest, "/")
	scheme, authority = strings.ToLower(scheme), strings.ToLower(authority)
	switch scheme {
	case "http":
		authority = strings.TrimSuffix(authority, ":80")
	case "https":
		authority = strings.TrimSuffix(authority, ":443")
	}
	return scheme + "://" + authority + "/" + strings.TrimRight(path, "/")
}

func readHashHeader(o *object, balance string) string {
	const want = `the name of a header, such as "X-User"`
	v, ok := o.take("hashHeader")
	if !ok {
		return ""
	}
	name, ok := o.p.text(v, want)
	switch {
	case !ok:
		return ""
	case name == "" || len(name) > maxHeaderNameBytes || tokenFault(name) != "":
		o.p.wrong(v, fmt.Sprintf("%s: 1 to %d letters, digits and !#$%%&'*+-.^_`|~", want, maxHeaderNameBytes))
	case balance != Hash:
		o.p.fail(v, `goes with "balance":"hash" only`)
	}
	return name
}

func readHealthCheck(o *object) *HealthCheck {
	const want = `an object such as {"path":"/healthz","intervalSeconds":10,"timeoutMillis":2000}`
	v, ok := o.take("healthCheck")
	if !ok {
		return nil
	}
	in, ok := o.p.object(v, want)
	if !ok {
		return nil
	}
	h := &HealthCheck{}
	const wantPath = `a path, such as "/healthz"; it stands for itself, without the path of the target's URL before it`
	if v, ok := in.need("path", wantPath); ok {
		if h.Path, ok = o.p.text(v, wantPath); ok {
			if !strings.HasPrefix(h.Path, "/") {
				o.p.wrong(v, wantPath)
			} else if fault := urlFault("http://h"+h.Path, true); fault != "" {
				o.p.fail(v, "%s %s", show(v), fault)
			}
		}
	}
	h.IntervalSeconds = in.optional("intervalSeconds", 1, maxCheckSeconds)
	h.TimeoutMillis = in.optional("timeoutMillis", minCheckMillis, maxCheckMillis)
	in.done("healthCheck")
	return h
}

// optional is integer for a number that may be missing, which is zero.
func (o *object) optional(name string, least, most int64) int64 {
	if _, ok := o.take(name); !ok {
		return 0
	}
	return o.integer(name, least, most)
}

// certificates reads PEM with certificates and nothing else.
func (o *object) certificates(name string, needed bool) string {
	const want = "certificates in PEM, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
	text := o.text(name, needed, want)
	v, ok := o.take(name)
	if !ok || v.kind() != kindString {
		return ""
	}
	if len(text) > maxPEMBytes {
		o.p.fail(v, "has %d bytes, at most %d are allowed", len(text), maxPEMBytes)
		return ""
	}
	n := 0
	for rest := []byte(text); ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type != "CERTIFICATE":
			o.p.fail(v, "has a block of the type %s: must be %s", shorten(quote(block.Type), maxShown), want)
			return ""
		default:
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				o.p.fail(v, "certificate %d cannot be read (%s): must be %s", n+1, shorten(err.Error(), maxShown), want)
				return ""
			}
		}
	}
	if n == 0 {
		o.p.fail(v, "has no certificate: must be %s", want)
		return ""
	}
	return text
}

func readCACertificate(o *object) string { return o.certificates("caCertificate", false) }

func readClientCertificate(o *object) *ClientCertificate {
	v, ok := o.take("clientCertificate")
	if !ok {
		return nil
	}
	in, ok := o.p.object(v, `an object such as {"certificate":"-----BEGIN CERTIFICATE-----…","key":"-----BEGIN PRIVATE KEY-----…"}`)
	if !ok {
		return nil
	}
	c := &ClientCertificate{Certificate: in.certificates("certificate", true), Key: in.secretUpTo("key", maxPrivateKeyPEM)}
	in.done("clientCertificate")
	if c.Certificate == "" || c.Key == "" {
		return c // told already
	}
	if _, err := c.Pair(); err != nil {
		at, _ := in.take("key")
		o.p.fail(at, "%v", err) // which repeats nothing of it
	}
	return c
}

// Pair is the certificate as crypto/tls takes it. Its error repeats nothing of
// the key.
func (c *ClientCertificate) Pair() (tls.Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err != nil {
		return pair, errors.New("is not the private key of the certificate: must be its key in PEM, without a passphrase")
	}
	return pair, nil
}

// Roots are the certificates that are trusted at the domain's endpoint servers,
// nil where the domain says nothing.
func (p *HTTPProxy) Roots() (*x509.CertPool, error) {
	if p.CACertificate == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(p.CACertificate)) {
		return nil, errors.New("caCertificate has no certificate in PEM")
	}
	return pool, nil
}

// Servers lists the domain's endpoint servers, each with its weight.
func (p *HTTPProxy) Servers() []Target {
	if len(p.Targets) == 0 {
		return []Target{{URL: p.URL, Weight: 1}}
	}
	list := make([]Target, len(p.Targets))
	for i, t := range p.Targets {
		list[i] = Target{URL: t.URL, Weight: max(1, t.Weight)}
	}
	return list
}

// RewritesRedirects is RewriteRedirects with its default.
func (p *HTTPProxy) RewritesRedirects() bool {
	return p.RewriteRedirects == nil || *p.RewriteRedirects
}

// secure tells whether a server is called by https.
func (p *HTTPProxy) secure() bool {
	for _, t := range p.Servers() {
		if len(t.URL) > len("https:") && strings.EqualFold(t.URL[:len("https:")], "https:") {
			return true
		}
	}
	return false
}

// Interval is IntervalSeconds with its default.
func (h *HealthCheck) Interval() time.Duration {
	if h.IntervalSeconds == 0 {
		return DefaultCheckInterval
	}
	return time.Duration(h.IntervalSeconds) * time.Second
}

// Timeout is TimeoutMillis with its default.
func (h *HealthCheck) Timeout() time.Duration {
	if h.TimeoutMillis == 0 {
		return DefaultCheckTimeout
	}
	return time.Duration(h.TimeoutMillis) * time.Millisecond
}
