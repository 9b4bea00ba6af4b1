package node_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/proxy"
)

// TestExplainAndDiff: a node explains a request by what it serves, draft or
// not, and spends nothing; the diff tells what a deploy would change. Neither
// shows a secret.
func TestExplainAndDiff(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 1)
	n := c.Nodes[0]
	plugins := func(secret string) string {
		return quotaPlugin("1", "3600") + `,"HMAC":{"secretKey":"` + secret + `","clockSkew":0}`
	}
	save := func(query, document string) {
		t.Helper()
		if r := api(t, n, "POST", "/v1/domains"+query, document); r.status != 200 {
			t.Fatal(r)
		}
	}
	explain := func(body string) (e proxy.Explanation) {
		t.Helper()
		r := api(t, n, "POST", "/v1/explain", body)
		if strings.Contains(r.body, "hunter") {
			t.Errorf("a secret is in %v", r)
		}
		r.into(t, &e)
		return e
	}
	const get, signed = `{"method":"GET","url":"/shop/x"}`, `{"method":"GET","url":"/shop/x","headers":{"X-TC-Timestamp":["2016-07-23T12:20:02+09:00"],"authorization":"x"},"clientIp":"::1"}`
	diff := func(want string) {
		t.Helper()
		if r := api(t, n, "GET", "/v1/domains/shop/diff", ""); r.status != 200 || r.body != want {
			t.Errorf("got %v\nwant %s", r, want)
		}
	}

	save("", swagger("shop", "Shop", "ok", ""))
	if e := explain(get); e.Domain != nil || e.Answer == nil || e.Answer.Status != 404 {
		t.Errorf("a draft is explained as %+v", e)
	}
	diff(`{"key":"shop","draftRevision":1,"deployedRevision":null,"equal":false,"changes":[],"truncated":false}`)

	save("?deploy=true", swagger("shop", "Shop", "ok", quotaPlugin("1", "3600")))
	diff(`{"key":"shop","draftRevision":2,"deployedRevision":2,"equal":true,"changes":[],"truncated":false}`)
	for range 3 {
		if e := explain(get); e.Domain == nil || e.Endpoint == nil || e.Endpoint.Pattern != "/x" || e.Answer == nil || e.Answer.Status != 200 || e.Call != nil {
			t.Fatalf("explained as %+v", e)
		}
	}
	if r := call(t, web, "GET", n.ProxyAddr(), "/shop/x", ""); r.status != 200 {
		t.Errorf("explaining has spent the quota: %v", r)
	}

	save("?deploy=true", swagger("shop", "Shop", "ok", plugins("hunter1")))
	save("?replace=true", swagger("shop", "Store", "ok", plugins("hunter2")))
	diff(`{"key":"shop","draftRevision":4,"deployedRevision":3,"equal":false,"changes":[` +
		`{"path":"$.info.title","draft":"Store","deployed":"Shop"},` +
		`{"path":"$['x-toastcloud-apigw'].plugins.HMAC.secretKey","draft":"********","deployed":"********"}],"truncated":false}`)
	e := explain(signed)
	if e.Answer == nil || e.Answer.Status != 401 || e.Domain.Name != "Shop" {
		t.Errorf("explained as %+v", e)
	}
	found := ""
	for _, f := range e.Plugins {
		found += f.StringToSign
	}
	if want := "GET\n/shop/x\n2016-07-23T12:20:02+09:00"; found != want {
		t.Errorf("to be signed is %q, want %q", found, want)
	}
	twice := explain(strings.Replace(signed, `"authorization":"x"`, `"authorization":["x","y"]`, 1))
	if twice.Answer == nil || twice.Answer.Status != 400 {
		t.Errorf("two signatures are explained as %+v", twice)
	}
}
