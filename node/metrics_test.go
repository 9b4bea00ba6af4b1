package node_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// TestQuotaMetrics: every node tells how far quotas are used, without asking
// anybody, and no more conditions than it may; and which program it is.
func TestQuotaMetrics(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 2, func(cfg *nodetest.Config) { cfg.Version, cfg.DataPlane.MetricsEndpoints = "v1.2.3", 3 })
	c.Deploy(document([][2]int{{3, 3600}, {70, 7200}}, [][2]int{{50, 3600}}))
	more := strings.Replace(document([][2]int{{9, 60}}, nil), `"basePath":"/d"`, `"basePath":"/e"`, 1)
	c.Deploy(more)
	for range 4 { // one of them is refused, and counts on the others
		call(t, web, "GET", c.Nodes[0].ProxyAddr(), "/d/x/1", "")
	}
	nodetest.Eventually(t, "both know what is used", func() bool {
		for _, n := range c.Nodes {
			text := call(t, web, "GET", n.AdminAddr(), "/metrics", "").body
			for _, want := range []string{
				`tollgate_quota_used{domain="d",endpoint="",window="3600"} 3`,
				`tollgate_quota_maximum{domain="d",endpoint="",window="3600"} 3`,
				`tollgate_quota_used{domain="d",endpoint="",window="7200"} 4`,
				`tollgate_quota_maximum{domain="d",endpoint="",window="7200"} 70`,
				`tollgate_quota_used{domain="d",endpoint="GET /x/**",window="3600"} 4`,
				`tollgate_quota_maximum{domain="d",endpoint="GET /x/**",window="3600"} 50`,
				fmt.Sprintf(`tollgate_build_info{goversion=%q,version="v1.2.3"} 1`, runtime.Version()),
			} {
				if !strings.Contains(text, want+"\n") {
					return false
				}
			}
			if strings.Contains(text, `tollgate_quota_used{domain="e"`) {
				t.Fatalf("more than 3 conditions:\n%s", text)
			}
		}
		return true
	})
}
