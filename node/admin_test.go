package node_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store"
)

// swagger is a domain with one mocked endpoint, which answers body, and the
// given domain plugins beside HTTP_PROXY.
func swagger(key, title, body, plugins string) string {
	if plugins != "" {
		plugins = "," + plugins
	}
	return fmt.Sprintf(`{"swagger":"2.0","info":{"title":%q,"version":"1"},"basePath":"/%s","schemes":["http"],
		"paths":{"/x":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"headers":{},"body":%q}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"}%s}}}`, title, key, body, plugins)
}

// large is such a domain with many endpoints beside.
func large(key, title, body string) string {
	var more strings.Builder
	for i := range 600 {
		fmt.Fprintf(&more, `,"/items/{id%d}/{name:[a-z]+}/%d":{"get":{"summary":%q}}`, i, i, strings.Repeat("s", 100))
	}
	return strings.Replace(swagger(key, title, body, ""), `}}}}}},`, `}}}}}`+more.String()+`},`, 1)
}

func quotaPlugin(limit, seconds string) string {
	return fmt.Sprintf(`"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%s,"resetTimeSeconds":%s}]}`, limit, seconds)
}

// picture is what the cluster shows of itself, at any node; refused calls must
// leave it as it is.
func picture(t *testing.T, n *nodetest.Node) string {
	t.Helper()
	var out strings.Builder
	// Leadership may move on a busy machine, at any time.
	read := func(path string) (r reply) {
		nodetest.Eventually(t, n.ID+" answers GET "+path, func() bool {
			r = api(t, n, "GET", path, "")
			return r.status != http.StatusServiceUnavailable
		})
		return r
	}
	var domains []struct{ Key string }
	list := read("/v1/domains")
	list.into(t, &domains)
	out.WriteString(list.body + "\n")
	for _, d := range domains {
		for _, path := range []string{"?secrets=true", "?secrets=true&deployed=true", "/quota"} {
			out.WriteString(read("/v1/domains/"+d.Key+path).String() + "\n")
		}
	}
	for _, s := range n.Store().Servers().List {
		fmt.Fprintf(&out, "%+v\n", s)
	}
	fmt.Fprintf(&out, "%+v\n", n.Store().Members())
	return out.String()
}

