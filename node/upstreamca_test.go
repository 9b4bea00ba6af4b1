package node_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// TestUpstreamCA: an endpoint server that only --upstream-ca vouches for is
// called with it, and not without.
func TestUpstreamCA(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("private"))
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	for ca, want := range map[string]int{file: http.StatusOK, "": http.StatusBadGateway} {
		c := nodetest.Start(t, 1, func(cfg *nodetest.Config) { cfg.UpstreamCA = ca })
		c.Deploy(fmt.Sprintf(`{"swagger":"2.0","info":{"title":"s"},"basePath":"/s","schemes":["https"],"paths":{"/x":{"get":{}}},`+
			`"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":%q}}}}`, server.URL))
		got := call(t, web, http.MethodGet, c.Nodes[0].ProxyAddr(), "/s/x", "")
		if got.status != want || want == http.StatusOK && got.body != "private" {
			t.Errorf("--upstream-ca %q: %v, want %d", ca, got, want)
		}
	}
}
