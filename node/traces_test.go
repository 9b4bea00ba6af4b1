package node_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

// TestTracesFlushed: what a node has recorded is at the collector when it has
// stopped, and its metrics tell of spans.
func TestTracesFlushed(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Add(n)
	}))
	defer collector.Close()
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) { cfg.OTLPEndpoint, cfg.TraceRatio = collector.URL, 1 })
	n := c.Nodes[0]
	call(t, web, "GET", n.ProxyAddr(), "/nope", "")
	if text := call(t, web, "GET", n.AdminAddr(), "/metrics", "").body; !strings.Contains(text, `tollgate_trace_spans_total{state="ended"}`) {
		t.Errorf("no spans are told:\n%s", text)
	}
	n.Stop()
	if got.Load() == 0 {
		t.Error("the collector got nothing")
	}
}

// TestOTLPEndpoint: a URL that no collector can have is refused, and not repeated,
// for it may hold a password.
func TestOTLPEndpoint(t *testing.T) {
	cfg := node.Config{ID: "n1", DataDir: "/d", Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Cluster: "127.0.0.1:0", OTLPEndpoint: "http://u:secret@h"}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "--otlp-endpoint: must have no user") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