// TestBadInput: what is wrong is refused with the status and code that the
// reference gives it, at every node, says what is wrong, and changes nothing.
func TestBadInput(t *testing.T) {
	c := nodetest.Start(t, 3)
	leader := c.Leader()
	var followers []*nodetest.Node
	for _, n := range c.Nodes {
		if n != leader {
			followers = append(followers, n)
		}
	}
	for _, doc := range []string{swagger("live", "Live", "ok", quotaPlugin("5", "3600")), swagger("other", "Other", "ok", "")} {
		if r := api(t, c.Nodes[0], "POST", "/v1/domains?deploy=true", doc); r.status != 200 {
			t.Fatal(r)
		}
	}
	if r := api(t, c.Nodes[0], "POST", "/v1/domains", swagger("draft", "Draft", "ok", "")); r.status != 200 {
		t.Fatal(r)
	}
	strays := nodetest.Start(t, 0)
	fresh := strays.Add(func(cfg *nodetest.Config) { cfg.ID = "n9" })
	fresh.Start()
	twin := strays.Add(func(cfg *nodetest.Config) { cfg.ID = followers[0].ID })
	twin.Start()
	ln := listening(t)
	dead := ln.Addr().String()
	ln.Close()
	join := func(n *nodetest.Node, id, clusterAddress string) string {
		return fmt.Sprintf(`{"id":%q,"clusterAddress":%q,"adminAddress":%q,"proxyAddress":%q}`, id, clusterAddress, n.AdminAddr(), n.ProxyAddr())
	}

	type bad struct {
		name, method, path, body string
		status                   int
		says                     string
	}
	cases := []bad{
		// Documents.
		{"not JSON", "POST", "/v1/domains", `{"swagger":"2.0",`, 400, "line 1"},
		{"no YAML", "POST", "/v1/domains", "swagger: ['2.0'\n", 400, "YAML"},
		{"nothing", "POST", "/v1/domains", "", 400, ""},
		{"an array", "POST", "/v1/domains", "[]", 422, "object"},
		{"no endpoint server", "POST", "/v1/domains", strings.Replace(swagger("live", "Live", "", quotaPlugin("5", "60")), `"HTTP_PROXY":{"url":"http://127.0.0.1:1"},`, "", 1), 422, "HTTP_PROXY"},
		{"negative quota", "POST", "/v1/domains?deploy=true", swagger("live", "Live", "", quotaPlugin("-5", "60")), 422, "maxUsageQuota: "},
		{"quota of zero", "POST", "/v1/domains?deploy=true", swagger("live", "Live", "", quotaPlugin("0", "60")), 422, "maxUsageQuota: "},
		{"half a call", "POST", "/v1/domains", swagger("live", "Live", "", quotaPlugin("0.5", "60")), 422, "maxUsageQuota: "},
		{"quota in words", "POST", "/v1/domains", swagger("live", "Live", "", quotaPlugin(`"5"`, "60")), 422, "maxUsageQuota: "},
		{"quota over 10^12", "POST", "/v1/domains", swagger("live", "Live", "", quotaPlugin("1000000000001", "60")), 422, "maxUsageQuota: "},
		{"quota over 2^64", "POST", "/v1/domains", swagger("live", "Live", "", quotaPlugin("99999999999999999999999", "60")), 422, "maxUsageQuota: "},
		{"window of zero", "POST", "/v1/domains", swagger("live", "Live", "", quotaPlugin("5", "0")), 422, "resetTimeSeconds: "},
		{"negative window", "POST", "/v1/domains", swagger("live", "Live", "", quotaPlugin("5", "-1")), 422, "resetTimeSeconds: "},
		{"window over a year", "POST", "/v1/domains", swagger("live", "Live", "", quotaPlugin("5", "31536001")), 422, "resetTimeSeconds: "},
		{"unknown field of a plugin", "POST", "/v1/domains", strings.Replace(swagger("live", "Live", "", ""), `"url"`, `"retries":3,"url"`, 1), 422, "retries: "},
		{"unknown plugin", "POST", "/v1/domains", swagger("live", "Live", "", `"RATE_LIMIT":{}`), 422, "RATE_LIMIT: "},
		{"plugin in the wrong place", "POST", "/v1/domains", swagger("live", "Live", "", `"MOCK":{"statusCode":200,"headers":{},"body":""}`), 422, "MOCK: "},
		{"key with a slash", "POST", "/v1/domains", swagger("a/b", "A", "", ""), 422, "$.basePath: "},
		{"no key", "POST", "/v1/domains", swagger("", "A", "", ""), 422, "$.basePath: "},
		{"key of dots", "POST", "/v1/domains", swagger("..", "A", "", ""), 422, "$.basePath: "},
		{"key of 65", "POST", "/v1/domains", swagger(strings.Repeat("k", 65), "A", "", ""), 422, "$.basePath: "},
		{"put with a key", "PUT", "/v1/domains/live?key=other", swagger("other", "Other", "changed", ""), 422, "?key: "},
		{"another title", "POST", "/v1/domains", swagger("live", "Other", "changed", ""), 409, "Other"},
		{"unknown parameter", "POST", "/v1/domains?dryrun=true", swagger("live", "changed", "", ""), 422, "?dryrun: "},
		{"deploy of neither", "POST", "/v1/domains?deploy=yes", swagger("live", "changed", "", ""), 422, "?deploy: "},
		// Domains.
		{"read what is not there", "GET", "/v1/domains/none", "", 404, "none"},
		{"read what is not deployed", "GET", "/v1/domains/draft?deployed=true", "", 404, "draft"},
		{"quota of what is not there", "GET", "/v1/domains/none/quota", "", 404, "none"},
		{"deploy what is not there", "POST", "/v1/domains/none/deploy", "", 404, "none"},
		{"key with a slash in the path", "GET", "/v1/domains/a%2Fb", "", 422, "a/b"},
		{"path of two segments", "GET", "/v1/domains/a/b", "", 404, "/v1/domains/a/b"},
		{"delete without a word", "DELETE", "/v1/domains/live", "", 422, "?confirm: "},
		{"delete with another", "DELETE", "/v1/domains/live?confirm=other", "", 422, "?confirm: "},
		{"delete what is not there", "DELETE", "/v1/domains/none?confirm=none", "", 404, "none"},
		{"clone to a taken key", "POST", "/v1/domains/live/clone", `{"key":"other","name":"x"}`, 409, ""},
		{"clone to a taken draft", "POST", "/v1/domains/live/clone", `{"key":"draft"}`, 409, ""},
		{"clone to itself", "POST", "/v1/domains/live/clone", `{"key":"live"}`, 409, ""},
		{"clone to a key with a slash", "POST", "/v1/domains/live/clone", `{"key":"a/b"}`, 422, "key: "},
		{"clone to nothing", "POST", "/v1/domains/live/clone", `{}`, 422, "$.key: "},
		{"clone what is not there", "POST", "/v1/domains/none/clone", `{"key":"new"}`, 404, "none"},
		{"clone, half an object", "POST", "/v1/domains/live/clone", `{"key":`, 400, "JSON"},
		{"clone, unknown field", "POST", "/v1/domains/live/clone", `{"key":"new","deploy":true}`, 422, "$.deploy: "},
		// Members.
		{"join of a member's ID", "POST", "/v1/cluster/join", join(twin, twin.Self().ID, twin.ClusterAddr()), 409, "member already"},
		{"join at a member's address", "POST", "/v1/cluster/join", join(fresh, "n9", followers[1].ClusterAddr()), 409, followers[1].ID},
		{"join under another's name", "POST", "/v1/cluster/join", join(fresh, "n8", fresh.ClusterAddr()), 422, "n9, not n8"},
		{"join of nobody", "POST", "/v1/cluster/join", join(fresh, "n9", dead), 422, dead},
		{"join, port 0", "POST", "/v1/cluster/join", join(fresh, "n9", "127.0.0.1:0"), 422, "$.clusterAddress: "},
		{"join, everywhere", "POST", "/v1/cluster/join", join(fresh, "n9", "0.0.0.0:7001"), 422, "$.clusterAddress: "},
		{"join, a URL", "POST", "/v1/cluster/join", join(fresh, "n9", "http://x:1"), 422, "$.clusterAddress: "},
		{"join, bad ID", "POST", "/v1/cluster/join", join(fresh, "../n9", fresh.ClusterAddr()), 422, "$.id: "},
		{"join, nothing", "POST", "/v1/cluster/join", "{}", 422, "$.proxyAddress: "},
		{"join, a megabyte", "POST", "/v1/cluster/join", `{"id":"` + strings.Repeat("n", 1<<20) + `"}`, 413, "4096"},
		{"join by GET", "GET", "/v1/cluster/join", "", 405, "POST"},
		{"leave of nobody", "POST", "/v1/cluster/leave", `{"id":"n99"}`, 404, "n99"},
		{"leave of no name", "POST", "/v1/cluster/leave", `{}`, 422, "$.id: "},
		{"leave, a list", "POST", "/v1/cluster/leave", `["n1"]`, 422, "object"},
		{"transfer to nobody", "POST", "/v1/cluster/transfer", `{"id":"n99"}`, 404, "n99"},
		{"transfer to no name", "POST", "/v1/cluster/transfer", `{"id":""}`, 422, "$.id: "},
		{"no such call", "POST", "/v1/cluster/recover", "", 404, "/v1/cluster/recover"},
	}
	c.Raised()
	before, digest := picture(t, leader), c.Digest()
	for _, b := range cases {
		for _, n := range []*nodetest.Node{leader, followers[0]} {
			r := api(t, n, b.method, b.path, b.body)
			if r.status != b.status || r.code != b.status*100 || !r.says(b.says) {
				t.Errorf("%s, at %s: %v; want %d, code %d, and %q said", b.name, n.ID, r, b.status, b.status*100, b.says)
			}
			if got := r.header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
				t.Errorf("%s: Content-Type %s", b.name, got)
			}
		}
		// A change that only the state can refuse takes an entry of the log,
		// whose index the digest counts. All else must not get so far.
		now := c.Digest()
		logged := b.status == 404 && (b.method == "DELETE" || strings.HasSuffix(b.path, "/deploy")) ||
			b.status == 409 && strings.HasSuffix(b.path, "/clone")
		if now != digest && !logged {
			t.Errorf("%s: the state changed", b.name)
		}
		digest = now
	}
	if after := picture(t, leader); after != before {
		t.Errorf("refused calls changed something:\nbefore\n%s\nafter\n%s", before, after)
	}
	for _, n := range c.Nodes {
		if got := picture(t, n); got != before {
			t.Errorf("%s shows another picture:\n%s\nwant\n%s", n.ID, got, before)
		}
	}
	if c.Leader() != leader {
		t.Error("the leader changed")
	}
	// What was refused for what was said of it joins under its own name.
	if r := api(t, followers[1], "POST", "/v1/cluster/join", join(fresh, "n9", fresh.ClusterAddr())); r.status != 200 {
		t.Errorf("join: %v", r)
	}
	fresh.WaitReady()
}

