package admin

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/catalog"
)

// TestRevisions: what is kept of a domain can be listed, read, compared and made live
// again, and no secret is shown.
func TestRevisions(t *testing.T) {
	run(t, []call{
		{name: "list", do: "GET /v1/domains/shop/revisions", status: 200, asked: "domain shop",
			want: `[{"revision":3,"at":"2023-11-14T22:13:20.000Z","name":"kim","note":"with a key","deployed":false},` +
				`{"revision":2,"at":"","name":"","note":"","deployed":true}]`},
		{name: "before there were histories", do: "GET /v1/domains/new/revisions", status: 200, asked: "domain new",
			want: `[{"revision":1,"at":"","name":"","note":"","deployed":false}]`},
		{name: "of an unknown domain", do: "GET /v1/domains/nope/revisions", status: 404, asked: "domain nope",
			want: failed(40400, `no domain has the key "nope"`)},
		{name: "one", do: "GET /v1/domains/shop/revisions/2", status: 200, asked: "domain shop",
			want: string(catalog.Export([]byte(shop), false))},
		{name: "one with a secret", do: "GET /v1/domains/shop/revisions/3", status: 200, asked: "domain shop",
			want: string(catalog.Export([]byte(secretShop), false))},
		{name: "one that is gone", do: "GET /v1/domains/shop/revisions/1", status: 404, asked: "domain shop",
			want: failed(40400, `the domain "shop" has no revision 1; those that are kept are 2 to 3`)},
		{name: "no number", do: "GET /v1/domains/shop/revisions/last", status: 422, asked: "domain shop",
			want: failed(42200, `"last" is no revision: revisions are numbered from 1`)},
		{name: "difference", do: "GET /v1/domains/shop/diff?from=2&to=3", status: 200, asked: "domain shop",
			want: `{"key":"shop","from":2,"to":3,"equal":false,"changes":[{"path":"$.paths['/x']","from":{"get":{}}},` +
				`{"path":"$.schemes","from":["http"]},` +
				`{"path":"$['x-toastcloud-apigw'].plugins.HMAC","to":{"clockSkew":0,"secretKey":"********"}}],"truncated":false}`},
		{name: "difference of equals", do: "GET /v1/domains/shop/diff?to=2", status: 200, asked: "domain shop",
			want: `{"key":"shop","from":2,"to":2,"equal":true,"changes":[],"truncated":false}`},
		{name: "difference with nothing live", do: "GET /v1/domains/new/diff?to=1", status: 404, asked: "domain new",
			want: failed(40400, `the domain "new" is not deployed: name the revision to compare with, ?from=`)},
		{name: "roll back", do: "POST /v1/domains/shop/deploy", body: `{"revision":2}`, status: 200, asked: "domain shop; deploy shop, revision 2",
			want: `{"key":"shop","revision":2,"deployed":true,"warnings":[{"path":"$","message":"the draft stays revision 3, which differs from revision 2 that is live now: the next deploy without a revision makes the draft live"}],"pending":[]}`},
		{name: "roll back to what is gone", do: "POST /v1/domains/shop/deploy", body: `{"revision":1}`, status: 404, asked: "domain shop",
			want: failed(40400, `the domain "shop" has no revision 1; those that are kept are 2 to 3`)},
		{name: "roll back to no number", do: "POST /v1/domains/shop/deploy", body: `{"revision":"2"}`, status: 422,
			want: failed(42200, "the deploy is refused: 1 problem", "$.revision", "must be the number of a revision, 1 or more")},
		{name: "a note that is too long", do: "PUT /v1/domains/shop?note=" + strings.Repeat("x", catalog.MaxNoteRunes+1), body: shop, status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?note", "must be up to 1000 characters of UTF-8")},
	}, nil)
}

// TestAuditTrail: the audit is an array, the newest first; a request's token and address
// are what its change is remembered by.
func TestAuditTrail(t *testing.T) {
	fake := newFake()
	cfg := Config{Control: fake, Gatherer: prometheus.NewRegistry()}
	withTokens(&cfg)
	for target, want := range map[string]string{
		"/v1/audit": `[{"at":"2023-11-14T22:13:20.000Z","name":"READ","role":"read","address":"192.0.2.1","action":"deploy","domain":"shop","revision":3},` +
			`{"at":"2020-09-13T12:26:40.000Z","name":"kim","role":"admin","address":"192.0.2.1","action":"member.leave","domain":"n3","revision":0}]`,
		"/v1/audit?limit=1":     `[{"at":"2023-11-14T22:13:20.000Z","name":"READ","role":"read","address":"192.0.2.1","action":"deploy","domain":"shop","revision":3}]`,
		"/v1/audit?limit=10001": strings.TrimSpace(failed(42200, "the query is refused: 1 problem", "?limit", "must be a whole number from 1 to 10000")),
	} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Authorization", "Bearer "+tokenFor(RoleRead))
		w := httptest.NewRecorder()
		New(cfg).ServeHTTP(w, r)
		if got := strings.TrimSpace(w.Body.String()); got != want {
			t.Errorf("%s: %s\nwant %s", target, got, want)
		}
	}
}
