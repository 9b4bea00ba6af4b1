package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// shop is the smallest document of a domain; shopWith changes its basePath.
const shop = `{"swagger":"2.0","info":{"title":"Shop"},"basePath":"/shop","schemes":["http"],"paths":{"/x":{"get":{}}},"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:8080"}}}}`

const secretShop = `{"swagger":"2.0","info":{"title":"Shop"},"basePath":"/shop","paths":{},"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:8080"},"HMAC":{"secretKey":"s3cret","clockSkew":0}}}}`

func newFake() *fakeControl {
	return &fakeControl{
		domains: map[string]catalog.Entry{
			"shop": {
				Key: "shop", Name: "Shop", Endpoints: 1,
				Draft:    catalog.Revision{Number: 3, Serial: 17, Document: []byte(secretShop)},
				Deployed: catalog.Revision{Number: 2, Serial: 12, Document: []byte(shop)},
				History: []catalog.Past{
					{Revision: catalog.Revision{Number: 2, Serial: 12, Document: []byte(shop)}},
					{Revision: catalog.Revision{Number: 3, Serial: 17, Document: []byte(secretShop)}, At: 1700000000000, Name: "kim", Note: "with a key"},
				},
			},
			"new": {Key: "new", Name: "New", Draft: catalog.Revision{Number: 1, Document: []byte(strings.Replace(shop, "/shop", "/new", 1))}},
		},
		status: api.ClusterStatus{
			ClusterID: "c1", Leader: "n1", Term: 7,
			Members: []api.MemberStatus{{ID: "n1", Voter: true, Role: "leader", ClusterAddress: "10.0.0.1:7001", AdminAddress: "10.0.0.1:9001", ProxyAddress: "10.0.0.1:8001", Reachable: true, AppliedIndex: 42, Version: "1.2.3", Rules: 3}},
		},
		readings: []quota.Reading{
			{Condition: quota.Condition{Max: 1000, ResetSeconds: 60}, Used: 12, Leased: 3, Holders: []quota.Holding{{Node: "n1", Units: 1}, {Node: "n2", Units: 1}, {Node: "n2", Units: 1}}, Lost: 1, Pool: 985, WindowMax: 1000, Window: 17, WindowEnds: 1553050800005},
			{Condition: quota.Condition{Endpoint: "GET /x/**", Max: 5, ResetSeconds: 1}, Pool: 5},
		},
		checks: []Check{{Name: "leader"}, {Name: "caught up"}},
	}
}

// statusJSON is what newFake's status reads as.
const statusJSON = `{"clusterId":"c1","leader":"n1","term":7,"members":[{"id":"n1","voter":true,"role":"leader","clusterAddress":"10.0.0.1:7001","adminAddress":"10.0.0.1:9001","proxyAddress":"10.0.0.1:8001","reachable":true,"appliedIndex":42,"version":"1.2.3","rules":3}]}`

const joinBody = `{"id":"n4","clusterAddress":"10.0.0.4:7001","adminAddress":"10.0.0.4:9001","proxyAddress":"node-4.example:8001"}`

// call is one request and the answer it must get, to the byte.
type call struct {
	name   string
	do     string // METHOD target
	header http.Header
	body   string
	fail   error // of the control

	status int
	want   string
	heads  map[string]string // wanted response headers
	asked  string            // wanted calls of the control, joined by "; "
}

func failed(code int, message string, details ...string) string {
	text := fmt.Sprintf(`{"header":{"resultCode":%d,"resultMessage":%q,"isSuccessful":false}`, code, fmt.Sprint(code, " ", message))
	if details != nil {
		var list []string
		for i := 0; i+1 < len(details); i += 2 {
			list = append(list, fmt.Sprintf(`{"path":%q,"message":%q}`, details[i], details[i+1]))
		}
		text += `,"errors":[` + strings.Join(list, ",") + `]`
	}
	return text + "}"
}