// TestAnyNode: a change through any node is seen by the next read through any
// other, and served by the node that answered.
func TestAnyNode(t *testing.T) {
	c := nodetest.Start(t, 3)
	for i := range 12 {
		n := c.Nodes[i%3]
		body := strconv.Itoa(i)
		var saved struct {
			Key      string
			Revision uint64
			Deployed bool
			Warnings []any
		}
		api(t, n, "PUT", "/v1/domains/d?deploy=true", swagger("d", "title "+body, body, "")).into(t, &saved)
		if saved.Key != "d" || saved.Revision != uint64(i+1) || !saved.Deployed {
			t.Errorf("saved %+v, want revision %d", saved, i+1)
		}
		if r := call(t, web, "GET", n.ProxyAddr(), "/d/x", ""); r.status != 200 || r.body != body {
			t.Errorf("deploy %d through %s, which then serves %v", i, n.ID, r)
		}
		for _, other := range c.Nodes {
			if r := api(t, other, "GET", "/v1/domains/d", ""); r.status != 200 || !strings.Contains(r.body, `"title `+body+`"`) {
				t.Errorf("change %d through %s, then at %s: %v", i, n.ID, other.ID, r)
			}
		}
	}
	// Also a domain that takes its time to travel and to be made ready.
	for i := 12; i < 15; i++ {
		n, body := c.Nodes[i%3], strconv.Itoa(i)
		if r := api(t, n, "PUT", "/v1/domains/d?deploy=true", large("d", "title "+body, body)); r.status != 200 {
			t.Fatal(r.status, r.message, r.errors)
		}
		if r := call(t, web, "GET", n.ProxyAddr(), "/d/x", ""); r.status != 200 || r.body != body {
			t.Errorf("deploy %d through %s, which then serves %v", i, n.ID, r)
		}
		var seen sync.WaitGroup
		for _, other := range c.Nodes {
			seen.Go(func() { // at once
				r, err := tryCall(web, "GET", other.AdminAddr(), "/v1/domains", "")
				if err != nil || r.status != 200 || !strings.Contains(r.body, `"title `+body+`"`) {
					t.Errorf("change %d through %s, then at %s: %v %v", i, n.ID, other.ID, r, err)
				}
			})
		}
		seen.Wait()
	}
	// A draft is served by nobody.
	if r := api(t, c.Nodes[1], "PUT", "/v1/domains/d", swagger("d", "draft", "draft", "")); r.status != 200 {
		t.Fatal(r)
	}
	for _, n := range c.Nodes {
		nodetest.Eventually(t, n.ID+" serves what is deployed", func() bool {
			return call(t, web, "GET", n.ProxyAddr(), "/d/x", "").body == "14"
		})
		var list []struct {
			Name                            string
			DraftRevision, DeployedRevision uint64
		}
		api(t, n, "GET", "/v1/domains", "").into(t, &list)
		if len(list) != 1 || list[0].Name != "draft" || list[0].DraftRevision != 16 || list[0].DeployedRevision != 15 {
			t.Errorf("%s lists %+v", n.ID, list)
		}
	}
	// Nothing is changed by a dry run, everything by a clone, a deploy and a
	// delete, wherever they are asked for.
	before := picture(t, c.Nodes[0])
	if r := api(t, c.Nodes[2], "POST", "/v1/domains?dryRun=true&deploy=true", swagger("new", "New", "", "")); r.status != 200 || !strings.Contains(r.body, `"revision":0`) {
		t.Errorf("dry run: %v", r)
	}
	if after := picture(t, c.Nodes[0]); after != before {
		t.Errorf("the dry run changed something:\n%s\nwas\n%s", after, before)
	}
	if r := api(t, c.Nodes[2], "POST", "/v1/domains/d/clone", `{"key":"copy","name":"Copy"}`); r.status != 200 {
		t.Fatal(r)
	}
	if r := api(t, c.Nodes[1], "POST", "/v1/domains/copy/deploy", ""); r.status != 200 {
		t.Fatal(r)
	}
	if r := call(t, web, "GET", c.Nodes[1].ProxyAddr(), "/copy/x", ""); r.status != 200 || r.body != "draft" {
		t.Errorf("the clone serves %v", r)
	}
	if r := api(t, c.Nodes[0], "DELETE", "/v1/domains/d?confirm=d", ""); r.status != 200 || r.body != `{"key":"d","deleted":true}` {
		t.Fatal(r)
	}
	for _, n := range c.Nodes {
		if r := api(t, n, "GET", "/v1/domains/d", ""); r.status != 404 || r.code != 40400 {
			t.Errorf("deleted, %s shows %v", n.ID, r)
		}
		nodetest.Eventually(t, n.ID+" does not serve what is deleted", func() bool {
			r := call(t, web, "GET", n.ProxyAddr(), "/d/x", "")
			return r.status == 404 && r.code == 40400
		})
	}
	c.Digest()
}

