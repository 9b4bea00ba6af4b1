package node_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	adminapi "github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/node/nodetest"
)

// TestAlerts: a window that comes to its thresholds is told of once for each: to those who
// listen at any node, and to the webhook, signed, which is asked again after it has failed.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var hooked []adminapi.Event
	asked := 0
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("hook secret"))
		mac.Write(append([]byte(r.Header.Get("X-Tollgate-Timestamp")+"."), body...))
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var e adminapi.Event
		if err := json.Unmarshal(body, &e); err != nil || r.Header.Get("X-Tollgate-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("%s, signed %s: %v", body, r.Header.Get("X-Tollgate-Signature"), err)
		}
		hooked = append(hooked, e)
	}))
	defer hook.Close()
	keyFile := filepath.Join(t.TempDir(), "hook.key")
	if err := os.WriteFile(keyFile, []byte("hook secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := nodetest.Start(t, 3, func(cfg *nodetest.Config) { cfg.EventWebhook, cfg.EventWebhookKeyFile = hook.URL, keyFile })
	c.Raised()
	heard := make(chan adminapi.Event, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, n := range c.Nodes {
		client := &adminapi.Client{URL: n.AdminURL(), HTTP: &http.Client{}}
		wg.Go(func() {
			if err := client.Events(ctx, func(e adminapi.Event) error { heard <- e; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	deployAt(t, c, callersDomain(`"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":4,"resetTimeSeconds":3600,"by":"header:X-Tenant","alertPercent":[50,100]}]}`))
	type alert struct {
		digest  string
		percent int
	}
	listened, brought := map[alert]int{}, map[alert]int{}
	uses := func(tenant int) {
		for i := range 6 {
			with(t, c.Nodes[i%3], "/c/mock", "X-Tenant", fmt.Sprint(tenant))
		}
	}
	all := func() (complete bool) { // of one tenant, who was last
		for a, n := range listened {
			if n > 3 {
				t.Errorf("%+v was heard %d times at 3 nodes", a, n)
			}
			both := alert{a.digest, 150 - a.percent}
			complete = complete || n == 3 && listened[both] == 3 && brought[a] == 1 && brought[both] == 1
		}
		return complete
	}
	tenants := 0
	nodetest.Eventually(t, "all thresholds of a caller are heard at every node, and brought", func() bool {
		if tenants++; tenants%20 == 1 { // some may have come before there was a listener
			uses(tenants)
		}
		for more := true; more; {
			select {
			case e := <-heard:
				if listened[alert{e.CallerDigest, e.Percent}]++; e.Domain != "c" || e.By != "header:x-tenant" || e.MaxUsageQuota != 4 {
					t.Errorf("%+v", e)
				}
			default:
				more = false
			}
		}
		mu.Lock()
		defer mu.Unlock()
		clear(brought)
		for _, e := range hooked {
			if brought[alert{e.CallerDigest, e.Percent}]++; brought[alert{e.CallerDigest, e.Percent}] > 1 {
				t.Errorf("brought twice: %+v", e)
			}
		}
		return all()
	})
}

// deployAt deploys a document.
func deployAt(t *testing.T, c *nodetest.Cluster, document string) {
	t.Helper()
	api(t, c.Nodes[0], "POST", "/v1/domains?deploy=true", document).is(t, 200)
}