func run(t *testing.T, calls []call, configure func(*Config)) {
	t.Helper()
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			fake := newFake()
			fake.err = c.fail
			cfg := Config{Control: fake}
			if configure != nil {
				configure(&cfg)
			}
			method, target, _ := strings.Cut(c.do, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(c.body))
			r.Host = "127.0.0.1:9001"
			for name, values := range c.header {
				if name == "Host" {
					r.Host = values[0]
					continue
				}
				r.Header[name] = values
			}
			w := httptest.NewRecorder()
			New(cfg).ServeHTTP(w, r)

			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			if got := w.Body.String(); got != c.want {
				t.Errorf("body\n got %s\nwant %s", got, c.want)
			}
			for name, want := range c.heads {
				if got := w.Header().Get(name); got != want {
					t.Errorf("header %s: %q, want %q", name, got, want)
				}
			}
			if strings.HasPrefix(c.want, "{") && w.Header().Get("Content-Type") != "application/json;charset=UTF-8" {
				t.Errorf("Content-Type %q", w.Header().Get("Content-Type"))
			}
			if got := strings.Join(fake.calls, "; "); got != c.asked {
				t.Errorf("control was asked\n got %s\nwant %s", got, c.asked)
			}
		})
	}
}

func TestCluster(t *testing.T) {
	const idRule = "must be 1 to 64 of A-Z a-z 0-9 . _ -"
	const form = "must be HOST:PORT, such as 10.0.0.5:7001"
	run(t, []call{
		{name: "status", do: "GET /v1/cluster", status: 200, want: statusJSON},
		{name: "self", do: "GET /v1/cluster/self", status: 200, want: `{"id":"n1","clusterId":"c","fresh":false,"clusterAddress":"127.0.0.1:7001","adminAddress":"127.0.0.1:9001","proxyAddress":"127.0.0.1:8001"}`},
		{name: "join", do: "POST /v1/cluster/join", body: joinBody, status: 200, want: statusJSON,
			asked: "join {ID:n4 ClusterAddress:10.0.0.4:7001 AdminAddress:10.0.0.4:9001 ProxyAddress:node-4.example:8001 Voter:true}"},
		{name: "join as nonvoter", do: "POST /v1/cluster/join", body: strings.Replace(joinBody, "{", `{"voter":false,`, 1), status: 200, want: statusJSON,
			asked: "join {ID:n4 ClusterAddress:10.0.0.4:7001 AdminAddress:10.0.0.4:9001 ProxyAddress:node-4.example:8001 Voter:false}"},
		{name: "join with nothing", do: "POST /v1/cluster/join", status: 422,
			want: failed(42200, "the join is refused: 4 problems",
				"$.id", "is missing: "+idRule, "$.clusterAddress", "is missing: "+form,
				"$.adminAddress", "is missing: "+form, "$.proxyAddress", "is missing: "+form)},
		{name: "join with everything wrong", do: "POST /v1/cluster/join",
			body:   `{"id":"../x","clusterAddress":"0.0.0.0:7001","adminAddress":"http://h:1","proxyAddress":"h:0","voter":"yes","force":true,"id":"n"}`,
			status: 422,
			want: failed(42200, "the join is refused: 6 problems",
				"$.voter", "must be true or false, is a string",
				"$.force", "unknown field; known: id, clusterAddress, adminAddress, proxyAddress, voter",
				"$.id", "is given more than once",
				"$.clusterAddress", form+` with an address that other nodes can connect to; is "0.0.0.0:7001"`,
				"$.adminAddress", form+` (without http:// or the like); is "http://h:1"`,
				"$.proxyAddress", form+` with a port from 1 to 65535; is "h:0"`)},
		{name: "join refused", do: "POST /v1/cluster/join", body: joinBody, fail: &Refusal{Conflict: true, Message: "n4 belongs to another cluster"},
			status: 409, want: failed(40900, "n4 belongs to another cluster"),
			asked: "join {ID:n4 ClusterAddress:10.0.0.4:7001 AdminAddress:10.0.0.4:9001 ProxyAddress:node-4.example:8001 Voter:true}"},
		{name: "join is not JSON", do: "POST /v1/cluster/join", body: "{\n\"id\":n4}", status: 400,
			want: failed(40000, "the body is not JSON: line 2: invalid character '4' in literal null (expecting 'u')")},
		{name: "join is no object", do: "POST /v1/cluster/join", body: ` ["n4"]`, status: 422,
			want: failed(42200, "the join is refused: 5 problems",
				"$", "must be an object, is an array",
				"$.id", "is missing: "+idRule, "$.clusterAddress", "is missing: "+form,
				"$.adminAddress", "is missing: "+form, "$.proxyAddress", "is missing: "+form)},
		{name: "join too large", do: "POST /v1/cluster/join", body: `{"id":"` + strings.Repeat("x", 4096) + `"}`, status: 413,
			want: failed(41300, "the body is larger than the 4096 bytes that this call takes")},
		{name: "join by GET", do: "GET /v1/cluster/join", status: 405, heads: map[string]string{"Allow": "POST"},
			want: failed(40500, "GET is no method of /v1/cluster/join; allowed: POST")},
		{name: "leave", do: "POST /v1/cluster/leave", body: `{"id":"n3"}`, status: 200, want: statusJSON, asked: "leave n3"},
		{name: "leave nobody", do: "POST /v1/cluster/leave", body: `{"id":null}`, status: 422,
			want: failed(42200, "the leave is refused: 1 problem", "$.id", "is missing: "+idRule)},
		{name: "leave a stranger", do: "POST /v1/cluster/leave", body: `{"id":"n9"}`, fail: fmt.Errorf("remove: %w", ErrNoMember), status: 404,
			want: failed(40400, `no member has the id "n9"`), asked: "leave n9"},
		{name: "leave the last", do: "POST /v1/cluster/leave", body: `{"id":"n1"}`, fail: &Refusal{Conflict: true, Message: "n1 is the last voter"}, status: 409,
			want: failed(40900, "n1 is the last voter"), asked: "leave n1"},
		{name: "transfer to any", do: "POST /v1/cluster/transfer", status: 200, want: statusJSON, asked: `transfer ""`},
		{name: "transfer to one", do: "POST /v1/cluster/transfer", body: `{"id":"n2"}`, status: 200, want: statusJSON, asked: `transfer "n2"`},
		{name: "transfer to nonsense", do: "POST /v1/cluster/transfer", body: `{"id":""}`, status: 422,
			want: failed(42200, "the transfer is refused: 1 problem", "$.id", "is missing: "+idRule)},
		{name: "transfer without leader", do: "POST /v1/cluster/transfer", fail: fmt.Errorf("apply: %w", ErrNoLeader), status: 503,
			heads: map[string]string{"Retry-After": "1"},
			want:  failed(50300, "the cluster has no leader now"), asked: `transfer ""`},
	}, nil)
}