// condition is one line of a quota's read-out.
type condition struct {
	Endpoint                              *string
	MaxUsageQuota, ResetTimeSeconds, Used uint64
	WindowEndsAt                          *time.Time
}

func readOut(t *testing.T, n *nodetest.Node, key string) []condition {
	t.Helper()
	var out struct{ Conditions []condition }
	api(t, n, "GET", "/v1/domains/"+key+"/quota", "").into(t, &out)
	return out.Conditions
}

// TestQuotaExceeded: after the quota, every node answers 20004, to the byte,
// with the time to wait; the read-out is the same at all nodes, and a redeploy
// neither gives nor takes anything. All over HTTP.
func TestQuotaExceeded(t *testing.T) {
	t.Parallel()
	const limit, seconds = 10, 3600
	c := nodetest.Start(t, 3)
	doc := fmt.Sprintf(`{"swagger":"2.0","info":{"title":"d","version":"1"},"basePath":"/d","schemes":["http"],
		"paths":{
			"/a":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"headers":{},"body":"a"}}}}},
			"/b/**":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"headers":{},"body":"b"},
				"ENDPOINT_USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":3,"resetTimeSeconds":%d}]}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},
			"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%d,"resetTimeSeconds":%d}]}}}}`, seconds, limit, seconds)
	if r := api(t, c.Nodes[1], "POST", "/v1/domains?deploy=true", doc); r.status != 200 {
		t.Fatal(r)
	}
	for _, n := range c.Nodes {
		nodetest.Eventually(t, n.ID+" serves the domain", func() bool {
			return call(t, web, "GET", n.ProxyAddr(), "/d/none", "").code == 40401 // counts on nothing
		})
		if got := readOut(t, n, "d"); len(got) != 2 || got[0].Used != 0 || got[0].WindowEndsAt != nil || got[1].Used != 0 {
			t.Errorf("before any call, %s reads %+v", n.ID, got)
		}
	}
	refused := func(n *nodetest.Node, path string) {
		t.Helper()
		r := call(t, web, "GET", n.ProxyAddr(), path, "")
		if want := `{"header":{"resultCode":20004,"resultMessage":"20004 Usage quota exceeded","isSuccessful":false}}`; r.status != 403 || r.body != want {
			t.Errorf("%s answers %s with %v, want 403 %s", n.ID, path, r, want)
		}
		if got := r.header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
			t.Errorf("%s: Content-Type %q", n.ID, got)
		}
		if after, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || after < seconds-60 || after > seconds {
			t.Errorf("%s: Retry-After %q, the window has %d s or a little less", n.ID, r.header.Get("Retry-After"), seconds)
		}
	}
	admitted := func(n *nodetest.Node, path string) {
		t.Helper()
		if r := call(t, web, "GET", n.ProxyAddr(), path, ""); r.status != 200 {
			t.Errorf("%s answers %s with %v, want 200", n.ID, path, r)
		}
	}
	// Every call of the endpoint counts on both conditions.
	for i := range 3 {
		admitted(c.Nodes[i], "/d/b/"+strconv.Itoa(i))
	}
	for _, n := range c.Nodes {
		refused(n, "/d/b/c/d")
	}
	// The refused ones count on the domain too: 6 of 10 are gone.
	for i := range limit - 6 {
		admitted(c.Nodes[i%3], "/d/a")
	}
	for _, n := range c.Nodes {
		refused(n, "/d/a")
		refused(n, "/d/b")
	}
	pattern := "GET /b/**"
	first := readOut(t, c.Nodes[0], "d")
	if len(first) != 2 || first[0].Endpoint != nil || first[0].MaxUsageQuota != limit || first[0].Used != limit ||
		first[1].Endpoint == nil || *first[1].Endpoint != pattern || first[1].MaxUsageQuota != 3 || first[1].Used != 3 {
		t.Errorf("the read-out is %+v", first)
	}
	for _, cond := range first {
		if cond.WindowEndsAt == nil || time.Until(*cond.WindowEndsAt) > seconds*time.Second || time.Until(*cond.WindowEndsAt) < (seconds-60)*time.Second {
			t.Errorf("the window ends at %v", cond.WindowEndsAt)
		}
	}
	for _, n := range c.Nodes[1:] {
		if got := readOut(t, n, "d"); !reflect.DeepEqual(got, first) {
			t.Errorf("%s reads %+v, %s %+v", n.ID, got, c.Nodes[0].ID, first)
		}
	}
	// An exhausted window stays so, deployed again or with another maximum.
	for _, again := range []string{doc, strings.Replace(doc, `"maxUsageQuota":10`, `"maxUsageQuota":1000`, 1)} {
		if r := api(t, c.Nodes[2], "PUT", "/v1/domains/d?deploy=true", again); r.status != 200 {
			t.Fatal(r)
		}
		for _, n := range c.Nodes {
			refused(n, "/d/a")
		}
	}
	c.Digest()
}

