package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
)

const token = "0123456789abcdef0123456789abcdef"

// tokenFor is a token of each role.
func tokenFor(role Role) string { return string(role) + "-" + token }

// withTokens configures an API with a token for each role, its name the
// role's in capitals.
func withTokens(cfg *Config) {
	var file strings.Builder
	for _, role := range roles {
		fmt.Fprintf(&file, "%s %s %s\n", role, strings.ToUpper(string(role)), tokenFor(role))
	}
	tokens, err := ParseTokens(file.String())
	if err != nil {
		panic(err)
	}
	cfg.Tokens = func() *Tokens { return tokens }
}

func TestToken(t *testing.T) {
	auth := func(values ...string) http.Header { return http.Header{"Authorization": values} }
	admin := tokenFor(RoleAdmin)
	missing := failed(40100, "this needs a token: send the header Authorization: Bearer TOKEN")
	odd := failed(40100, "the Authorization header must be one, and read: Bearer TOKEN")
	unknown := failed(40100, "the token is unknown here: the node's --admin-token-file does not have it")
	challenge := map[string]string{"WWW-Authenticate": `Bearer realm="tollgate admin"`}
	run(t, []call{
		{name: "right", do: "GET /v1/cluster", header: auth("Bearer " + admin), status: 200, want: statusJSON},
		{name: "other case of the scheme", do: "GET /v1/cluster", header: auth("bearer " + admin), status: 200, want: statusJSON},
		{name: "by any host name", do: "GET /v1/cluster", header: http.Header{"Authorization": {"Bearer " + admin}, "Host": {"node-1.example:9001"}}, status: 200, want: statusJSON},
		{name: "none", do: "GET /v1/cluster", status: 401, want: missing, heads: challenge},
		{name: "none, no call", do: "GET /nowhere", status: 401, want: missing},
		{name: "none, metrics", do: "GET /metrics", status: 401, want: missing},
		{name: "none, join", do: "POST /v1/cluster/join", body: joinBody, status: 401, want: missing},
		{name: "wrong", do: "GET /v1/cluster", header: auth("Bearer " + admin[1:]), status: 401, want: unknown, heads: challenge},
		{name: "empty", do: "GET /v1/cluster", header: auth("Bearer "), status: 401, want: unknown},
		{name: "basic", do: "GET /v1/cluster", header: auth("Basic " + admin), status: 401, want: odd},
		{name: "two", do: "GET /v1/cluster", header: auth("Bearer "+admin, "Bearer "+admin), status: 401, want: odd},
		{name: "in the query", do: "GET /v1/cluster?token=" + admin, status: 401, want: missing},
		{name: "health needs none", do: "GET /healthz", status: 200, want: "ok\n"},
		{name: "readiness needs none", do: "GET /readyz", header: http.Header{"Host": {"probe.example"}}, status: 200, want: "leader: ok\ncaught up: ok\n"},
	}, withTokens)
}

func TestBrowsers(t *testing.T) {
	const join = "POST /v1/cluster/transfer"
	run(t, []call{
		{name: "page elsewhere", do: "GET /v1/cluster", header: http.Header{"Origin": {"https://evil.example"}}, status: 403,
			want: failed(40300, "requests of web pages from https://evil.example are not allowed")},
		{name: "page of no origin", do: "GET /v1/cluster", header: http.Header{"Origin": {"null"}}, status: 403,
			want: failed(40300, "requests of web pages from null are not allowed")},
		{name: "own page", do: "GET /v1/cluster", header: http.Header{"Origin": {"http://127.0.0.1:9001"}}, status: 200, want: statusJSON},
		{name: "other port", do: "GET /v1/cluster", header: http.Header{"Origin": {"http://127.0.0.1:3000"}}, status: 403,
			want: failed(40300, "requests of web pages from http://127.0.0.1:3000 are not allowed")},
		{name: "marked cross-site", do: join, header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, status: 403,
			want: failed(40300, "requests that another web site causes are not allowed")},
		{name: "rebound name", do: "GET /v1/cluster", header: http.Header{"Host": {"evil.example:9001"}}, status: 403,
			want: failed(40300, "the host name evil.example:9001 is not allowed: without a token this API answers at its IP address and localhost only")},
		{name: "localhost", do: "GET /v1/cluster", header: http.Header{"Host": {"localhost:9001"}}, status: 200, want: statusJSON},
		{name: "IPv6", do: "GET /v1/cluster", header: http.Header{"Host": {"[::1]"}}, status: 200, want: statusJSON},
	}, nil)
}