func TestQuota(t *testing.T) {
	run(t, []call{
		{name: "read", do: "GET /v1/domains/shop/quota", status: 200, asked: "quota shop",
			want: `{"conditions":[{"endpoint":null,"maxUsageQuota":1000,"resetTimeSeconds":60,"used":12,"windowEndsAt":"2019-03-20T03:00:00.005Z","leased":3,"pool":985,"phase":"leasing","lost":1,"windowId":17},` +
				`{"endpoint":"GET /x/**","maxUsageQuota":5,"resetTimeSeconds":1,"used":0,"windowEndsAt":null,"leased":0,"pool":5,"phase":null,"lost":0,"windowId":null}]}`},
		{name: "by holder", do: "GET /v1/domains/shop/quota?holders=true", status: 200, asked: "quota shop",
			want: `{"conditions":[{"endpoint":null,"maxUsageQuota":1000,"resetTimeSeconds":60,"used":12,"windowEndsAt":"2019-03-20T03:00:00.005Z","leased":3,"pool":985,"phase":"leasing","lost":1,"holders":{"n1":1,"n2":2},"windowId":17},` +
				`{"endpoint":"GET /x/**","maxUsageQuota":5,"resetTimeSeconds":1,"used":0,"windowEndsAt":null,"leased":0,"pool":5,"phase":null,"lost":0,"windowId":null}]}`},
		{name: "for a caller", do: "GET /v1/domains/shop/quota?caller=::1", status: 200, asked: "quota shop; callers shop",
			want: `{"conditions":[{"endpoint":null,"maxUsageQuota":1000,"resetTimeSeconds":60,"used":12,"windowEndsAt":"2019-03-20T03:00:00.005Z","leased":3,"pool":985,"phase":"leasing","lost":1,"windowId":17},` +
				`{"endpoint":"GET /x/**","maxUsageQuota":5,"resetTimeSeconds":1,"used":0,"windowEndsAt":null,"leased":0,"pool":5,"phase":null,"lost":0,"windowId":null}]}`},
		{name: "too many callers", do: "GET /v1/domains/shop/quota?top=1001", status: 422, asked: "quota shop",
			want: failed(42200, "the query is refused: 1 problem", "?top", "must be a whole number from 1 to 1000")},
		{name: "unknown domain", do: "GET /v1/domains/nope/quota", status: 404, asked: "quota nope",
			want: failed(40400, `no domain has the key "nope"`)},
	}, nil)
	fake := newFake()
	fake.readings = nil
	if got := get(New(Config{Control: fake}), "/v1/domains/shop/quota"); got.Body.String() != `{"conditions":[]}` {
		t.Errorf("no conditions: %s", got.Body)
	}
}

