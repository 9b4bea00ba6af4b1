package plugin

import (
	"slices"

	"github.com/tollgate/tollgate/store/catalog"
)

// Unbuilt lists the plugins that a domain or its endpoints configure and that
// are not in Built, each once.
func Unbuilt(d *catalog.Domain) []string {
	var names []string
	note := func(name string, configured bool) {
		if configured && !slices.Contains(Built, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	p := &d.Plugins
	note("HTTP_PROXY", p.HTTPProxy != nil)
	note("IPACL", p.IPACL != nil)
	note("MAINTENANCE", p.Maintenance != nil && p.Maintenance.IsUse)
	note("HMAC", p.HMAC != nil)
	note("JWT", p.JWT != nil)
	note("USAGE_QUOTA", p.UsageQuota != nil)
	note("CORS", p.CORS != nil)
	note("URI_REWRITE", p.URIRewrite != nil)
	for i := range d.Endpoints {
		p := &d.Endpoints[i].Plugins
		note("ENDPOINT_USAGE_QUOTA", p.UsageQuota != nil)
		note("PRE_API", p.PreAPI != nil)
		note("URI_REWRITE", p.URIRewrite != nil)
		note("HEADER", p.Header != nil)
		note("MOCK", p.Mock != nil)
	}
	return names
}
