package admin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// rights is what each role may do: a line a call, with the least role that may
// make it.
var rights = []struct {
	do, body string
	least    Role
}{
	{"GET /v1/cluster", "", RoleRead},
	{"HEAD /v1/cluster", "", RoleRead},
	{"GET /v1/cluster?clocks=true", "", RoleRead},
	{"GET /v1/whoami", "", RoleMetrics},
	{"GET /v1/cluster/self", "", RoleRead},
	{"POST /v1/cluster/join", joinBody, RoleAdmin},
	{"POST /v1/cluster/leave", `{"id":"n1"}`, RoleAdmin},
	{"POST /v1/cluster/transfer", "", RoleAdmin},
	{"GET /v1/domains", "", RoleRead},
	{"POST /v1/domains", shop, RoleDeploy},
	{"POST /v1/domains?deploy=true", shop, RoleDeploy},
	{"POST /v1/domains?dryRun=false", shop, RoleDeploy},
	{"POST /v1/domains?dryRun=true", shop, RoleRead},
	{"POST /v1/domains?deploy=true&dryRun=true", shop, RoleRead},
	{"GET /v1/domains/shop", "", RoleRead},
	{"GET /v1/domains/shop?deployed=true&secrets=false", "", RoleRead},
	{"GET /v1/domains/shop?secrets=true", "", RoleAdmin},
	{"HEAD /v1/domains/shop?secrets=true", "", RoleAdmin},
	{"PUT /v1/domains/shop", shop, RoleDeploy},
	{"PUT /v1/domains/shop?dryRun=true", shop, RoleRead},
	{"DELETE /v1/domains/shop?confirm=shop", "", RoleAdmin},
	{"POST /v1/domains/shop/deploy", "", RoleDeploy},
	{"POST /v1/domains/shop/clone", `{"key":"shop2"}`, RoleDeploy},
	{"GET /v1/domains/shop/quota", "", RoleRead},
	{"POST /v1/domains/shop/quota/reset", `{"window":60}`, RoleAdmin},
	{"POST /v1/domains/shop/quota/adjust", `{"window":"month","add":5}`, RoleAdmin},
	{"GET /v1/domains/shop/consumers", "", RoleRead},
	{"GET /v1/domains/shop/consumers/kim", "", RoleRead},
	{"PUT /v1/domains/shop/consumers/kim", `{"plan":"pro"}`, RoleAdmin},
	{"DELETE /v1/domains/shop/consumers/kim", "", RoleAdmin},
	{"POST /v1/domains/shop/consumers/kim/keys", "", RoleAdmin},
	{"DELETE /v1/domains/shop/consumers/kim/keys/tg_12345678", "", RoleAdmin},
	{"GET /v1/domains/shop/diff", "", RoleRead},
	{"GET /v1/domains/shop/revisions", "", RoleRead},
	{"GET /v1/domains/shop/revisions/2", "", RoleRead},
	{"GET /v1/domains/shop/revisions/2?secrets=true", "", RoleAdmin},
	{"POST /v1/domains/shop/deploy", `{"revision":2}`, RoleDeploy},
	{"GET /v1/domains/shop/stats?step=60", "", RoleRead},
	{"GET /v1/audit", "", RoleRead},
	{"GET /v1/backup", "", RoleAdmin},
	{"POST /v1/restore?confirm=true", backupFile, RoleAdmin},
	{"POST /v1/explain", `{"method":"GET","url":"/shop/x"}`, RoleRead},
	{"GET /metrics", "", RoleMetrics},
}

// TestRoles makes every call with a token of every role: who may is answered
// 200, who may not 403 with what is missing, and nothing was done.
func TestRoles(t *testing.T) {
	seen := map[string]bool{}
	for _, right := range rights {
		method, target, _ := strings.Cut(right.do, " ")
		path, _, _ := strings.Cut(target, "?")
		seen[method+" "+strings.NewReplacer("/shop", "/{key}", "/kim", "/{id}", "/tg_12345678", "/{prefix}", "/revisions/2", "/revisions/{n}").Replace(path)] = true
		for _, role := range roles {
			fake := newFake()
			cfg := Config{Control: fake, Gatherer: prometheus.NewRegistry()}
			withTokens(&cfg)
			r := httptest.NewRequest(method, target, strings.NewReader(right.body))
			r.Header.Set("Authorization", "Bearer "+tokenFor(role))
			w := httptest.NewRecorder()
			New(cfg).ServeHTTP(w, r)
			if role.allows(right.least) {
				if w.Code != http.StatusOK {
					t.Errorf("%s by %s: %d %s", right.do, role, w.Code, w.Body)
				}
				continue
			}
			want := failed(40300, fmt.Sprintf("this needs the role %s; the token of %s has the role %s", right.least, strings.ToUpper(string(role)), role))
			got := w.Body.String()
			// A reader's dry run is a read, and its import is not: the role that
			// is asked for first may be the lesser one.
			lesser := failed(40300, fmt.Sprintf("this needs the role %s; the token of %s has the role %s", RoleRead, strings.ToUpper(string(role)), role))
			if w.Code != http.StatusForbidden || got != want && (role.allows(RoleRead) || got != lesser) || len(fake.calls) > 0 {
				t.Errorf("%s by %s: %d %s, asked %v", right.do, role, w.Code, got, fake.calls)
			}
		}
	}
	for _, rt := range (&server{}).routes() {
		if !seen[rt.method+" "+rt.path] {
			t.Errorf("%s %s is not tested", rt.method, rt.path)
		}
	}
}