// get asks h for a path as a local client would.
func get(h http.Handler, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestProbes(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_things_total", Help: "Things."})
	registry.MustRegister(counter)
	fake := newFake()
	h := New(Config{Control: fake, Gatherer: registry})

	if w := get(h, "/healthz?x=1"); w.Code != 200 || w.Body.String() != "ok\n" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("healthz: %d %q %v", w.Code, w.Body, w.Header())
	}
	if w := get(h, "/readyz"); w.Code != 200 || w.Body.String() != "leader: ok\ncaught up: ok\n" {
		t.Errorf("readyz: %d %q", w.Code, w.Body)
	}
	fake.checks[1].Problem = "400 entries\nbehind"
	if w := get(h, "/readyz"); w.Code != 503 || w.Body.String() != "leader: ok\ncaught up: 400 entries behind\n" {
		t.Errorf("readyz: %d %q", w.Code, w.Body)
	}
	if w := get(h, "/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), "tollgate_things_total 0") {
		t.Errorf("metrics: %d %q", w.Code, w.Body)
	}
	if w := get(New(Config{Control: fake}), "/metrics"); w.Code != 404 {
		t.Errorf("metrics without a gatherer: %d", w.Code)
	}
	r := httptest.NewRequest(http.MethodPost, "/healthz", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /healthz: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// TestDeadline runs the default deadlines in virtual time.
func TestDeadline(t *testing.T) {
	const unknown = "the outcome is unknown: the cluster did not answer in time; look, then repeat it if it is missing"
	for _, c := range []struct {
		do, body string
		after    time.Duration
		want     string
	}{
		{"GET /v1/domains", "", 10 * time.Second, failed(50300, "the cluster did not answer in time")},
		{"POST /v1/domains/shop/deploy", "", 10 * time.Second, failed(50300, unknown)},
		{"POST /v1/cluster/join", joinBody, 30 * time.Second, failed(50300, unknown)},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFake()
			fake.block = true
			method, target, _ := strings.Cut(c.do, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(c.body)).WithContext(t.Context())
			r.Host = "[::1]:9001"
			w := httptest.NewRecorder()
			began := time.Now()
			New(Config{Control: fake}).ServeHTTP(w, r)
			if took := time.Since(began); took != c.after {
				t.Errorf("%s took %v, want %v", c.do, took, c.after)
			}
			if w.Code != 503 || w.Body.String() != c.want || w.Header().Get("Retry-After") != "1" {
				t.Errorf("%s: %d %s", c.do, w.Code, w.Body)
			}
		})
	}
}

// TestControlErrors pins the one table from errors to answers.
func TestControlErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("x: %w", ErrUnknownOutcome), failed(50300, "the outcome is unknown: leadership was lost with the change under way; look, then repeat it if it is missing")},
		{store.ErrNotLeader, failed(50300, "the cluster has no leader now")},
		{store.ErrClosed, failed(50300, "the node is stopping")},
		{&Refusal{Message: "too big"}, failed(42200, "too big")},
		{fmt.Errorf("x: %w", &Refusal{Conflict: true, Message: "no"}), failed(40900, "no")},
		{errors.New("disk /secret/path broke"), failed(50000, "internal error; the node's log says more")},
	} {
		fake := newFake()
		fake.err = c.err
		if w := get(New(Config{Control: fake}), "/v1/domains"); w.Body.String() != c.want {
			t.Errorf("%v:\n got %s\nwant %s", c.err, w.Body, c.want)
		}
	}
}

// TestEvents: the stream is one of server-sent events.
func TestEvents(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := httptest.NewServer(New(Config{Control: newFake()}))
	defer server.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	const want = ": tollgate\n\nevent: quotaAlert\ndata: {\"type\":\"quotaAlert\",\"domain\":\"shop\",\"endpoint\":null,\"window\":60,\"percent\":80,\"used\":0,\"maxUsageQuota\":0,\"windowId\":0,\"windowEndsAt\":\"\"}\n\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%q, %v, %v", got, err, resp.Header)
	}
}
