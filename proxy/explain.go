package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/plugin"
	"github.com/tollgate/tollgate/proxy/route"
	"github.com/tollgate/tollgate/proxy/subnet"
)

// ExplainRequest is a request that nobody sends.
type ExplainRequest struct {
	// Method is the HTTP method.
	Method string `json:"method"`
	// URL is path and query as on the request line, with /{domainKey}.
	URL string `json:"url"`
	// Headers are the header fields by name, in any case.
	Headers map[string]string `json:"headers"`
	// ClientIP is the address that the connection would come from; where it is
	// missing, IPACL is not decided. Behind that of a trusted proxy,
	// X-Forwarded-* are believed.
	ClientIP netip.Addr `json:"clientIp"`
}

// Explanation is what would become of a request, by what is deployed here now.
// No secret of the configuration is in it.
type Explanation struct {
	// Domain is the one that the URL names, null when there is none.
	Domain *ExplainedDomain `json:"domain"`
	// Endpoint is the one that matches best, null when none does or none was
	// looked for.
	Endpoint *ExplainedEndpoint `json:"endpoint"`
	// Plugins are those that are configured, in the order in which they act.
	Plugins []plugin.Finding `json:"plugins"`
	// Call is the request to the endpoint server, null when it is not called.
	Call *ExplainedCall `json:"call"`
	// Answer is what the gateway itself would answer, null when the endpoint
	// server does, or when only a real call shows who does.
	Answer *plugin.Answer `json:"answer"`
}

// ExplainedDomain is the domain of a request.
type ExplainedDomain struct {
	Key  string `json:"key"`
	Name string `json:"name"`
}

// ExplainedEndpoint is the endpoint of a request.
type ExplainedEndpoint struct {
	Method  string `json:"method"`
	Pattern string `json:"pattern"`
	// Variables are what the pattern's {name} stand for, decoded.
	Variables map[string]string `json:"variables"`
}

// ExplainedCall is a request to an endpoint server. Fields that it does not
// name go on as the client has sent them.
type ExplainedCall struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	// Targets are the URLs of which one is called, where there are several; URL
	// is the first of them, which a hash decides on.
	Targets []string `json:"targets,omitempty"`
	// SetHeaders are added or replaced by the gateway and by HEADER.
	SetHeaders map[string]string `json:"setHeaders"`
	// DroppedHeaders are names of the client's fields that do not go on.
	DroppedHeaders []string `json:"droppedHeaders"`
}

// Explain says what would become of a request if this node let it in. It asks
// nobody, counts nothing and changes nothing.
func (p *Proxy) Explain(r ExplainRequest) Explanation {
	e := Explanation{Plugins: []plugin.Finding{}}
	c := &call{proxy: p}
	c.name()
	if err := c.pretend(r); err != nil {
		return e.refusedWith(err)
	}
	if c.Request.Asterisk {
		e.Answer = &plugin.Answer{Status: http.StatusOK}
		return e
	}
	d := p.table.Load().domains[string(c.Request.Key)]
	if d == nil {
		return e.refusedWith(envelope.UnknownDomain)
	}
	if c.circles() {
		return e.refusedWith(envelope.Loop)
	}
	c.domain = d
	e.Domain = &ExplainedDomain{d.key, d.from.Name}
	if d.secure && c.Upstream.Forwarded.Scheme == "http" {
		return e.refusedWith(envelope.HTTPSRequired)
	}
	if e.add(d.plugins.Explain(&c.Call)); e.Answer != nil {
		return e
	}
	if err := c.route(); err != nil {
		return e.refusedWith(err)
	}
	e.Endpoint = c.explainEndpoint()
	c.Prepare()
	if e.add(c.chain.Explain(&c.Call)); e.Answer == nil {
		e.Call = c.explainUpstream()
	}
	return e
}

// pretend makes a call of what nobody has sent, by way of the gate.
func (c *call) pretend(r ExplainRequest) error {
	var block []byte
	protocol := "HTTP/1.0" // which needs no Host
	for name, value := range r.Headers {
		if strings.EqualFold(name, "Host") {
			protocol = "HTTP/1.1"
		}
		if strings.ContainsAny(name+value, "\r\n") { // more than one line
			return malformedField
		}
		block = header.AppendLine(block, []byte(name), []byte(value))
	}
	const line = len(" HTTP/1.1\r\n")
	if len(r.Method)+1+len(r.URL)+line+len(block)+2 > c.proxy.cfg.MaxHeader {
		return envelope.HeaderTooLarge
	}
	raw := gate.Raw{Method: []byte(r.Method), Target: []byte(r.URL), Protocol: []byte(protocol), Header: append(block, "\r\n"...)}
	if err := c.Request.Read(raw, c.proxy.cfg.MaxHeaderFields); err != nil {
		return err
	}
	if c.ID = givenID(c.Request.Fields); c.ID == nil {
		c.ID = anyID
	}
	c.pretendFrom(subnet.Plain(r.ClientIP))
	return nil
}