// TestOrderOfRoles pins which role includes which.
func TestOrderOfRoles(t *testing.T) {
	for i, a := range roles {
		for j, b := range roles {
			if a.allows(b) != (i >= j) {
				t.Errorf("%s allows %s: %t", a, b, a.allows(b))
			}
		}
		if Role("").allows(a) || roleNode.allows(a) || Role("root").allows(a) {
			t.Errorf("who has no role may do what needs %s", a)
		}
	}
}

// TestNodeCertificate: a node's certificate lets that node join and ask who a
// node is, and nothing else.
func TestNodeCertificate(t *testing.T) {
	shows := func(id string, err error) func(*Config) {
		return func(cfg *Config) {
			withTokens(cfg)
			cfg.Peer = func(*tls.ConnectionState) (string, error) { return id, err }
		}
	}
	missing := failed(40100, "this needs a token: send the header Authorization: Bearer TOKEN")
	for _, c := range []struct {
		name, do, body string
		peer           func(*Config)
		status         int
		want           string
	}{
		{"joins", "POST /v1/cluster/join", joinBody, shows("n4", nil), 200, statusJSON},
		{"asks who", "GET /v1/cluster/self", "", shows("n4", nil), 200,
			`{"id":"n1","clusterId":"c","fresh":false,"clusterAddress":"127.0.0.1:7001","adminAddress":"127.0.0.1:9001","proxyAddress":"127.0.0.1:8001"}`},
		{"joins another", "POST /v1/cluster/join", joinBody, shows("n5", nil), 403, failed(40300, "the certificate is that of node n5: it cannot join n4")},
		{"none", "POST /v1/cluster/join", joinBody, shows("", nil), 401, missing},
		{"foreign", "POST /v1/cluster/join", joinBody, shows("", errors.New("signed by nobody")), 401,
			failed(40100, "the certificate that was shown is not a node's of this cluster: signed by nobody")},
		{"reads", "GET /v1/cluster", "", shows("n4", nil), 401, failed(40100, "this needs a token: the certificate of node n4 is not enough")},
		{"leaves", "POST /v1/cluster/leave", `{"id":"n4"}`, shows("n4", nil), 401, failed(40100, "this needs a token: the certificate of node n4 is not enough")},
		{"metrics", "GET /metrics", "", shows("n4", nil), 401, failed(40100, "this needs a token: the certificate of node n4 is not enough")},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := newFake()
			cfg := Config{Control: fake, Gatherer: prometheus.NewRegistry()}
			c.peer(&cfg)
			method, target, _ := strings.Cut(c.do, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(c.body))
			r.TLS = &tls.ConnectionState{}
			w := httptest.NewRecorder()
			New(cfg).ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.want || (len(fake.calls) > 0) != (c.status == 200 && strings.HasSuffix(c.do, "/join")) {
				t.Errorf("%d %s, asked %v", w.Code, w.Body, fake.calls)
			}
		})
	}
}

func TestParseTokens(t *testing.T) {
	a, b := strings.Repeat("a", 32), strings.Repeat("b", 40)
	tokens, err := ParseTokens("# who may\n\n  read  dash-board " + a + "\r\n\tadmin\tkim@example.com\t" + b + "\n#admin x " + a)
	if err != nil || tokens.Len() != 2 {
		t.Fatal(err)
	}
	for token, want := range map[string]Caller{a: {RoleRead, "dash-board"}, b: {RoleAdmin, "kim@example.com"}, "": {}, a + "a": {}} {
		if got, ok := tokens.find(token); got != want || ok != (want != Caller{}) {
			t.Errorf("%s: %v %t", token, got, ok)
		}
	}
	_, err = ParseTokens("root kim " + a + "\nread\nread k,m " + a + "1\nread kim short\n\nread kim " + b + "\nadmin lee " + b + "\nread kim " + b + "\x7f\nread a b c")
	want := `line 1: there is no role "root": must be read, deploy, admin or metrics
line 2: must be ROLE NAME TOKEN, three words, has 1
line 3: the name "k,m" must be 1 to 64 of A-Z a-z 0-9 . _ @ -
line 4: the token of kim has 5 characters, must have at least 32; ` + "`openssl rand -hex 32`" + ` makes one
line 7: the token of lee is the same as in line 6: each needs one of its own
line 8: the token of kim must be of ASCII letters, digits and signs
line 9: must be ROLE NAME TOKEN, three words, has 4`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := ParseTokens("# nobody\n"); err == nil || err.Error() != "has no token: nobody could call" {
		t.Errorf("empty: %v", err)
	}
	var many strings.Builder
	for i := range maxTokens + 1 {
		fmt.Fprintf(&many, "read n %032d\n", i)
	}
	if _, err := ParseTokens(many.String()); err == nil || err.Error() != "line 1001: more than 1000 tokens" {
		t.Errorf("too many: %v", err)
	}
}
