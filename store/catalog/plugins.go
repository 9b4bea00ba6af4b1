package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// The plugins, by the names that documents give them (spec section 4).
const (
	PluginHTTPProxy          = "HTTP_PROXY"
	PluginIPACL              = "IPACL"
	PluginMaintenance        = "MAINTENANCE"
	PluginHMAC               = "HMAC"
	PluginJWT                = "JWT"
	PluginUsageQuota         = "USAGE_QUOTA"
	PluginCORS               = "CORS"
	PluginEndpointUsageQuota = "ENDPOINT_USAGE_QUOTA"
	PluginPreAPI             = "PRE_API"
	PluginURIRewrite         = "URI_REWRITE"
	PluginHeader             = "HEADER"
	PluginMock               = "MOCK"
	PluginAPIKey             = "API_KEY"
	PluginUsageCost          = "USAGE_COST"
)

// plugin says where a plugin may stand and how its object is read there; a
// nil reader means not there.
type plugin struct {
	name     string
	domain   func(*object, *DomainPlugins)
	endpoint func(*object, *EndpointPlugins)
}

// plugins are all there are, in the order of spec section 4.
var plugins = []plugin{
	{PluginHTTPProxy, func(o *object, d *DomainPlugins) { d.HTTPProxy = readHTTPProxy(o) }, nil},
	{PluginIPACL, func(o *object, d *DomainPlugins) { d.IPACL = readIPACL(o) }, nil},
	{PluginMaintenance, func(o *object, d *DomainPlugins) { d.Maintenance = readMaintenance(o) }, nil},
	{PluginHMAC, func(o *object, d *DomainPlugins) { d.HMAC = readHMAC(o) }, nil},
	{PluginJWT, func(o *object, d *DomainPlugins) { d.JWT = readJWT(o) }, nil},
	{PluginUsageQuota, func(o *object, d *DomainPlugins) { d.UsageQuota = readUsageQuota(o) }, nil},
	{PluginCORS, func(o *object, d *DomainPlugins) { d.CORS = readCORS(o) }, nil},
	{PluginEndpointUsageQuota, nil, func(o *object, e *EndpointPlugins) { e.UsageQuota = readUsageQuota(o) }},
	{PluginAPIKey, func(o *object, d *DomainPlugins) { d.APIKey = readAPIKey(o) }, nil},
	{PluginUsageCost, nil, func(o *object, e *EndpointPlugins) { e.UsageCost = readUsageCost(o) }},
	{PluginPreAPI, nil, func(o *object, e *EndpointPlugins) { e.PreAPI = readPreAPI(o) }},
	{PluginURIRewrite,
		func(o *object, d *DomainPlugins) { d.URIRewrite = readURIRewrite(o) },
		func(o *object, e *EndpointPlugins) { e.URIRewrite = readURIRewrite(o) }},
	{PluginHeader, nil, func(o *object, e *EndpointPlugins) { e.Header = readHeader(o) }},
	{PluginMock, nil, func(o *object, e *EndpointPlugins) { e.Mock = readMock(o) }},
}

// formerPlugins are those of the older original that the original itself has
// dropped: documents that it exported have them.
var formerPlugins = []string{"CACHE", "MONITOR"}

// pluginNames lists the plugins that keep says yes to.
func pluginNames(keep func(plugin) bool) string {
	var names []string
	for _, pl := range plugins {
		if keep(pl) {
			names = append(names, pl.name)
		}
	}
	return strings.Join(names, ", ")
}

// extension finds the object that holds the plugins of o and opens it. Where
// its key is not spelled the canonical way, the stored document will.
func (p *parser) extension(o *object) (ext *object, ok bool) {
	var found *member
	for i, m := range o.list {
		switch {
		case m.key != Extension && m.key != extensionAlias:
		case found != nil && found.key != m.key:
			p.fail(m.value, "%s stands here as well, which means the same: keep one, best under %s", found.key, Extension)
		case found == nil:
			found = &o.list[i]
		}
	}
	if found == nil {
		return nil, false
	}
	if canonical := quote(Extension); found.rawKey != canonical {
		p.edits = append(p.edits, edit{found.keyAt, found.keyAt + len(found.rawKey), canonical})
	}
	return p.object(found.value, `an object such as {"plugins":{}}`)
}

