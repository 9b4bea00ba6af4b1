package admin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

// plainSwagger is a document of somebody who never heard of plugins.
const plainSwagger = `{"swagger":"2.0","info":{"title":"Shop"},"basePath":"/shop","schemes":["http"],"paths":{"/x":{"get":{}}}}`

func TestReadDomains(t *testing.T) {
	run(t, []call{
		{name: "list", do: "GET /v1/domains", status: 200, asked: "domains",
			want: `[{"key":"new","name":"New","draftRevision":1,"deployedRevision":null,"endpoints":0},{"key":"shop","name":"Shop","draftRevision":3,"deployedRevision":2,"endpoints":1}]`},
		{name: "draft without secrets", do: "GET /v1/domains/shop", status: 200, asked: "domain shop",
			want: string(catalog.Export([]byte(secretShop), false))},
		{name: "draft with secrets", do: "GET /v1/domains/shop?secrets=true", status: 200, asked: "domain shop",
			want: string(catalog.Export([]byte(secretShop), true)), heads: map[string]string{"Cache-Control": "no-store"}},
		{name: "what is live", do: "GET /v1/domains/shop?deployed=true", status: 200, asked: "domain shop",
			want: string(catalog.Export([]byte(shop), false))},
		{name: "nothing is live", do: "GET /v1/domains/new?deployed=true", status: 404, asked: "domain new",
			want: failed(40400, `the domain "new" is not deployed`)},
		{name: "unknown", do: "GET /v1/domains/nope", status: 404, asked: "domain nope",
			want: failed(40400, `no domain has the key "nope"`)},
		{name: "key with a slash", do: "GET /v1/domains/a%2Fb", status: 422,
			want: failed(42200, `no domain can have the key "a/b": a key is 1 to 64 of A-Z a-z 0-9 . _ ~ -`)},
		{name: "key that climbs", do: "GET /v1/domains/%2e%2e", status: 422,
			want: failed(42200, `no domain can have the key "..": a key is 1 to 64 of A-Z a-z 0-9 . _ ~ -`)},
		{name: "key with a path", do: "GET /v1/domains/a/b", status: 404,
			want: failed(40400, "no such call: GET /v1/domains/a/b; the calls are those of /v1/cluster, /v1/domains and /v1/explain, and /healthz, /readyz, /metrics")},
		{name: "no redirect", do: "GET /v1//domains", status: 404,
			want: failed(40400, "no such call: GET /v1//domains; the calls are those of /v1/cluster, /v1/domains and /v1/explain, and /healthz, /readyz, /metrics")},
		{name: "no key", do: "GET /v1/domains/", status: 404,
			want: failed(40400, "no such call: GET /v1/domains/; the calls are those of /v1/cluster, /v1/domains and /v1/explain, and /healthz, /readyz, /metrics")},
		{name: "every query problem", do: "GET /v1/domains/shop?secret=true&deployed=yes&secrets=true&secrets=true", status: 422,
			want: failed(42200, "the query is refused: 3 problems",
				"?deployed", `must be true or false, is "yes"`,
				"?secret", "unknown parameter; this call takes deployed, secrets",
				"?secrets", "is given 2 times; give it once")},
		{name: "no parameters", do: "GET /v1/domains?page=2", status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?page", "unknown parameter; this call takes none")},
		{name: "query not readable", do: "GET /v1/domains/shop?a=%zz", status: 400,
			want: failed(40000, `the query is not readable: invalid URL escape "%zz"`)},
		{name: "wrong method", do: "PATCH /v1/domains/shop", status: 405, heads: map[string]string{"Allow": "DELETE, GET, HEAD, PUT"},
			want: failed(40500, "PATCH is no method of /v1/domains/shop; allowed: DELETE, GET, HEAD, PUT")},
	}, nil)
	empty := newFake()
	empty.domains = nil
	if got := get(New(Config{Control: empty}), "/v1/domains").Body.String(); got != "[]" {
		t.Errorf("no domains: %s", got)
	}
}

func TestSaveDomain(t *testing.T) {
	json := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	stored := mustParse(t, shop, catalog.ParseOptions{}).JSON
	proxied := mustParse(t, plainSwagger, catalog.ParseOptions{EndpointServer: "http://10.0.0.9:80"}).JSON
	_, noProxy := catalog.Parse([]byte(plainSwagger), catalog.ParseOptions{})
	run(t, []call{
		{name: "draft", do: "POST /v1/domains", header: json, body: shop, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("domain shop; put shop {Deploy:false MustBeNew:false} %s", stored)},
		{name: "deploy", do: "POST /v1/domains?deploy=true", header: json, body: shop, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":true,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("domain shop; put shop {Deploy:true MustBeNew:false} %s", stored)},
		{name: "dry run", do: "POST /v1/domains?deploy=true&dryRun=true", header: json, body: shop, status: 200,
			want: `{"key":"shop","revision":0,"deployed":false,"warnings":[],"pending":[]}`, asked: "domain shop"},
		{name: "dry run of nothing good", do: "POST /v1/domains?dryRun=true", body: plainSwagger, status: 422,
			want: refusedDocument(noProxy)},
		{name: "without plugins", do: "POST /v1/domains?endpointServer=http://10.0.0.9:80", body: plainSwagger, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("domain shop; put shop {Deploy:false MustBeNew:false} %s", proxied)},
		{name: "replace", do: "PUT /v1/domains/shop?deploy=false", header: json, body: shop, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("put shop {Deploy:false MustBeNew:false} %s", stored)},
		{name: "replace another", do: "PUT /v1/domains/store", header: json, body: shop, status: 200,
			want:  `{"key":"store","revision":1,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("put store {Deploy:false MustBeNew:false} %s", mustParse(t, shop, catalog.ParseOptions{Key: "store"}).JSON)},
		{name: "replace what cannot be", do: "PUT /v1/domains/a%20b", header: json, body: shop, status: 422,
			want: failed(42200, `no domain can have the key "a b": a key is 1 to 64 of A-Z a-z 0-9 . _ ~ -`)},
		{name: "misspelt dry run", do: "POST /v1/domains?dryrun=true", body: shop, status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?dryrun", "unknown parameter; this call takes deploy, diff, dryRun, endpointServer, key, name, note, replace, scheme")},
		{name: "form", do: "POST /v1/domains", header: http.Header{"Content-Type": {"text/plain"}}, body: shop, status: 415,
			want: failed(41500, "Content-Type text/plain is not understood: send application/json, or a document as application/yaml")},
		{name: "other JSON type", do: "POST /v1/domains?dryRun=true", header: http.Header{"Content-Type": {"application/swagger+json"}}, body: shop, status: 200,
			want: `{"key":"shop","revision":0,"deployed":false,"warnings":[],"pending":[]}`, asked: "domain shop"},
		{name: "other charset", do: "POST /v1/domains", header: http.Header{"Content-Type": {"application/json;charset=euc-kr"}}, body: shop, status: 415,
			want: failed(41500, "charset euc-kr is not understood: send UTF-8")},
		{name: "compressed", do: "POST /v1/domains", header: http.Header{"Content-Encoding": {"gzip"}}, body: shop, status: 415,
			want: failed(41500, "Content-Encoding gzip is not understood: send the body as it is")},
		{name: "too large", do: "POST /v1/domains", body: strings.Repeat(" ", catalog.MaxDocumentBytes+1), status: 413,
			want: failed(41300, "the body is larger than the 8388608 bytes that this call takes")},
		{name: "no leader", do: "POST /v1/domains", body: shop, fail: ErrNoLeader, status: 503, heads: map[string]string{"Retry-After": "1"},
			want: failed(50300, "the cluster has no leader now"), asked: "domain shop"},
	}, nil)
	for name, body := range map[string]string{"yaml": "swagger: \"2.0\n", "empty": "", "cut": shop[:40]} {
		_, err := catalog.Parse([]byte(body), catalog.ParseOptions{})
		run(t, []call{{name: name, do: "POST /v1/domains", body: body, status: 400,
			want: failed(40000, err.(catalog.Problems)[0].Message)}}, nil)
	}
}

// TestWarnings: what is accepted all the same is told when it is saved, and
// again when it goes live.
func TestWarnings(t *testing.T) {
	rewriting := strings.Replace(shop, `"HTTP_PROXY"`, `"URI_REWRITE":{"uriPattern":"/(","rewriteUri":"/x"},"HTTP_PROXY"`, 1)
	options := catalog.ParseOptions{Rewrite: func(pattern, _ string) error { return fmt.Errorf("%s has an open group", pattern) }}
	doc := mustParse(t, rewriting, options)
	if len(doc.Warnings) == 0 {
		t.Fatal("no warnings to test with")
	}
	warnings := problemsJSON(doc.Warnings)
	configure := func(cfg *Config) {
		cfg.Parse = options
		fake := cfg.Control.(*fakeControl)
		fake.domains["shop"] = catalog.Entry{Key: "shop", Name: "Shop", Draft: catalog.Revision{Number: 3, Document: doc.JSON}}
	}
	run(t, []call{
		{name: "save", do: "POST /v1/domains?dryRun=true", body: rewriting, status: 200,
			asked: "domain shop",
			want:  `{"key":"shop","revision":0,"deployed":false,"warnings":` + warnings + `,"pending":[]}`},
		{name: "deploy", do: "POST /v1/domains/shop/deploy", status: 200, asked: "domain shop; deploy shop",
			want: `{"key":"shop","revision":3,"deployed":true,"warnings":` + warnings + `,"pending":[]}`},
	}, configure)
}

func TestChangeDomain(t *testing.T) {
	clone := func(key, name string) string {
		renamed, err := catalog.Rename([]byte(secretShop), key, name)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("domain shop; put %s {Deploy:false MustBeNew:true} %s", key, renamed)
	}
	_, badName := catalog.Rename([]byte(shop), "b b", "")
	run(t, []call{
		{name: "deploy", do: "POST /v1/domains/shop/deploy", body: "{}", status: 200, asked: "domain shop; deploy shop",
			want: `{"key":"shop","revision":3,"deployed":true,"warnings":[],"pending":[]}`},
		{name: "deploy nothing", do: "POST /v1/domains/nope/deploy", status: 404, asked: "domain nope",
			want: failed(40400, `no domain has the key "nope"`)},
		{name: "deploy with wishes", do: "POST /v1/domains/shop/deploy", body: `{"version":2}`, status: 422,
			want: failed(42200, "the deploy is refused: 1 problem", "$.version", "unknown field; known: revision")},
		{name: "clone", do: "POST /v1/domains/shop/clone", body: `{"key":"shop2","name":"Second"}`, status: 200, asked: clone("shop2", "Second"),
			want: `{"key":"shop2","revision":1,"deployed":false,"warnings":[],"pending":[]}`},
		{name: "clone by its name", do: "POST /v1/domains/shop/clone", body: `{"key":"shop2"}`, status: 200, asked: clone("shop2", "Shop"),
			want: `{"key":"shop2","revision":1,"deployed":false,"warnings":[],"pending":[]}`},
		{name: "clone to what is", do: "POST /v1/domains/shop/clone", body: `{"key":"new"}`, status: 409, asked: clone("new", "Shop"),
			want: failed(40900, `there is a domain "new" already`)},
		{name: "clone badly", do: "POST /v1/domains/shop/clone", body: `{"key":"b b","name":""}`, status: 422, asked: "domain shop",
			want: failed(42200, "the clone is refused: 2 problems", flat(badName)...)},
		{name: "clone to nowhere", do: "POST /v1/domains/shop/clone", body: `{"name":7}`, status: 422, asked: "domain shop",
			want: failed(42200, "the clone is refused: 2 problems", "$.name", "must be a string, is a number",
				"$.key", "is missing: must be the new domain's key, 1 to 64 of A-Z a-z 0-9 . _ ~ -")},
		{name: "clone nothing", do: "POST /v1/domains/nope/clone", body: `{"key":"shop2"}`, status: 404, asked: "domain nope",
			want: failed(40400, `no domain has the key "nope"`)},
		{name: "delete", do: "DELETE /v1/domains/shop?confirm=shop", status: 200, asked: "delete shop",
			want: `{"key":"shop","deleted":true}`},
		{name: "delete unconfirmed", do: "DELETE /v1/domains/shop", status: 422,
			want: failed(42200, "the deletion is refused: 1 problem", "?confirm", "must repeat the key: ?confirm=shop")},
		{name: "delete the other", do: "DELETE /v1/domains/shop?confirm=store", status: 422,
			want: failed(42200, "the deletion is refused: 1 problem", "?confirm", `must repeat the key: ?confirm=shop, is "store"`)},
		{name: "delete nothing", do: "DELETE /v1/domains/nope?confirm=nope", status: 404, asked: "delete nope",
			want: failed(40400, `no domain has the key "nope"`)},
	}, nil)
}

func mustParse(t *testing.T, raw string, opts catalog.ParseOptions) *catalog.Document {
	t.Helper()
	doc, err := catalog.Parse([]byte(raw), opts)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// flat lists problems the way failed takes them.
func flat(err error) []string {
	var list []string
	for _, p := range err.(catalog.Problems) {
		list = append(list, p.Path, p.Message)
	}
	return list
}

func refusedDocument(err error) string {
	details := flat(err)
	count := fmt.Sprintf("%d problems", len(details)/2)
	if len(details) == 2 {
		count = "1 problem"
	}
	return failed(42200, "the document is refused: "+count, details...)
}

func problemsJSON(problems []catalog.Problem) string {
	var list []string
	for _, p := range problems {
		list = append(list, fmt.Sprintf(`{"path":%q,"message":%q}`, p.Path, p.Message))
	}
	return "[" + strings.Join(list, ",") + "]"
}
