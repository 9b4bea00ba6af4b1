package plugin

import (
	"slices"
	"strings"
	"testing"
)

// TestOrder: every plugin of spec section 4 has its place, in the order of
// section 3; Chain relies on CORS being first and HTTP_PROXY last.
func TestOrder(t *testing.T) {
	var names []string
	for _, p := range order {
		names = append(names, p.plugins...)
		if p.domain == nil && p.endpoint == nil {
			t.Errorf("%q builds nothing", p.plugins)
		}
	}
	want := strings.Fields("CORS IPACL MAINTENANCE USAGE_QUOTA ENDPOINT_USAGE_QUOTA API_KEY HMAC JWT USAGE_QUOTA ENDPOINT_USAGE_QUOTA PRE_API URI_REWRITE HEADER MOCK HTTP_PROXY")
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}
