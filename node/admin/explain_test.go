package admin

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/proxy/plugin"
)

func TestExplain(t *testing.T) {
	const nothing = `{"domain":null,"endpoint":null,"plugins":null,"call":null,"answer":null}`
	const valueRule = "must be a string or a list of strings, at least one"
	run(t, []call{
		{name: "least", do: "POST /v1/explain", body: `{"method":"GET","url":"/shop/x"}`, status: 200, want: nothing,
			asked: "explain {Method:GET URL:/shop/x Headers:map[] ClientIP:invalid IP}", heads: map[string]string{"Cache-Control": "no-store"}},
		{name: "most", do: "POST /v1/explain", body: `{"method":"PUT","url":"/shop/x?a=1","headers":{"Host":"api.example","Accept":["a","b"],"cookie":["c=1","d=2"],"X-One":["1"],"X-None":""},"clientIp":"2001:db8::1"}`, status: 200, want: nothing,
			asked: "explain {Method:PUT URL:/shop/x?a=1 Headers:map[Accept:a, b Host:api.example X-None: X-One:1 cookie:c=1; d=2] ClientIP:2001:db8::1}"},
		{name: "nulls", do: "POST /v1/explain", body: `{"method":"GET","url":"/","headers":null,"clientIp":null}`, status: 200, want: nothing,
			asked: "explain {Method:GET URL:/ Headers:map[] ClientIP:invalid IP}"},
		{name: "twice what comes once", do: "POST /v1/explain", body: `{"method":"GET","url":"/","headers":{"Authorization":["a","b"]}}`, status: 200, want: nothing,
			asked: "explain {Method:GET URL:/ Headers:map[AUTHORIZATION:b authorization:a] ClientIP:invalid IP}"},
		{name: "every problem", do: "POST /v1/explain", body: `{"method":7,"headers":{"A":1,"B":[],"C":["x",null],"D":"x","d":"y","E e":{}},"clientIp":"localhost","body":"x"}`, status: 422,
			want: failed(42200, "the explain is refused: 9 problems",
				"$.method", "must be a string, is a number",
				"$.body", "unknown field; known: method, url, headers, clientIp",
				"$.url", "is missing: must be path and query as a client sends them, such as /shop/items?page=2",
				"$.clientIp", `must be an IP address, such as 203.0.113.7, is "localhost"`,
				"$.headers.A", valueRule, "$.headers.B", valueRule, "$.headers.C", valueRule,
				"$.headers.d", "is given before, as D; give all its values in one list",
				"$.headers['E e']", valueRule)},
		{name: "headers of another kind", do: "POST /v1/explain", body: `{"method":"GET","url":"/","headers":["A: 1"]}`, status: 422,
			want: failed(42200, "the explain is refused: 1 problem", "$.headers", "must be an object, is an array")},
		{name: "nothing", do: "POST /v1/explain", status: 422,
			want: failed(42200, "the explain is refused: 2 problems",
				"$.method", "is missing: must be the method of the request, such as GET",
				"$.url", "is missing: must be path and query as a client sends them, such as /shop/items?page=2")},
		{name: "no JSON", do: "POST /v1/explain", body: `{`, status: 400, want: failed(40000, "the body is not JSON: line 1: unexpected end of JSON input")},
		{name: "too large", do: "POST /v1/explain", body: strings.Repeat(" ", maxExplainBytes+1), status: 413,
			want: failed(41300, "the body is larger than the 131072 bytes that this call takes")},
		{name: "to read it", do: "GET /v1/explain", status: 405, heads: map[string]string{"Allow": "POST"},
			want: failed(40500, "GET is no method of /v1/explain; allowed: POST")},
		{name: "catching up", do: "POST /v1/explain", body: `{"method":"GET","url":"/"}`, fail: ErrNotServing, status: 503, heads: map[string]string{"Retry-After": "1"},
			want:  failed(50300, "this node serves nothing yet: it is still catching up with the cluster"),
			asked: "explain {Method:GET URL:/ Headers:map[] ClientIP:invalid IP}"},
	}, nil)
}

// TestExplanation: the Explanation goes out as it is, and is no change to be
// logged.
func TestExplanation(t *testing.T) {
	fake := newFake()
	fake.explanation = proxy.Explanation{
		Domain:  &proxy.ExplainedDomain{Key: "shop", Name: "Shop"},
		Plugins: []plugin.Finding{{Plugins: []string{"HMAC"}, Decision: plugin.Refused, Reason: "<why>", StringToSign: "GET\n/x\n"}},
		Answer:  &plugin.Answer{Status: 401},
	}
	var log bytes.Buffer
	r := httptest.NewRequest("POST", "/v1/explain", strings.NewReader(`{"method":"GET","url":"/shop/x"}`))
	r.Host = "127.0.0.1:9001"
	w := httptest.NewRecorder()
	New(Config{Control: fake, Logger: slog.New(slog.NewTextHandler(&log, nil))}).ServeHTTP(w, r)
	const want = `{"domain":{"key":"shop","name":"Shop"},"endpoint":null,` +
		`"plugins":[{"plugins":["HMAC"],"decision":"refuse","reason":"<why>","stringToSign":"GET\n/x\n"}],"call":null,"answer":{"status":401}}`
	if got := w.Body.String(); w.Code != 200 || got != want || log.Len() > 0 {
		t.Errorf("%d %s\nwant %s\nlog: %s", w.Code, got, want, &log)
	}
}