// pretendFrom is identify for a call that nobody has made. The scheme is that
// of the port, unknown where a trusted proxy might have said another.
func (c *call) pretendFrom(peer netip.Addr) {
	f := &c.Upstream.Forwarded
	f.Scheme, f.Host, f.Key = "http", c.Request.Host, c.Request.Key
	if c.proxy.cfg.ClientTLS != nil {
		f.Scheme = "https"
	}
	switch {
	case peer.IsValid():
		text := []byte(peer.String())
		c.Client, f.Client, f.Peer = peer, text, text
		if c.proxy.trusted.Contains(peer) {
			c.believe(f)
		}
	case len(c.proxy.trusted) > 0 && schemeOf(c.Request.Fields) != "":
		f.Scheme = ""
	}
}

// anyID stands for the ID that a real call would be given.
var anyID = []byte("(made anew for each call)")

var malformedField = envelope.Malformed("line end in a header field")

// add takes the findings of some plugins in.
func (e *Explanation) add(findings []plugin.Finding) {
	e.Plugins = append(e.Plugins, findings...)
	for i := range findings {
		if findings[i].Ends() {
			e.Answer = findings[i].Answer
		}
	}
}

// refusedWith ends an explanation before a plugin does.
func (e Explanation) refusedWith(err error) Explanation {
	refusal, ok := err.(*envelope.Sealed)
	if !ok {
		refusal = envelope.Internal
	}
	e.Answer = plugin.RefusedWith(refusal)
	return e
}

func (c *call) explainEndpoint() *ExplainedEndpoint {
	method, pattern, _ := strings.Cut(c.endpoint, " ")
	e := &ExplainedEndpoint{Method: method, Pattern: pattern, Variables: map[string]string{}}
	if p, err := route.Compile(decoded(pattern)); err == nil {
		if variables, ok := p.Variables(string(c.Request.Route)); ok {
			e.Variables = variables
		}
	}
	return e
}

// explainUpstream reads what the plugins have made of the request.
func (c *call) explainUpstream() *ExplainedCall {
	u := &c.Upstream
	call := &ExplainedCall{
		Method: u.Method, URL: c.Plan[0].URL,
		SetHeaders:     map[string]string{"Host": c.Plan[0].Host},
		DroppedHeaders: []string{},
	}
	if len(u.HostHeader) > 0 {
		call.SetHeaders["Host"] = string(u.HostHeader)
	}
	if len(c.Plan) > 1 {
		for _, t := range c.Plan {
			call.Targets = append(call.Targets, t.URL)
		}
	}
	for line := range strings.Lines(string(u.AppendForwarded(nil))) {
		name, value, _ := strings.Cut(line, ": ")
		call.SetHeaders[name] = strings.TrimSuffix(value, "\r\n")
	}
	if u.Without&header.RequestID == 0 {
		call.SetHeaders["X-Request-Id"] = string(u.ID)
	}
	for line := range strings.Lines(string(u.Set)) {
		name, value, _ := strings.Cut(line, ": ")
		call.SetHeaders[name] = plugin.Shown(name, strings.TrimSuffix(value, "\r\n"))
	}
	for _, f := range u.Fields {
		if u.Forwarded.Chain && f.Rules&header.Provenance&^header.Forwarded != 0 {
			continue // it is believed
		}
		// The length is that of the body, whoever says it.
		if f.Rules&header.Withheld != 0 && f.Rules&(header.ContentLength|header.Host|header.Replaced) == 0 {
			call.DroppedHeaders = append(call.DroppedHeaders, string(f.Name))
		}
	}
	if len(u.Via) > 0 {
		call.SetHeaders["Via"] = u.ViaValue()
	}
	slices.Sort(call.DroppedHeaders)
	call.DroppedHeaders = slices.Compact(call.DroppedHeaders)
	return call
}
