package plugin

import (
	"slices"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

// TestBuilt pins what the importer lets through, and that the step that needs
// the body comes last: Build relies on it.
func TestBuilt(t *testing.T) {
	if want := []string{"USAGE_QUOTA", "ENDPOINT_USAGE_QUOTA", "MOCK", "HTTP_PROXY"}; !slices.Equal(Built, want) {
		t.Errorf("built %q, want %q", Built, want)
	}
}

// TestUnbuilt: every plugin there is is either built or named.
func TestUnbuilt(t *testing.T) {
	d := &catalog.Domain{
		Plugins: catalog.DomainPlugins{
			HTTPProxy: &catalog.HTTPProxy{}, IPACL: &catalog.IPACL{}, Maintenance: &catalog.Maintenance{IsUse: true},
			HMAC: &catalog.HMAC{}, JWT: &catalog.JWT{}, UsageQuota: &catalog.UsageQuota{}, CORS: &catalog.CORS{}, URIRewrite: &catalog.URIRewrite{},
		},
		Endpoints: []catalog.Endpoint{{Plugins: catalog.EndpointPlugins{
			UsageQuota: &catalog.UsageQuota{}, PreAPI: &catalog.PreAPI{}, URIRewrite: &catalog.URIRewrite{}, Header: &catalog.Header{}, Mock: &catalog.Mock{},
		}}},
	}
	all := []string{"HTTP_PROXY", "IPACL", "MAINTENANCE", "HMAC", "JWT", "USAGE_QUOTA", "CORS", "URI_REWRITE", "ENDPOINT_USAGE_QUOTA", "PRE_API", "HEADER", "MOCK"}
	unbuilt := Unbuilt(d)
	for _, name := range all {
		if slices.Contains(Built, name) == slices.Contains(unbuilt, name) {
			t.Errorf("%s must be either built or named", name)
		}
	}
	if len(unbuilt)+len(Built) != len(all) {
		t.Errorf("built %q, not built %q", Built, unbuilt)
	}
	d.Plugins.Maintenance.IsUse = false
	if slices.Contains(Unbuilt(d), "MAINTENANCE") {
		t.Error("a MAINTENANCE that is off asks for nothing")
	}
}
