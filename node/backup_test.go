package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// limited is a domain with a quota that no call in this test comes to the end of by
// itself.
func limited(body string, limit int) string {
	return fmt.Sprintf(`{"swagger":"2.0","info":{"title":"d","version":"1"},"basePath":"/d","schemes":["http"],
		"paths":{"/x":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"headers":{},"body":%q}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},
		"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%d,"resetTimeSeconds":3600}]}}}}`, body, limit)
}

func decodeInto[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("%v", r)
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v: %v", err, r)
	}
	return v
}

// get calls the domain at a node.
func get(t *testing.T, n *nodetest.Node) (status int, body string) {
	t.Helper()
	resp, err := http.Get("http://" + n.ProxyAddr() + "/d/x")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// TestRollBack: a former revision is live on every node once the call that asked for it
// is answered, and everybody can see who did what.
func TestRollBack(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	for i, body := range []string{"one", "two", "three"} {
		r := api(t, c.Nodes[i], "POST", "/v1/domains?deploy=true&note=as+"+body, limited(body, 1000))
		if r.status != 200 {
			t.Fatal(r)
		}
	}
	type saved struct {
		Revision uint64
		Deployed bool
		Warnings []struct{ Message string }
		Pending  []string
	}
	back := decodeInto[saved](t, api(t, c.Nodes[1], "POST", "/v1/domains/d/deploy", `{"revision":1}`))
	if back.Revision != 1 || !back.Deployed || len(back.Warnings) != 1 || len(back.Pending) > 0 {
		t.Errorf("rolled back: %+v", back)
	}
	for _, n := range c.Nodes {
		if status, body := get(t, n); status != 200 || body != "one" {
			t.Errorf("%s answers %d %q", n.ID, status, body)
		}
	}
	type revision struct {
		Revision uint64
		At, Note string
		Deployed bool
	}
	list := decodeInto[[]revision](t, api(t, c.Nodes[2], "GET", "/v1/domains/d/revisions", ""))
	if len(list) != 3 || list[0].Revision != 3 || list[0].Note != "as three" || list[0].Deployed || !list[2].Deployed || list[2].At == "" {
		t.Errorf("revisions: %+v", list)
	}
	actions := ""
	for _, a := range decodeInto[[]struct{ Action, Role, Address string }](t, api(t, c.Nodes[0], "GET", "/v1/audit?limit=3", "")) {
		actions += a.Action + " " + a.Role + " " + a.Address + "; "
	}
	if want := "rollback admin 127.0.0.1; deploy admin 127.0.0.1; import admin 127.0.0.1; "; actions != want {
		t.Errorf("the audit says %s, want %s", actions, want)
	}
}

// backup is a cluster's backup, by one of its nodes.
func backup(t *testing.T, n *nodetest.Node) []byte {
	t.Helper()
	r := api(t, n, "GET", "/v1/backup", "")
	if r.status != 200 {
		t.Fatalf("%v", r)
	}
	return []byte(r.body)
}

// restore has a node put a backup in.
func restore(t *testing.T, n *nodetest.Node, file []byte, query string) reply {
	t.Helper()
	req, err := http.NewRequest("POST", n.AdminURL()+"/v1/restore"+query, bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	r, err := send(web, req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBackupAndRestore: what one cluster had, another has, and serves, on every node,
// with what was used of the quota. Over domains it takes a confirmation. No call is
// admitted beyond what was left.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	from, to := nodetest.Start(t, 3), nodetest.Start(t, 3)
	from.Deploy(limited("old", 10))
	for i := range 4 {
		if status, body := get(t, from.Nodes[i%3]); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	from.Settled("d")
	file := backup(t, from.Nodes[2])

	if r := restore(t, to.Nodes[1], file, ""); r.status != 200 || !strings.Contains(r.body, `"domains":1`) {
		t.Fatalf("into a new cluster: %v", r)
	}
	admitted := 0
	for i := range 12 {
		if status, body := get(t, to.Nodes[i%3]); status == 200 && body == "old" {
			admitted++
		} else if status != 403 {
			t.Errorf("%d %s", status, body)
		}
	}
	if admitted != 6 {
		t.Errorf("%d calls were admitted, want the 6 that were left", admitted)
	}
	to.Digest()

	to.Deploy(strings.Replace(limited("new", 1000), `"/d"`, `"/other"`, 1))
	if r := restore(t, to.Nodes[0], file, ""); r.status != 409 {
		t.Errorf("over domains, not confirmed: %v", r)
	}
	if r := restore(t, to.Nodes[0], file[:len(file)-2], "?confirm=true"); r.status != 422 {
		t.Errorf("a damaged one: %v", r)
	}
	if r := restore(t, to.Nodes[2], file, "?confirm=true"); r.status != 200 {
		t.Fatalf("over domains: %v", r)
	}
	if r := api(t, to.Nodes[0], "GET", "/v1/domains/other", ""); r.status != 404 {
		t.Errorf("the domain that was there: %v", r)
	}
	admitted = 0
	for i := range 12 {
		if status, _ := get(t, to.Nodes[i%3]); status == 200 {
			admitted++
		}
	}
	if admitted != 6 {
		t.Errorf("after another restore %d calls were admitted, want the 6 that were left", admitted)
	}
	to.Digest()
}
