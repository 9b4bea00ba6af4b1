package admin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

func TestDiff(t *testing.T) {
	run(t, []call{
		{name: "changed", do: "GET /v1/domains/shop/diff", status: 200, asked: "domain shop",
			want: `{"key":"shop","draftRevision":3,"deployedRevision":2,"equal":false,"changes":[` +
				`{"path":"$.paths['/x']","deployed":{"get":{}}},` +
				`{"path":"$.schemes","deployed":["http"]},` +
				`{"path":"$['x-toastcloud-apigw'].plugins.HMAC","draft":{"clockSkew":0,"secretKey":"********"}}],"truncated":false}`},
		{name: "not live", do: "GET /v1/domains/new/diff", status: 200, asked: "domain new",
			want: `{"key":"new","draftRevision":1,"deployedRevision":null,"equal":false,"changes":[],"truncated":false}`},
		{name: "unknown", do: "GET /v1/domains/nope/diff", status: 404, asked: "domain nope",
			want: failed(40400, `no domain has the key "nope"`)},
		{name: "no such key", do: "GET /v1/domains/a%20b/diff", status: 422,
			want: failed(42200, `no domain can have the key "a b": a key is 1 to 64 of A-Z a-z 0-9 . _ ~ -`)},
		{name: "no parameters", do: "GET /v1/domains/shop/diff?secrets=true", status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?secrets", "unknown parameter; this call takes from, to")},
		{name: "no leader", do: "GET /v1/domains/shop/diff", fail: ErrNoLeader, status: 503, asked: "domain shop",
			want: failed(50300, "the cluster has no leader now")},
	}, nil)
}

// TestDiffOf: what counts as a change, and that no secret is shown.
func TestDiffOf(t *testing.T) {
	for name, c := range map[string]struct{ draft, deployed, want string }{
		"same":         {`{"a":1}`, `{"a":1}`, ``},
		"order, space": {`{"a":1,"b":[{"c":"\u0041","d":null}]}`, `{"b":[{"d":null, "c":"A"}],"a":1}`, ``},
		"null is a value": {`{"a":null,"c":1}`, `{"b":null,"c":null}`,
			`{"path":"$.a","draft":null},{"path":"$.b","deployed":null},{"path":"$.c","draft":1,"deployed":null}`},
		"empty values": {`{"a":"","b":false,"c":0,"d":{},"e":[]}`, `{"d":[],"e":{}}`,
			`{"path":"$.a","draft":""},{"path":"$.b","draft":false},{"path":"$.c","draft":0},{"path":"$.d","draft":{},"deployed":[]},{"path":"$.e","draft":[],"deployed":{}}`},
		"big numbers": {`{"a":9007199254740993}`, `{"a":9007199254740992}`, `{"path":"$.a","draft":9007199254740993,"deployed":9007199254740992}`},
		"lists":       {`{"a":[1,2,3]}`, `{"a":[1,4]}`, `{"path":"$.a[1]","draft":2,"deployed":4},{"path":"$.a[2]","draft":3}`},
		"names":       {`{"it's":1,"/x":{"ge\\t":1}}`, `{"/x":{}}`, `{"path":"$['/x']['ge\\\\t']","draft":1},{"path":"$['it\\'s']","draft":1}`},
		"secret changed": {`{"p":{"secretKey":"hunter2"}}`, `{"p":{"secretKey":"hunter3"}}`,
			`{"path":"$.p.secretKey","draft":"********","deployed":"********"}`},
		"key of a client certificate": {`{"clientCertificate":{"certificate":"c","key":"hunter2"},"requestHeaders":{"key":"a"}}`, `{"clientCertificate":{"certificate":"c","key":"hunter3"},"requestHeaders":{"key":"b"}}`,
			`{"path":"$.clientCertificate.key","draft":"********","deployed":"********"},{"path":"$.requestHeaders.key","draft":"a","deployed":"b"}`},
		"client certificate is new": {`{"clientCertificate":{"key":"hunter2"}}`, `{}`, `{"path":"$.clientCertificate","draft":{"key":"********"}}`},
		"secret same":               {`{"p":{"secretKey":"hunter2"},"a":1}`, `{"p":{"secretKey":"hunter2"}}`, `{"path":"$.a","draft":1}`},
		"secret is new":             {`{"p":{"secretKey":"hunter2"}}`, `{"p":{}}`, `{"path":"$.p.secretKey","draft":"********"}`},
		"secret of any form":        {`{"secretKey":{"a":"hunter2"}}`, `{"secretKey":["hunter2"]}`, `{"path":"$.secretKey","draft":"********","deployed":"********"}`},
		"secret with others":        {`{"p":[{"q":{"SecretKey":["hunter2"],"b":1}}]}`, `{}`, `{"path":"$.p","draft":[{"q":{"SecretKey":"********","b":1}}]}`},
		"secret for a text":         {`{"p":{"secretKey":"hunter2"}}`, `{"p":"x"}`, `{"path":"$.p","draft":{"secretKey":"********"},"deployed":"x"}`},
		"no objects":                {`[]`, `"x"`, `{"path":"$","draft":[],"deployed":"x"}`},
	} {
		got := diffOf(t, c.draft, c.deployed)
		want := fmt.Sprintf(`{"key":"shop","draftRevision":3,"deployedRevision":2,"equal":%t,"changes":[%s],"truncated":false}`, c.want == "", c.want)
		if got != want || strings.Contains(got, "hunter") {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
}

// TestDiffBounds: so many changes, and no longer paths, than can be sent.
func TestDiffBounds(t *testing.T) {
	list := func(n int, value string) string {
		return `{"` + strings.Repeat("ä", 300) + `":[` + strings.Repeat(value+",", n) + `0]}`
	}
	for _, n := range []int{maxChanges, maxChanges + 1} {
		var d struct {
			Changes   []struct{ Path string }
			Equal     bool
			Truncated bool
		}
		if err := json.Unmarshal([]byte(diffOf(t, list(n, "1"), list(n, "2"))), &d); err != nil {
			t.Fatal(err)
		}
		if len(d.Changes) != maxChanges || d.Equal || d.Truncated != (n > maxChanges) {
			t.Errorf("%d changes: %d are listed, truncated %t", n, len(d.Changes), d.Truncated)
		}
		if want := "$['" + strings.Repeat("ä", 100) + "…'][9]"; d.Changes[9].Path != want {
			t.Errorf("path %s", d.Changes[9].Path)
		}
	}
}

func diffOf(t *testing.T, draft, deployed string) string {
	t.Helper()
	fake := newFake()
	fake.domains["shop"] = catalog.Entry{
		Key: "shop", Draft: catalog.Revision{Number: 3, Document: []byte(draft)},
		Deployed: catalog.Revision{Number: 2, Document: []byte(deployed)},
	}
	return get(New(Config{Control: fake}), "/v1/domains/shop/diff").Body.String()
}
