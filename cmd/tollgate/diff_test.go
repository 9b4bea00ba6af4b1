package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

func TestDiff(t *testing.T) {
	long := `"` + strings.Repeat("가", 300) + `"`
	const head = `{"key":"shop","draftRevision":3,"deployedRevision":2,`
	for _, c := range []struct {
		args, answer, want string
	}{
		{"diff shop", head + `"equal":false,"changes":[{"path":"$.a","draft":1,"deployed":null},{"path":"$['\u001b[2J']","draft":{"b":"********"}},` +
			`{"path":"$.c","deployed":[1]},{"path":"$.s","draft":"********","deployed":"********"},{"path":"$.t","draft":` + long + `,"deployed":"********"}],"truncated":false}`,
			"shop: from revision 2, which is live, to the draft, revision 3: 5 changes\n" +
				"~ $.a: null -> 1\n" +
				"+ $['\\x1b[2J']: {\"b\":\"********\"}\n" +
				"- $.c: [1]\n" +
				"~ $.s: another secret\n" +
				"~ $.t: \"********\" -> \"" + strings.Repeat("가", 199) + "…\n"},
		{"diff shop", head + `"equal":false,"changes":[{"path":"$.a","draft":1}],"truncated":true}`,
			"shop: from revision 2, which is live, to the draft, revision 3: more than 1 change\n+ $.a: 1\n" +
				"The node lists no more changes than these; `tollgate export` prints both documents.\n"},
		{"diff shop", head + `"equal":true,"changes":[],"truncated":false}`,
			"shop: the draft, revision 3, is the same as what is live, revision 2\n"},
		{"diff shop", `{"key":"shop","draftRevision":1,"deployedRevision":null,"equal":false,"changes":[],"truncated":false}`,
			"shop: nothing is live yet; `tollgate deploy shop` makes the draft, revision 1, live\n"},
		{"diff shop --json", head + `"equal":true,"changes":[],"truncated":false}`, head + `"equal":true,"changes":[],"truncated":false}` + "\n"},
	} {
		rec := &recorder{status: 200, answer: c.answer}
		server := httptest.NewServer(rec)
		got := command{args: words(c.args), env: []string{"TOLLGATE_ADMIN_URL=" + server.URL}}.run(t.Context())
		server.Close()
		if want := (outcome{cli.Done, c.want, ""}); got != want || rec.asked != "GET /v1/domains/shop/diff" {
			t.Errorf("tollgate %s asked %s\n got %+v\nwant %+v", c.args, rec.asked, got, want)
		}
	}
}