// TestNoQuorum: without a majority, what must be decided together is answered
// 503 with Retry-After, in bounded time; what a node knows by itself it says;
// and with the majority back, everything is as it was.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3, wait(300*time.Millisecond))
	// Quotas too small to be leased: no unit is lost with a node that dies.
	for key, plugins := range map[string]string{
		"d":     quotaPlugin("60", "3600"),
		"admit": strings.Replace(quotaPlugin("60", "3600"), `"USAGE_QUOTA":{`, `"USAGE_QUOTA":{"onUnavailable":"admit",`, 1),
		"free":  "",
	} {
		c.Deploy(swagger(key, key, "ok", plugins))
	}
	for _, n := range c.Nodes {
		nodetest.Eventually(t, n.ID+" admits a call", func() bool {
			return call(t, web, "GET", n.ProxyAddr(), "/d/x", "").status == 200
		})
	}
	left := c.Nodes[0]
	// A call that was not decided may come to be counted and taken back: that
	// opens a window, and uses nothing of it.
	window := regexp.MustCompile(`"windowEndsAt":[^}]*`)
	before := window.ReplaceAllString(picture(t, left), "")
	c.Nodes[1].Kill()
	c.Nodes[2].Kill()
	nodetest.Eventually(t, "the one that is left knows no leader", func() bool {
		id, _ := left.Store().Leader()
		return id == ""
	})

	begin := time.Now()
	var wg sync.WaitGroup
	for _, b := range []struct{ method, path, body string }{
		{"POST", "/v1/domains", swagger("new", "New", "", "")},
		{"PUT", "/v1/domains/d?deploy=true", swagger("d", "changed", "", "")},
		{"POST", "/v1/domains/d/deploy", ""},
		{"POST", "/v1/domains/d/clone", `{"key":"copy"}`},
		{"DELETE", "/v1/domains/d?confirm=d", ""},
		{"GET", "/v1/domains", ""},
		{"GET", "/v1/domains/d", ""},
		{"GET", "/v1/domains/d/quota", ""},
		{"POST", "/v1/cluster/join", `{"id":"n9","clusterAddress":"127.0.0.1:1","adminAddress":"127.0.0.1:2","proxyAddress":"127.0.0.1:3"}`},
		{"POST", "/v1/cluster/leave", `{"id":"n2"}`},
		{"POST", "/v1/cluster/transfer", `{"id":"n2"}`},
	} {
		wg.Go(func() {
			r, err := tryCall(web, b.method, left.AdminAddr(), b.path, b.body)
			if err != nil || r.status != 503 || r.code != 50300 || r.header.Get("Retry-After") == "" || !r.says("no leader") {
				t.Errorf("%s %s: %v %v, Retry-After %q; want 503, 50300", b.method, b.path, r, err, r.header.Get("Retry-After"))
			}
		})
	}
	wg.Wait()
	if took := time.Since(begin); took > 11*time.Second {
		t.Errorf("the answers took %v", took)
	}
	if r := api(t, left, "GET", "/readyz", ""); r.status != 503 || !strings.Contains(r.body, "leader: no leader is known now\n") {
		t.Errorf("/readyz: %v", r)
	}
	if r := api(t, left, "GET", "/healthz", ""); r.status != 200 {
		t.Errorf("/healthz: %v", r)
	}
	var status struct {
		Leader  string
		Members []struct {
			ID, Role  string
			Reachable bool
		}
	}
	api(t, left, "GET", "/v1/cluster", "").into(t, &status)
	if status.Leader != "" || len(status.Members) != 3 {
		t.Errorf("/v1/cluster: %+v", status)
	}
	for _, m := range status.Members {
		if m.Reachable != (m.ID == left.ID) {
			t.Errorf("/v1/cluster: %+v", m)
		}
	}

	undecided := func() (n int) {
		r := api(t, left, "GET", "/metrics", "")
		_, rest, _ := strings.Cut(r.body, `tollgate_quota_decisions_total{way="unavailable"} `)
		_, _ = fmt.Sscan(rest, &n)
		return n
	}
	told := undecided()
	for path, want := range map[string]string{
		"/d/x":     `503 {"header":{"resultCode":50300,"resultMessage":"50300 Usage quota cannot be decided now","isSuccessful":false}}`,
		"/admit/x": "200 ok",
		"/free/x":  "200 ok",
	} {
		begin := time.Now()
		if r := call(t, web, "GET", left.ProxyAddr(), path, ""); r.String() != want {
			t.Errorf("%s: %v, want %s", path, r, want)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s took %v, the wait budget is 300ms", path, took)
		}
	}
	if n := undecided() - told; n != 2 {
		t.Errorf("the metrics tell of %d undecided calls, want 2", n)
	}

	c.Nodes[1].Start()
	c.Nodes[2].Start()
	for _, n := range c.Nodes {
		n.WaitReady()
	}
	after := ""
	nodetest.Eventually(t, "what was not decided is taken back", func() bool {
		after = window.ReplaceAllString(picture(t, left), "")
		return after == before || !strings.Contains(after, `"used":1`)
	})
	if after != before {
		t.Errorf("it is not as it was:\n%s\nwant\n%s", after, before)
	}
	c.Digest()
}