// panicking is a Control that fails in the way nobody foresaw.
type panicking struct{ *fakeControl }

func (panicking) Cluster(context.Context) api.ClusterStatus { panic("boom") }

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	h := New(Config{Control: panicking{newFake()}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w := get(h, "/v1/cluster")
	if want := failed(50000, "internal error; the node's log says more"); w.Code != 500 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "boom") {
		t.Errorf("log: %s", log.String())
	}
}

func TestAudit(t *testing.T) {
	var log bytes.Buffer
	h := New(Config{Control: newFake(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	get(h, "/v1/cluster")
	if log.Len() > 0 {
		t.Errorf("a read was logged: %s", log.String())
	}
	r := httptest.NewRequest(http.MethodDelete, "/v1/domains/shop?confirm=shop", nil)
	r.Host = "127.0.0.1"
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got := log.String(); !strings.Contains(got, "method=DELETE path=/v1/domains/shop remote=192.0.2.1:1234 status=200") {
		t.Errorf("log: %s", got)
	}
	log.Reset()
	r = httptest.NewRequest(http.MethodPost, "/v1/domains/shop/deploy", nil)
	r.Host = "127.0.0.1"
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got := log.String(); !strings.Contains(got, "path=/v1/domains/shop/deploy remote=192.0.2.1:1234 status=200 domain=shop revision=3 deployed=true") {
		t.Errorf("log of a deploy: %s", got)
	}
	log.Reset()
	r = httptest.NewRequest(http.MethodGet, "/v1/cluster", nil)
	h.ServeHTTP(httptest.NewRecorder(), r) // of example.com
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "method=GET path=/v1/cluster remote=192.0.2.1:1234 status=403 error=") {
		t.Errorf("log: %s", got)
	}
}

// TestSlowBody: a body that does not come ends with the call's deadline, over
// a real connection, and a call after it works.
func TestSlowBody(t *testing.T) {
	server := httptest.NewServer(New(Config{Control: newFake(), Timeout: 50 * time.Millisecond}))
	defer server.Close()
	body, stalled := io.Pipe()
	defer stalled.Close()
	resp, err := server.Client().Post(server.URL+"/v1/domains", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 400 || !strings.Contains(string(got), "40000 the body did not arrive whole") {
		t.Errorf("%d %s", resp.StatusCode, got)
	}
	again, err := server.Client().Get(server.URL + "/v1/cluster")
	if err != nil {
		t.Fatal(err)
	}
	again.Body.Close()
	if again.StatusCode != 200 {
		t.Errorf("after it: %d", again.StatusCode)
	}
}

// FuzzDecode: whatever valid JSON comes, decode ends, and takes a member over
// only from where encoding/json finds it too.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{joinBody, `{}`, `[]`, `{"id":null,"id":"x"}`, `{"ID":"x","voter":true}`, ` {"a b":{"id":"x"}}`, `"\ud800"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if checkJSON(raw) != nil {
			return
		}
		var id *string
		var voter *bool
		problems := decode(raw, []field{{"id", &id}, {"voter", &voter}})
		var plain map[string]any
		if err := json.Unmarshal(raw, &plain); err != nil && problems == nil && string(bytes.TrimSpace(raw)) != "null" {
			t.Fatalf("%s: no object, no problem", raw)
		}
		if problems != nil {
			return
		}
		if want, ok := plain["id"].(string); ok != (id != nil) || ok && *id != want {
			t.Errorf("%s: id %v, want %q", raw, id, want)
		}
		if want, ok := plain["voter"].(bool); ok != (voter != nil) || ok && *voter != want {
			t.Errorf("%s: voter %v, want %v", raw, voter, want)
		}
	})
}