// pluginMembers lists the plugins in an extension.
func (p *parser) pluginMembers(ext *object) (v value, list []member, ok bool) {
	v, ok = ext.take("plugins")
	if ext.in.path.parent == nil { // the domain's
		for _, name := range []string{memberKey, memberName, memberSchemes, memberEndpointServer, memberFormat} {
			ext.take(name)
		}
	}
	ext.done(Extension)
	if ok && v.kind() != kindObject {
		p.wrong(v, "an object with a member for each plugin")
		return v, nil, true
	}
	if ok {
		list = v.members()
	}
	return v, list, ok
}

// plugin reads one plugin at a domain (e is nil) or at an endpoint (d is
// nil). What cannot stay where it is is read all the same, to say at once
// what else is wrong with it.
func (p *parser) plugin(m member, d *DomainPlugins, e *EndpointPlugins) {
	here := func(pl plugin) bool {
		return d != nil && pl.domain != nil || e != nil && pl.endpoint != nil
	}
	i := slices.IndexFunc(plugins, func(pl plugin) bool { return pl.name == m.key })
	if i < 0 && slices.Contains(formerPlugins, m.key) {
		p.warn(m.value, "%s is of the older original: it is kept and has no effect here; leave it out", m.key)
		return
	}
	if i < 0 {
		p.fail(m.value, "is no plugin: there are %s here", pluginNames(here))
		return
	}
	pl := plugins[i]
	if !here(pl) {
		p.fail(m.value, "%s", wrongLevel(pl))
	}
	if built := p.opts.Built; built != nil && !built(pl.name) {
		p.fail(m.value, "plugin %s is not available in this version of Tollgate; available: %s", pl.name,
			pluginNames(func(pl plugin) bool { return built(pl.name) }))
	}
	o, ok := p.object(m.value, "an object with the fields of "+pl.name)
	if !ok {
		return
	}
	switch {
	case d != nil && pl.domain != nil:
		pl.domain(o, d)
	case e != nil && pl.endpoint != nil:
		pl.endpoint(o, e)
	case pl.domain != nil:
		pl.domain(o, &DomainPlugins{})
	default:
		pl.endpoint(o, &EndpointPlugins{})
	}
	o.done(pl.name)
}

func wrongLevel(pl plugin) string {
	switch {
	case pl.name == PluginUsageQuota:
		return "acts on a whole domain: an endpoint's quota is " + PluginEndpointUsageQuota
	case pl.name == PluginEndpointUsageQuota:
		return "acts on one endpoint: a domain's quota is " + PluginUsageQuota
	case pl.endpoint == nil:
		return fmt.Sprintf("acts on a whole domain: move it to $['%s'].plugins", Extension)
	}
	return fmt.Sprintf("acts on one endpoint: move it into an operation's %s", Extension)
}

// endpointPlugins reads the plugins of an operation.
func (p *parser) endpointPlugins(operation *object, e *EndpointPlugins) {
	ext, ok := p.extension(operation)
	if !ok {
		return
	}
	_, list, _ := p.pluginMembers(ext)
	for _, m := range list {
		p.plugin(m, nil, e)
	}
}

// domainPlugins reads the plugins at the top of a document. prefix is the
// document's own path where that is not the domain's.
func (p *parser) domainPlugins(root, ext *object, d *DomainPlugins, prefix string) {
	into := root.in
	seen := map[string]value{}
	if ext != nil {
		into = ext.in
		if v, list, ok := p.pluginMembers(ext); ok {
			into = v
			for _, m := range list {
				p.plugin(m, d, nil)
				seen[m.key] = m.value
			}
		}
	}
	hmac, isHMAC := seen[PluginHMAC]
	jwt, isJWT := seen[PluginJWT]
	if isHMAC && isJWT {
		later := hmac
		if jwt.at > hmac.at {
			later = jwt
		}
		p.fail(later, "%s and %s exclude each other: keep one", PluginHMAC, PluginJWT)
	}
	proxy, isProxy := seen[PluginHTTPProxy]
	if isProxy {
		prefix = "" // such a document says the whole way itself
	}
	server, _, said := p.server(root, ext, prefix, d.HTTPProxy)
	switch {
	case said && isProxy && d.HTTPProxy != nil:
		d.HTTPProxy.URL, d.HTTPProxy.Targets = server, nil
	case said && !isProxy:
		d.HTTPProxy = &HTTPProxy{URL: joinURL(server, prefix)}
	case !said && !isProxy:
		p.problems.add(into.at, httpProxyPath, `is missing: every domain needs an endpoint server, such as {"url":"http://10.0.0.5:8080"}; or give its URL beside the document`)
	}
	if isProxy && d.HTTPProxy != nil {
		p.warnOfPlain(d.HTTPProxy, proxy)
	}
}

var httpProxyPath = extensionPath.member("plugins").member(PluginHTTPProxy)