// TestMembersByHTTP: the life of a member by the calls of the reference.
func TestMembersByHTTP(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	leader := c.Leader()
	var followers []*nodetest.Node
	for _, n := range c.Nodes {
		if n != leader {
			followers = append(followers, n)
		}
	}
	nd := c.Add()
	nd.Start() // waits to be joined
	self := nd.Self()
	join, err := json.Marshal(map[string]any{"id": self.ID, "clusterAddress": self.ClusterAddress, "adminAddress": self.AdminAddress, "proxyAddress": self.ProxyAddress, "voter": true})
	if err != nil {
		t.Fatal(err)
	}
	// check compares what every node that is a member shows.
	check := func(voters ...string) {
		t.Helper()
		for _, n := range c.Up() {
			if n.Store().Servers().Find(n.ID) == nil {
				continue
			}
			nodetest.Eventually(t, n.ID+" shows "+strings.Join(voters, ", "), func() bool {
				var st struct {
					ClusterID, Leader string
					Members           []struct {
						ID, ClusterAddress, AdminAddress, ProxyAddress string
						Voter, Reachable                               bool
					}
				}
				api(t, n, "GET", "/v1/cluster", "").into(t, &st)
				ok := st.ClusterID == leader.Store().ClusterID() && st.Leader != "" && len(st.Members) == len(voters)
				for _, m := range st.Members {
					ok = ok && m.Voter && m.Reachable && m.AdminAddress != "" && m.ProxyAddress != "" && m.ClusterAddress != "" && strings.Contains(strings.Join(voters, " "), m.ID)
				}
				return ok
			})
		}
	}
	for range 2 { // a join is idempotent
		if r := api(t, followers[0], "POST", "/v1/cluster/join", string(join)); r.status != 200 || !strings.Contains(r.body, self.ProxyAddress) {
			t.Fatalf("join: %v", r)
		}
	}
	nd.WaitReady()
	check("n1", "n2", "n3", "n4")
	if r := api(t, nd, "POST", "/v1/cluster/transfer", fmt.Sprintf(`{"id":%q}`, nd.ID)); r.status != 200 {
		t.Fatalf("transfer: %v", r)
	}
	if got := c.Leader(); got != nd {
		t.Errorf("%s leads, leadership was sent to %s", got.ID, nd.ID)
	}
	if r := api(t, nd, "POST", "/v1/cluster/transfer", ""); r.status != 200 {
		t.Errorf("transfer to any: %v", r)
	}
	// By its own hand.
	if r := api(t, nd, "POST", "/v1/cluster/leave", fmt.Sprintf(`{"id":%q}`, nd.ID)); r.status != 200 {
		t.Fatalf("leave: %v", r)
	}
	nodetest.Eventually(t, "it is not ready, and says why", func() bool {
		r := api(t, nd, "GET", "/readyz", "")
		return r.status == http.StatusServiceUnavailable && strings.Contains(r.body, "member: this node was removed from the cluster; restart it with --join to return\n")
	})
	nodetest.Eventually(t, "its clients are answered 50301", func() bool {
		return call(t, web, "GET", nd.ProxyAddr(), "/d/x", "").code == 50301
	})
	if r := api(t, followers[0], "POST", "/v1/cluster/leave", fmt.Sprintf(`{"id":%q}`, nd.ID)); r.status != 404 || r.code != 40400 {
		t.Errorf("leaving again: %v", r)
	}
	if servers := followers[0].Store().Servers(); len(servers.List) != 3 {
		t.Errorf("the members are %v", servers.List)
	}
	nd.Stop()
	check("n1", "n2", "n3")
	var s store.Servers
	nodetest.Eventually(t, "all have the same members", func() bool {
		s = leader.Store().Servers()
		return reflect.DeepEqual(followers[0].Store().Servers().List, s.List) && reflect.DeepEqual(followers[1].Store().Servers().List, s.List)
	})
	c.Digest()
}
