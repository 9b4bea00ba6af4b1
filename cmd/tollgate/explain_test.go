package main

import (
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

const (
	explainedCall = `{"domain":{"key":"shop","name":"Shop"},"endpoint":{"method":"GET","pattern":"/{v}/{n}","variables":{"v":"v1","n":"a\u001b[2J"}},"plugins":[` +
		`{"plugins":["USAGE_QUOTA","ENDPOINT_USAGE_QUOTA"],"decision":"unknown","reason":"a real call counts"},` +
		`{"plugins":["HMAC"],"decision":"pass","reason":"Authorization is the signature","stringToSign":"GET\n/shop/v1/a\nNOW"},` +
		`{"plugins":["HTTP_PROXY"],"decision":"call","reason":"GET http://up:8080/v1/a"}],` +
		`"call":{"method":"GET","url":"http://up:8080/v1/a","setHeaders":{"X-Empty":"","Host":"up:8080","Authorization":"********"},"droppedHeaders":["Connection","X-Own"]},"answer":null}`
	explainedRefusal = `{"domain":{"key":"shop","name":"Shop"},"endpoint":null,"plugins":[` +
		`{"plugins":["IPACL"],"decision":"refuse","reason":"10.0.0.1 is listed","answer":{"status":403,"resultCode":40300,"resultMessage":"40300 Forbidden"}}],` +
		`"call":null,"answer":{"status":403,"resultCode":40300,"resultMessage":"40300 Forbidden"}}`
	explainedMock    = `{"domain":{"key":"m","name":"M"},"endpoint":{"method":"GET","pattern":"/a","variables":{}},"plugins":[],"call":null,"answer":{"status":418,"headers":{"X-B":"2"},"bodyBytes":1}}`
	explainedNowhere = `{"domain":null,"endpoint":null,"plugins":[],"call":null,"answer":{"status":404,"resultCode":40400,"resultMessage":"40400 Not Found"}}`
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		args          []string
		answer, asked string
		status        int // of the node's answer
		want          outcome
	}{
		{words("explain GET /shop/v1/a -H X-A:1 --header x-a:2 -H X-B: --client-ip ::1"), explainedCall,
			`POST /v1/explain {"method":"GET","url":"/shop/v1/a","headers":{"X-A":["1","2"],"X-B":[""]},"clientIp":"::1"}`, 200,
			outcome{0, "" +
				"Request   GET /shop/v1/a\n" +
				"Domain    shop (Shop)\n" +
				"Endpoint  GET /{v}/{n}, {n} is a\\x1b[2J, {v} is v1\n" +
				"\n" +
				"Plugins, in their order\n" +
				"#  PLUGIN                             DECISION  WHY\n" +
				"1  USAGE_QUOTA, ENDPOINT_USAGE_QUOTA  unknown   a real call counts\n" +
				"2  HMAC                               pass      Authorization is the signature\n" +
				"3  HTTP_PROXY                         call      GET http://up:8080/v1/a\n" +
				"\n" +
				"Signed    GET\\n/shop/v1/a\\nNOW\n" +
				"\n" +
				"Calls     GET http://up:8080/v1/a\n" +
				"  sets    Authorization: ********\n" +
				"  sets    Host: up:8080\n" +
				"  sets    X-Empty:\n" +
				"  drops   Connection\n" +
				"  drops   X-Own\n", ""}},
		{[]string{"explain", "GET", "https://api.example:8443/shop/a?b=c", "-H", "Authorization:  Bearer a:b "}, explainedRefusal,
			`POST /v1/explain {"method":"GET","url":"/shop/a?b=c","headers":{"Authorization":["Bearer a:b"],"Host":["api.example:8443"]}}`, 200,
			outcome{0, "" +
				"Request   GET /shop/a?b=c\n" +
				"Domain    shop (Shop)\n" +
				"Endpoint  none\n" +
				"\n" +
				"Plugins, in their order\n" +
				"#  PLUGIN  DECISION  WHY\n" +
				"1  IPACL   refuse    10.0.0.1 is listed\n" +
				"\n" +
				"Answers   403, 40300 Forbidden\n", ""}},
		{words("explain GET http://api.example/m/a -H host:other"), explainedMock,
			`POST /v1/explain {"method":"GET","url":"/m/a","headers":{"host":["other"]}}`, 200,
			outcome{0, "Request   GET /m/a\nDomain    m (M)\nEndpoint  GET /a\n\nAnswers   418, with a body of 1 byte\n  sets    X-B: 2\n", ""}},
		{words("explain GET /nope"), explainedNowhere, `POST /v1/explain {"method":"GET","url":"/nope","headers":{}}`, 200,
			outcome{0, "Request   GET /nope\nDomain    none\n\nAnswers   404, 40400 Not Found\n", ""}},
		{words("explain GET /nope --json"), explainedNowhere, `POST /v1/explain {"method":"GET","url":"/nope","headers":{}}`, 200,
			outcome{0, explainedNowhere + "\n", ""}},
		{words("explain GET /a"), `{"header":{"resultCode":50300,"resultMessage":"50300 this node serves nothing yet","isSuccessful":false}}`,
			`POST /v1/explain {"method":"GET","url":"/a","headers":{}}`, 503,
			outcome{1, "", "tollgate explain: this node serves nothing yet (50300)\n"}},
	} {
		rec := &recorder{status: c.status, answer: c.answer}
		server := httptest.NewServer(rec)
		got := command{args: c.args, env: []string{"TOLLGATE_ADMIN_URL=" + server.URL}}.run(t.Context())
		server.Close()
		if got != c.want || rec.asked != c.asked {
			t.Errorf("tollgate %q asked %s\n got %+v\nwant %+v\nasked %s", c.args, rec.asked, got, c.want, c.asked)
		}
	}
}

func TestExplainRefuses(t *testing.T) {
	const see = "\nSee: tollgate explain --help\n"
	for _, c := range []struct{ args, want string }{
		{"explain GET", "URL is missing"},
		{"explain GET shop/a", `"shop/a" must be a URL such as http://127.0.0.1:8001/shop/items, or only its path and query`},
		{"explain GET /a -H s3cret", "--header: must be 'NAME: VALUE', such as 'Origin: https://app.example'"},
		{"explain GET /a -H :s3cret", "--header: must be 'NAME: VALUE', such as 'Origin: https://app.example'"},
		{"explain GET /a --client-ip localhost", `--client-ip "localhost": must be an IP address such as 203.0.113.7`},
	} {
		got := command{args: words(c.args)}.run(t.Context())
		if want := (outcome{cli.Usage, "", "tollgate explain: " + c.want + see}); got != want {
			t.Errorf("tollgate %s\n got %+v\nwant %+v", c.args, got, want)
		}
	}
}

// TestExplainElsewhere: an explain only reads, so it is asked again where the
// first answer was lost.
func TestExplainElsewhere(t *testing.T) {
	var asked atomic.Int32
	first := httptest.NewServer(hangUp(&asked))
	defer first.Close()
	second := httptest.NewServer(&recorder{status: 200, answer: explainedNowhere})
	defer second.Close()
	got := command{args: []string{"explain", "GET", "/a", "--json", "--admin-url", first.URL + "," + second.URL}}.run(t.Context())
	if want := (outcome{cli.Done, explainedNowhere + "\n", ""}); got != want || asked.Load() == 0 {
		t.Errorf("got %+v, first asked %d times", got, asked.Load())
	}
}
